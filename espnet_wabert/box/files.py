"""Find the model in the box: its files, and the folders of its frozen encoders."""

import os
import tempfile
from argparse import Namespace
from pathlib import Path

from filelock import FileLock

from espnet_wabert.box.encoders import MINILM, WHISPER, bert_vocabulary, make_encoders
from espnet_wabert.constants import BOX
from espnet_wabert.errors import UserError

NAMES = {BOX: "aligner", "box:sentiment": "sentiment"}  # MODEL -> folder
PACKAGE = "package:"  # begins the name of an encoder that a package ships
CONFIG, WEIGHTS = "config.yaml", "model.safetensors"
SOURCE = "model_name_or_path"  # of a pretrained model, in frontend_conf and postencoder_conf


def box_folder(model: str) -> Path:
    """Return the folder of a model in the box.

    Raises:
        UserError: this installation has no such model.
    """
    folder = Path(__file__).parent / NAMES[model]
    if not (folder / WEIGHTS).is_file():
        raise UserError(f"{model}: this installation has no such model; `make box` trains it")
    return folder


def cache_folder() -> Path:
    """Return the folder of this package in the user's cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "espnet_wabert"


def encoder_folder(name: str) -> Path:
    """Return the Hugging Face folder of an encoder; it is written into the cache once."""
    folder = cache_folder() / "encoders"
    if not (folder / name).is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with (
            FileLock(folder.with_name(".encoders.lock")),  # of processes that begin together
            tempfile.TemporaryDirectory(prefix=".encoders.", dir=folder.parent) as partial,
        ):
            folder.mkdir(exist_ok=True)
            if not all((folder / encoder).is_dir() for encoder in (WHISPER, MINILM)):
                make_encoders(Path(partial))
            for encoder in (WHISPER, MINILM):
                if not (folder / encoder).exists():  # renamed, so that nobody sees half of it
                    (Path(partial) / encoder).rename(folder / encoder)
    return folder / name


def _resolved(name: str) -> str:
    """Return the folder of a name such as `package:minilm-l6`; any other name as it is."""
    if not str(name).startswith(PACKAGE):
        return name
    return str(encoder_folder(name.removeprefix(PACKAGE)))


def resolve_encoders(args: Namespace) -> None:
    """Replace names such as `package:minilm-l6` in a configuration by folders."""
    for part in ("frontend_conf", "postencoder_conf"):
        conf = getattr(args, part, None) or {}
        if not isinstance(conf, dict):
            continue  # `check_config` names it
        if conf.get(SOURCE):
            conf[SOURCE] = _resolved(conf[SOURCE])
    if getattr(args, "recognizer", None):
        args.recognizer = _resolved(args.recognizer)
    if getattr(args, "token_list", None) == f"{PACKAGE}{MINILM}":
        args.token_list = bert_vocabulary()
