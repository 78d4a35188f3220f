"""Write a model as ONNX graphs, compare them with torch, and put them into a folder."""

import contextlib
import io
import logging
import math
import shutil
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from espnet_wabert.errors import UserError, first_line
from espnet_wabert.formats.lines import write_atomically
from espnet_wabert.graphs.comparison import TOLERANCE, compare
from espnet_wabert.graphs.folder import (
    DYNAMIC,
    GRAPHS,
    check_free,
    graph_file,
    own_files,
    write_facts,
)
from espnet_wabert.graphs.model import load_exported
from espnet_wabert.graphs.parts import Part, examples, facts, functions, traceable
from espnet_wabert.graphs.quantize import quantize
from espnet_wabert.models.checkpoint import EXPORTED, find_files, load_model
from espnet_wabert.models.download import NGRAM, Files

INCOMPLETE = "format: none, an export that was interrupted\n"
NEEDED = ("onnx", "onnxscript", "onnxruntime")


def export_onnx(
    model: str | Path,
    out: Path,
    int8: bool = False,
    report: Callable[[str], None] = lambda line: None,
) -> None:
    """Write the graphs of a model and what their use needs, after a comparison with torch.

    Args:
        model: as for `find_files`.
        out: folder; new, empty, or of an earlier export, which is replaced.
        int8: quantize the weights after the comparison.
        report: gets a line about each step that is done.

    Raises:
        UserError: a package is missing, a part cannot be exported or differs from torch, or `out`
            has other files.
    """
    check_packages()
    check_free(out)
    files = find_files(model)
    loaded, args = load_model(files)
    parts = functions(loaded)
    described = {
        "model": args.model,
        "precision": "int8" if int8 else "float32",
        "classifier": getattr(args, "classifier", None),
        **facts(loaded),
    }
    vocabulary = list(args.token_list) if {"bert", "letters"} & set(parts) else []
    out.parent.mkdir(parents=True, exist_ok=True)
    # Beside `out`, so that a refused export leaves nothing and a good one is renamed.
    with tempfile.TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as temporary:
        folder = Path(temporary) / "export"  # with the permissions of any new folder
        folder.mkdir()
        for part, function in parts.items():
            with traceable(loaded):
                write_graph(part, loaded, function, graph_file(folder, part))
        write_facts(folder, described, list(parts), vocabulary)
        if files.ngram is not None:
            shutil.copyfile(files.ngram, folder / NGRAM)
        exported = Files(folder / EXPORTED, graph_file(folder, "frontend"))
        difference = compare(loaded, load_exported(exported)[0])
        report(f"largest difference from PyTorch: {difference:.1e} (limit {TOLERANCE:g})")
        if int8:
            for part in parts:
                quantize(graph_file(folder, part))
            difference = compare(loaded, load_exported(exported)[0], limit=math.inf)
            report(
                f"largest difference of int8 from PyTorch: {difference:.1e} (of states and scores;"
                " RESULTS.md has what it costs in word boundaries)"
            )
        _move(folder, out)
    size = sum(path.stat().st_size for path in out.iterdir())
    report(f"{out}: {len(parts)} graphs, {size / 1e6:.0f} MB in all")


def check_packages() -> None:
    """Raise UserError for a package that is not installed."""
    from importlib.util import find_spec

    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise UserError(
            f"packages {', '.join(missing)} are not installed:"
            ' pip install "espnet_wabert[onnx]" has what `wabert export` needs'
        )


def write_graph(part: str, model: nn.Module, function: Callable, path: Path) -> None:
    """Write the graph of one function of a model.

    Raises:
        UserError: torch cannot export it; the message names the part.
    """
    graph = GRAPHS[part]
    shapes = [
        {i: torch.export.Dim.DYNAMIC for i, axis in enumerate(axes.split()) if axis in DYNAMIC}
        for axes in graph.inputs.values()
    ]
    try:
        with _quiet():
            program = torch.onnx.export(
                Part(model, function),
                examples(part, model),
                input_names=list(graph.inputs),
                output_names=list(graph.outputs),
                dynamic_shapes=(tuple(shapes),),  # of *inputs
                dynamo=True,
                verbose=False,
            )
            assert program is not None  # with dynamo
            program.save(path)
    except Exception as error:  # of torch.export, of the operators, of the file
        cause = error.__cause__ or error
        raise UserError(f"{part}: cannot be exported to ONNX: {first_line(cause)}") from error


@contextlib.contextmanager
def _quiet():
    """Keep the exporter's remarks about operators and guards from the user."""
    level = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with (
            warnings.catch_warnings(action="ignore"),
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
        ):
            yield
    finally:
        logging.disable(level)


def _move(folder: Path, out: Path) -> None:
    """Make the folder of a finished export `out`, or move its files into the `out` that is there.

    After a kill `out` is refused by who loads it, and taken by the next export.
    """
    if not out.exists():
        folder.rename(out)
        return
    write_atomically(out / EXPORTED, INCOMPLETE)
    for name in own_files() - {EXPORTED}:
        (out / name).unlink(missing_ok=True)
    for path in folder.iterdir():
        if path.name != EXPORTED:
            shutil.move(path, out / path.name)  # `out` may be a volume of its own, or a link to one
    write_atomically(out / EXPORTED, (folder / EXPORTED).read_text(encoding="utf-8"))
