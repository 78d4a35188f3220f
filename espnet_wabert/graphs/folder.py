"""The folder of an exported model: its graphs, and what a program must know beside them.

Axes: B utterances, S samples, T frames, N tokens (or any vectors); the others have fixed sizes:
W, D and H are the widths of features, adapted frames and BERT, G the graphemes with silence, V the
letters with the blank, P the word pieces, C the classes. Lengths and counts are int64, the rest is
float32; starts and ends (in frames) are float64.
"""

from pathlib import Path
from typing import NamedTuple

import yaml

from espnet_wabert.config import read_yaml
from espnet_wabert.errors import UserError
from espnet_wabert.formats.lines import write_atomically, write_lines
from espnet_wabert.models.checkpoint import EXPORTED
from espnet_wabert.models.download import NGRAM

VOCABULARY = "vocabulary.txt"
FORMAT = 1
DYNAMIC = "BSTN"


class Graph(NamedTuple):
    """Inputs and outputs of a graph: name -> axes."""

    inputs: dict[str, str]
    outputs: dict[str, str]


FIRED = {
    "tokens": "B N D", "token_lengths": "B", "starts": "B N", "ends": "B N", "quantity": "B",
    "weights": "B T",
}  # fmt: skip
GRAPHS = {
    "frontend": Graph(
        {"waveforms": "B S", "lengths": "B"}, {"features": "B T W", "frame_lengths": "B"}
    ),
    "adapter": Graph({"features": "B T W", "lengths": "B"}, {"adapted": "B T D"}),
    "graphemes": Graph({"features": "B T W", "lengths": "B"}, {"log_p": "B T G"}),
    "letters": Graph({"adapted": "B T D"}, {"log_p": "B T V"}),
    "tokens": Graph({"adapted": "B T D", "lengths": "B"}, FIRED),
    "counted_tokens": Graph({"adapted": "B T D", "lengths": "B", "counts": "B"}, FIRED),
    "projection": Graph({"tokens": "B N D"}, {"aligned": "B N H"}),
    "bert": Graph({"aligned": "B N H", "lengths": "B"}, {"hidden": "B N H"}),
    "subwords": Graph({"hidden": "B N H"}, {"scores": "B N P"}),
    "teacher": Graph({"ids": "B N", "lengths": "B"}, {"states": "B N H"}),
    "sentiment": Graph({"features": "B T W", "lengths": "B"}, {"scores": "B C"}),
    "sentiment_of_text": Graph(
        {"features": "B T W", "lengths": "B", "ids": "B N", "id_lengths": "B"}, {"scores": "B C"}
    ),
}  # fmt: skip


def graph_file(folder: Path, part: str) -> Path:
    """Return the file of a graph."""
    return folder / f"{part}.onnx"


def own_files() -> set[str]:
    """Return the names of all files that an export may write."""
    graphs = {f"{part}.onnx" for part in GRAPHS}
    weights = {f"{graph}.data" for graph in graphs}  # of large models; torch names them
    return graphs | weights | {EXPORTED, VOCABULARY, NGRAM}


def check_free(out: Path) -> None:
    """Raise UserError if `out` holds anything but an earlier export."""
    if out.exists() and not out.is_dir():
        raise UserError(f"{out}: is a file; --out must be a folder")
    found = {path.name for path in out.iterdir()} if out.is_dir() else set()
    others = sorted(found - own_files())
    if found and (others or EXPORTED not in found):
        raise UserError(f"{out}: is not empty ({(others or sorted(found))[0]}): name another --out")


def write_facts(folder: Path, facts: dict, parts: list[str], vocabulary: list[str]) -> None:
    """Write what a program must know beside the graphs, and the vocabulary.

    Args:
        folder: of the graphs.
        facts: as `parts.facts` returns them.
        parts: names of the graphs.
        vocabulary: word pieces; may be empty.
    """
    if vocabulary:
        write_lines(folder / VOCABULARY, vocabulary)
    graphs = {part: {k: dict(v) for k, v in GRAPHS[part]._asdict().items()} for part in parts}
    content = {"format": FORMAT, **facts, "graphs": graphs}
    text = yaml.safe_dump(content, sort_keys=False)
    write_atomically(folder / EXPORTED, text)


def read_facts(path: Path) -> dict:
    """Read what `write_facts` wrote.

    Raises:
        UserError: it is of another version, or a graph is missing.
    """
    facts = read_yaml(path)
    if facts.get("format") != FORMAT:
        raise UserError(
            f"{path}: format {facts.get('format')}, but this version reads format {FORMAT}:"
            " export the model again, or update espnet_wabert"
        )
    if not isinstance(facts.get("graphs"), dict):
        raise UserError(f"{path}: graphs: missing")
    for part in facts["graphs"]:
        if not graph_file(path.parent, part).is_file():
            raise UserError(f"{graph_file(path.parent, part)}: no such file; {path.name} names it")
    return facts
