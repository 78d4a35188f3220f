"""Trained models that are not files here yet: packed zips, the Hub, ESPnet's model zoo."""

import hashlib
import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from espnet_wabert.box.files import cache_folder
from espnet_wabert.config import read_yaml
from espnet_wabert.errors import UserError, first_line
from espnet_wabert.models.packed_zip import META, check_zip, same_files, unpack_zip

# Names of the files of a packed model, as ESPnet names them for SLU models.
KEYS = MODEL_KEY, CONFIG_KEY = "slu_model_file", "slu_train_config"
NGRAM = "ngram.arpa.gz"
UNPACKED = ".unpacked"  # marks a complete folder: the downloader would unpack again every time


class Files(NamedTuple):
    """A trained model on disk."""

    config: Path  # config.yaml
    weights: Path  # .pth or .safetensors

    @property
    def ngram(self) -> Path | None:
        """The n-gram of words beside the weights, with which the model reads letters."""
        path = self.weights.with_name(NGRAM)
        return path if path.is_file() else None


def from_zip(path: Path) -> Files:
    """Return the files of a packed model, which is unpacked into the user's cache once."""
    if not path.is_file():
        raise UserError(f"{path}: no such packed model")
    check_zip(path, KEYS)
    status = path.stat()  # a new zip at the same path is another model
    stamp = f"{path.resolve()} {status.st_mtime_ns} {status.st_size}"
    folder = cache_folder() / hashlib.sha256(stamp.encode()).hexdigest()[:16]
    if not same_files(path, folder):
        unpack_zip(path, folder)
    return packed_files(folder)


def from_hub(model: str) -> Files:
    """Return the files of a name on the Hub, or of an address.

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


def _from_zoo(model: str, cache: Path | None) -> Files:
    from espnet_model_zoo.downloader import ModelDownloader, str_to_hash

    folder = cache / str_to_hash(model) if cache else None  # the downloader's choice
    if folder and (folder / UNPACKED).is_file() and (files := _complete(folder)):
        return files
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found: dict[str, Any] = ModelDownloader(cache).download_and_unpack(model)
    for key in KEYS:
        if key not in found:
            raise UserError(f"{model}: packed without {key}; not a WaBERT model")
    if folder:
        (folder / UNPACKED).touch()
    return Files(Path(found[CONFIG_KEY]), Path(found[MODEL_KEY]))


def _complete(folder: Path) -> Files | None:
    """Return the files of a model that was unpacked before; None if one of them is missing."""
    if not (folder / META).is_file():
        return None
    files = packed_files(folder)
    return files if all(file.is_file() for file in files) else None


def packed_files(folder: Path) -> Files:
    """Return the files that the meta.yaml of an unpacked model names."""
    path = folder / META
    if not path.is_file():
        raise UserError(f"{folder}: no {META}; not a packed model")
    meta = read_yaml(path)
    try:
        config, weights = meta["yaml_files"][CONFIG_KEY], meta["files"][MODEL_KEY]
    except (KeyError, TypeError) as error:
        raise UserError(f"{path}: names no {CONFIG_KEY} and {MODEL_KEY}") from error
    return Files(folder / config, folder / weights)
