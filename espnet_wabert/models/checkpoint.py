"""Checkpoints: find, load, start from and pack trained models."""

import logging
import os
import shutil
from argparse import Namespace
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
import yaml
from torch import nn

from espnet_wabert.box.files import (
    CONFIG,
    NAMES,
    WEIGHTS,
    box_folder,
    resolve_encoders,
)
from espnet_wabert.config import read_yaml
from espnet_wabert.errors import UserError, first_line
from espnet_wabert.formats.lines import replacing
from espnet_wabert.models.builder import build_model
from espnet_wabert.models.download import CONFIG_KEY, MODEL_KEY, NGRAM, Files, from_hub, from_zip
from espnet_wabert.models.origin import SOURCE, check_origin, check_source_weights, sources
from espnet_wabert.models.weights_file import read_weights
from espnet_wabert.modules.device import check_device
from espnet_wabert.modules.frozen import full_state_dict
from espnet_wabert.modules.garbage import no_garbage_collection
from espnet_wabert.modules.token_decoder import LetterDecoder, SubwordDecoder

BERT_PARTS = ("postencoder.", "teacher.")
PACKED = "model.zip"  # of a folder of `wabert finetune`
EXPORTED = "graphs.yaml"  # the config of an exported model (`graphs`)


def find_files(model: str | Path) -> Files:
    """Return the files of a model; a zip is unpacked into the user's cache.

    Args:
        model: a .pth with its config.yaml, a folder with one or of `wabert finetune` or `export`, a
            packed .zip, the address of one, a name on the Hub, or a model in the box
            (`box.files.NAMES`).
    """
    if str(model) in NAMES:
        folder = box_folder(str(model))
        return Files(folder / CONFIG, folder / WEIGHTS)
    path = Path(model)
    address = str(model).startswith(("http://", "https://"))
    if path.suffix == ".zip" and not address:
        return from_zip(path)
    if address or not (path.exists() or path.suffix == ".pth"):
        return from_hub(str(model))
    if (path / EXPORTED).is_file():
        return Files(path / EXPORTED, path / "frontend.onnx")
    if (path / PACKED).is_file():
        return from_zip(path / PACKED)
    if path.is_dir():
        found = sorted(path.glob("*.ave.pth")) or sorted(path.glob("*.best.pth"))
        if len(found) != 1:
            raise UserError(f"{path}: {len(found)} models in the folder; name the .pth file")
        path = found[0]
    files = Files(path.parent / "config.yaml", path)
    for file in (files.weights, files.config):
        if not file.is_file():
            raise UserError(f"{file}: no such file; a model is a .pth with its config.yaml")
    return files


def read_state(path: Path) -> dict[str, torch.Tensor]:
    """Return the model's weights of a .pth file."""
    state = read_weights(path)
    return state.get("model", state)


def read_args(path: Path) -> Namespace:
    """Read the config.yaml of a trained model."""
    if path.name == EXPORTED:
        raise UserError(f"{path.parent}: an exported model can be used, but not changed or packed")
    args = Namespace(**read_yaml(path))
    resolve_encoders(args)
    return args


@no_garbage_collection()
def load_model(files: Files, device: str = "cpu") -> tuple[nn.Module, Namespace]:
    """Load a model for inference; fail if a weight is missing or has another shape.

    The frozen weights of a slim checkpoint are loaded from their sources; a packed model has all.
    """
    check_device(device)  # before the weights are read
    args = read_args(files.config)
    state = read_state(files.weights)
    complete = getattr(args, "packed", False)
    try:
        model = build_model(args, pretrained=not complete)
    except UserError as error:
        raise UserError(f"{files.config}: {error}") from error
    check_state(model, state, files.weights, allow_frozen=not complete)
    if slim := getattr(model, "slim_checkpoints", None):
        check_source_weights(args, slim.digests(), files.weights)
    model.load_state_dict(state)
    return model.to(device).eval(), args


def check_state(
    model: nn.Module, state: dict[str, torch.Tensor], source: Path, allow_frozen: bool
) -> None:
    """Raise UserError for weights that are missing, unexpected or of another shape."""
    slim = getattr(model, "slim_checkpoints", None)
    expected = {key: value.shape for key, value in full_state_dict(model).items()}
    trainable = {name for name, p in model.named_parameters() if p.requires_grad}
    optional = set(slim.sources) - trainable if slim and allow_frozen else set()
    tensors = {k: value for k, value in state.items() if isinstance(value, torch.Tensor)}
    problems = {
        "missing": [k for k in expected if k not in state and k not in optional],
        "surplus": [k for k in state if k not in expected],
        "no tensors": [k for k in state if k in expected and k not in tensors],
        "of another shape": [k for k in tensors if k in expected and state[k].shape != expected[k]],
        "not numbers": [k for k, value in tensors.items() if bool(value.isnan().any())],
    }
    found = [f"{len(v)} {what} ({v[0]}, ...)" for what, v in problems.items() if v]
    if found:
        raise UserError(f"{source}: weights do not fit the configuration: {'; '.join(found)}")


def init_from(model: nn.Module, source: str | Path, args: Namespace) -> None:
    """Initialize frontend, encoder and token decoder from an aligned model.

    BERT is taken from it too if the configuration names no other source.

    Args:
        model: the model that starts.
        source: of the aligned model, as `find_files` takes it.
        args: the configuration with which `model` was built.

    Raises:
        UserError: the aligned model has other parts, or lacks weights.
    """
    files = find_files(source)
    aligned = read_args(files.config)
    check_origin(args, aligned, files.weights)
    _check_frontend(model, aligned, files.weights)
    state = read_state(files.weights)
    own = full_state_dict(model)
    wanted = {k: v for k, v in state.items() if k.startswith(("frontend.", "encoder."))}
    if not any(key.startswith("encoder.") for key in wanted):
        raise UserError(f"{files.weights}: has no aligner")
    if not any(key.startswith("encoder.") for key in own):
        wanted = {k: v for k, v in wanted.items() if k.startswith("frontend.")}
    if not (args.postencoder_conf or {}).get(SOURCE, "hub"):  # its source is the packed model
        wanted |= {k: v for k, v in state.items() if k in own and k.startswith(BERT_PARTS)}
        lacking = [k for k in own if k.startswith(BERT_PARTS) and k not in wanted]
        if lacking:
            raise UserError(
                f"{files.weights}: lacks {len(lacking)} weights of BERT ({lacking[0]}, ...);"
                " training on transcripts needs a model packed with --with_teacher true"
            )
    wanted |= _token_decoder(model, state, files)
    bad = [k for k, v in wanted.items() if k not in own or own[k].shape != v.shape]
    bad += [k for k in own if k.startswith("encoder.") and k not in wanted]
    if bad:
        raise UserError(
            f"{files.weights}: {len(bad)} weights do not fit this configuration ({bad[0]}, ...):"
            " frontend_conf and encoder_conf must be those it was trained with"
        )
    logging.info("starting from %d weights of %s", len(wanted), files.weights)
    model.load_state_dict({**own, **wanted})


def _token_decoder(model: nn.Module, state: dict, files: Files) -> dict[str, torch.Tensor]:
    """Return the weights of a model's token decoder in an aligned model; load its n-gram."""
    decoder = getattr(model, "token_decoder", None)
    if not isinstance(decoder, SubwordDecoder | LetterDecoder):
        return {}
    prefix = f"{decoder.source}."
    found = {k.replace(prefix, "token_decoder.head."): v for k, v in state.items()
             if k.startswith(prefix)}  # fmt: skip
    trained = isinstance(decoder, SubwordDecoder) and decoder.head.trained  # in its source
    if not found and not trained:
        name = "subword" if isinstance(decoder, SubwordDecoder) else "CTC"
        raise UserError(
            f"{files.weights}: has no {name} head; model_conf.self_transcript_weight needs one"
        )
    if isinstance(decoder, LetterDecoder):
        decoder.use(files.ngram)
        return found
    # A packed model is the only source of BERT; a checkpoint lacks the weights of its source.
    layers = (f"postencoder.{name}" for name in decoder.postencoder.state_dict())
    return found | {f"token_decoder.{name}": state[name] for name in layers if name in state}


def _check_frontend(model: nn.Module, aligned: Namespace, weights: Path) -> None:
    """Check that a model has the frontend of an aligned one, whose checkpoint leaves it out."""
    slim = getattr(model, "slim_checkpoints", None)
    if slim is not None and not getattr(aligned, "packed", False):
        found = {part: checksum for part, checksum in slim.digests().items() if part == "frontend"}
        check_source_weights(aligned, found, weights)


def pack(model: str | Path, output: str | Path, with_teacher: bool = False) -> Path:
    """Pack a trained model for espnet_model_zoo: full weights, and a config that needs no source.

    Args:
        model: the .pth, with its config.yaml beside it.
        output: the .zip to write.
        with_teacher: include BERT's dropped layers, for the alignment method `similarity`.

    Raises:
        UserError: ESPnet is not installed, or a file cannot be read or written.
    """
    if find_spec("espnet2") is None:
        raise UserError("ESPnet packs models: pip install -e '.[espnet]'")
    files = find_files(model)
    loaded, args = load_model(files)
    # The token decoder needs the teacher at inference.
    with_teacher = with_teacher or getattr(loaded, "token_decoder", None) is not None
    state = full_state_dict(loaded)
    if not with_teacher:
        state = {k: v for k, v in state.items() if not k.startswith("teacher.")}
    output = Path(output).resolve()
    args.packed, args.with_teacher, args.sources = True, with_teacher, sources(args)
    args.recognizer = None  # it is not packed
    for part in ("frontend_conf", "postencoder_conf"):
        if getattr(args, part, None):
            getattr(args, part)[SOURCE] = None
    drop_paths(args)
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=".part.", dir=output.parent) as parts:
            folder = Path(parts) / "packed"
            folder.mkdir()
            _write_parts(folder, state, args, files.ngram)
            _zip_parts(folder, output, files.ngram is not None)
    except (OSError, RuntimeError) as error:  # torch raises RuntimeError on a full disk
        raise UserError(f"{output}: cannot be written: {first_line(error)}") from error
    return output


def _write_parts(folder: Path, state: dict, args: Namespace, ngram: Path | None) -> None:
    """Write the files that are packed."""
    torch.save(state, folder / "model.pth")
    with (folder / "config.yaml").open("w", encoding="utf-8") as file:
        yaml.safe_dump(vars(args), file, sort_keys=False)
    if ngram is not None:
        shutil.copyfile(ngram, folder / NGRAM)


def _zip_parts(folder: Path, output: Path, ngram: bool) -> None:
    """Write the zip, which does not exist before it is complete."""
    from espnet2.main_funcs.pack_funcs import pack as espnet_pack

    name = folder.name
    more = {"ngram": f"{name}/{NGRAM}"} if ngram else {}  # an argument of WaBERTInference
    here = Path.cwd()
    with replacing(output) as temporary:
        try:  # ESPnet stores the paths as given; absolute ones cannot be unpacked elsewhere
            os.chdir(folder.parent)
            espnet_pack(
                files={MODEL_KEY: f"{name}/model.pth", **more},
                yaml_files={CONFIG_KEY: f"{name}/config.yaml"},
                outpath=temporary,
            )
        finally:
            os.chdir(here)


def drop_paths(args: Namespace) -> None:
    """Remove paths and settings of the training machine from a config."""
    for name in list(vars(args)):
        # dist_init_method is a file in the experiment folder, or the address of a host.
        if name.startswith("dist_") or name.endswith(
            ("_path_and_name_and_type", "_shape_file", "_scp")
        ) or name in ("output_dir", "config", "pretrained_model", "init_param"):  # fmt: skip
            delattr(args, name)
