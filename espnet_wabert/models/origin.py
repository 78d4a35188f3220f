"""What a model was made of, and whether another model can start from it."""

import hashlib
import inspect
from argparse import Namespace
from pathlib import Path
from typing import Any

from espnet_wabert.box.files import SOURCE
from espnet_wabert.errors import UserError
from espnet_wabert.models.provenance import fingerprint
from espnet_wabert.modules.cif_aligner import CIFAligner

# Fields of a Hugging Face config that say nothing about the weights.
INCIDENTAL = ("transformers_version", "_name_or_path", "architectures", "dtype", "torch_dtype")
# Options of the aligner that training may change.
OF_TRAINING = ("dropout", "feature_shift", "initial_rate", "output_size")


def sources(args: Namespace) -> dict[str, dict[str, str]]:
    """Return the name and a fingerprint of the config of each pretrained source of a model.

    Args:
        args: the configuration of a model that was built: its `*_conf.config` are filled in. That
            of a packed model, which has no sources, has kept this description of them.
    """
    kept = getattr(args, "sources", None)
    return kept or {
        part: {"name": Path(conf.get(SOURCE) or "").name, "config": _fingerprint(conf["config"])}
        for part in ("frontend", "postencoder")
        if getattr(args, part, None)
        and (conf := getattr(args, f"{part}_conf"))
        and "config" in conf
    }


def _fingerprint(config: dict) -> str:
    """Return a short hash of a Hugging Face config."""
    return fingerprint({key: value for key, value in config.items() if key not in INCIDENTAL})


def check_source_weights(args: Namespace, found: dict[str, str], model: str | Path) -> None:
    """Check that the pretrained weights are those with which a model was trained.

    A checkpoint leaves out what was frozen: with other weights of the same shapes it would be
    another model.

    Args:
        args: configuration of the model; an older one does not know the checksums of its sources.
        found: checksum of the source's weights of each part, as they are now.
        model: its file, for the error.

    Raises:
        UserError: a source has other weights.
    """
    for part, checksum in (getattr(args, "source_weights", None) or {}).items():
        if found.get(part, checksum) != checksum:
            conf = args.frontend_conf if part == "frontend" else args.postencoder_conf
            name = (conf or {}).get(SOURCE)
            raise UserError(
                f"{model}: was trained with other weights of the {part} ({name}): {checksum} there,"
                f" {found[part]} here"
            )


def check_origin(own: Namespace, other: Namespace, name: str | Path) -> None:
    """Check that a model can start from another one.

    Args:
        own: configuration of the model that was built.
        other: configuration of the aligned model whose weights it is to take.
        name: of that model, for the error.

    Raises:
        UserError: the models differ in their sources, in i (drop_layers), in the aligner or in the
            vocabulary; all differences are named.
    """
    here, there = _parts(own), _parts(other)
    differences = [
        f"{part}: {there[part]} there, {value} here"
        for part, value in here.items()
        if part in there and there[part] != value
    ]
    if differences:
        raise UserError(f"{name}: a model with other parts: {'; '.join(differences)}")


def _parts(args: Namespace) -> dict[str, Any]:
    """Return everything that must be equal in both models; what a model lacks is left out."""
    parts: dict[str, Any] = {}
    for part, source in sources(args).items():
        if source["name"]:
            parts[f"{part}_conf.{SOURCE}"] = source["name"]
        parts[f"fingerprint of {part}_conf.config"] = source["config"]
    parts["frontend_conf.normalize"] = (args.frontend_conf or {}).get("normalize")
    if args.encoder is not None:
        parts["postencoder_conf.drop_layers"] = (args.postencoder_conf or {}).get("drop_layers", 3)
        given = args.encoder_conf or {}
        for option in inspect.signature(CIFAligner).parameters.values():
            if option.default is not option.empty and option.name not in OF_TRAINING:
                parts[f"encoder_conf.{option.name}"] = given.get(option.name, option.default)
    pieces = list(getattr(args, "token_list", None) or ())
    if pieces:
        listed = hashlib.sha256("\n".join(pieces).encode()).hexdigest()[:12]
        parts["vocabulary"] = f"{len(pieces)} pieces ({listed})"
    return parts
