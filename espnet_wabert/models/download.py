"""Trained models that are not files here yet: packed zips, the Hub, ESPnet's model zoo."""

import hashlib
import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from espnet_wabert.box.files import cache_folder
from espnet_wabert.config import read_yaml
from espnet_wabert.errors import UserError, first_line
from espnet_wabert.models.packed_zip import META, check_zip, unpack_zip

# Names of the files of a packed model, as ESPnet names them for SLU models.
KEYS = MODEL_KEY, CONFIG_KEY = "slu_model_file", "slu_train_config"
UNPACKED = ".unpacked"  # marks a complete folder: the downloader would unpack again every time


def from_zip(path: Path) -> tuple[Path, Path]:
    """Return the configuration and the weights of a packed model.

    It is unpacked into the user's cache once.
    """
    if not path.is_file():
        raise UserError(f"{path}: no such packed model")
    check_zip(path, KEYS)
    status = path.stat()  # a new zip at the same path is another model
    stamp = f"{path.resolve()} {status.st_mtime_ns} {status.st_size}"
    folder = cache_folder() / hashlib.sha256(stamp.encode()).hexdigest()[:16]
    unpack_zip(path, folder)
    return packed_files(folder)


def from_hub(model: str) -> tuple[Path, Path]:
    """Return the configuration and the weights of a name on the Hub, or of an address.

    ESPnet's downloader knows the names of its model zoo and addresses, too. Without it, only names
    on the Hub are known.
    """
    address = model.startswith(("http://", "https://"))
    zoo = find_spec("espnet_model_zoo") is not None
    if address and not zoo:
        raise UserError(f"{model}: an address needs espnet_model_zoo: pip install espnet_model_zoo")
    try:
        if zoo:
            return _from_zoo(model, cache_folder() if address else None)
        from huggingface_hub import snapshot_download

        return packed_files(Path(snapshot_download(model)))
    except UserError:
        raise
    except Exception as error:  # errors of the Hub, the archive or the network
        reason = first_line(error)
        raise UserError(f"{model}: no such file, and no hub has it: {reason}") from error


def _from_zoo(model: str, cache: Path | None) -> tuple[Path, Path]:
    from espnet_model_zoo.downloader import ModelDownloader, str_to_hash

    folder = cache / str_to_hash(model) if cache else None  # the downloader's choice
    if folder and (folder / UNPACKED).is_file():
        return packed_files(folder)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found: dict[str, Any] = ModelDownloader(cache).download_and_unpack(model)
    for key in KEYS:
        if key not in found:
            raise UserError(f"{model}: packed without {key}; not a WaBERT model")
    if folder:
        (folder / UNPACKED).touch()
    return Path(found[CONFIG_KEY]), Path(found[MODEL_KEY])


def packed_files(folder: Path) -> tuple[Path, Path]:
    """Return the configuration and the weights that the meta.yaml of an unpacked model names."""
    path = folder / META
    if not path.is_file():
        raise UserError(f"{folder}: no {META}; not a packed model")
    meta = read_yaml(path)
    try:
        config, weights = meta["yaml_files"][CONFIG_KEY], meta["files"][MODEL_KEY]
    except (KeyError, TypeError) as error:
        raise UserError(f"{path}: names no {CONFIG_KEY} and {MODEL_KEY}") from error
    return folder / config, folder / weights
