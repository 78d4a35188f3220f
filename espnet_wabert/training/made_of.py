"""What a training is made of: its data, its vocabulary and the weights that it starts from."""

import argparse
import json
from pathlib import Path

from espnet_wabert.formats.states import MISSING, file_state, read_wav_scp, recordings_state
from espnet_wabert.models.checkpoint import find_files
from espnet_wabert.models.provenance import fingerprint
from espnet_wabert.models.weights_file import SUFFIX
from espnet_wabert.training.feature_cache import STAMP

CACHED, AUDIO = "kaldi_ark", "sound"  # types of ESPnet's data


def made_of(args: argparse.Namespace) -> dict[str, str]:
    """Return the state of each file that a training reads, by its path.

    That of a wav.scp is the sizes and times of its recordings, that of cached features their
    checksum, so that both may be moved.

    Args:
        args: ESPnet's options of a training.
    """
    files = {}
    for part in ("train", "valid"):
        for path, _, kind in getattr(args, f"{part}_data_path_and_name_and_type") or ():
            files[path] = _data_state(Path(path), kind)
        for path in getattr(args, f"{part}_shape_file") or ():
            files[path] = _state(Path(path))
    if isinstance(args.token_list, str):
        files[args.token_list] = _state(Path(args.token_list))
    if args.pretrained_model is not None:
        files[args.pretrained_model] = _weights_state(args.pretrained_model)
    return files


def corpus_fingerprint(args: argparse.Namespace) -> str:
    """Return a short hash of the training set, the same on every machine.

    It covers the utterances, their lengths, and their transcripts or labels.
    """
    sources = args.train_data_path_and_name_and_type or ()
    texts = [path for path, _, kind in sources if kind not in (CACHED, AUDIO)]
    return fingerprint([_state(Path(path)) for path in (*texts, *(args.train_shape_file or ()))])


def _data_state(path: Path, kind: str) -> str:
    stamp = path.parent / STAMP
    if kind == CACHED and stamp.is_file():
        try:
            return str(json.loads(stamp.read_text(encoding="utf-8"))["files"]["feats.ark"])
        except (ValueError, KeyError, TypeError):
            return f"{STAMP} is damaged"
    if kind == AUDIO and path.is_file():
        return recordings_state(read_wav_scp(path).items())
    return _state(path)


def _weights_state(model: str) -> str:
    """Return the checksum beside the weights of a model, or else the state of the file."""
    path = Path(model)
    if not path.is_file():  # a folder, a model in the box, or a tag of the Hub
        path = find_files(model).weights
    checksum = Path(f"{path.resolve()}{SUFFIX}")  # valid.loss.ave.pth is a link
    return checksum.read_text().split()[0] if checksum.is_file() else _state(path)


def _state(path: Path) -> str:
    return file_state(path) if path.is_file() else MISSING
