"""Cache the features of a wholly frozen frontend in Kaldi arks."""

import hashlib
import json
import logging
import os
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import kaldiio
import soundfile
import torch
from filelock import FileLock

from espnet_wabert.errors import UserError
from espnet_wabert.formats.audio import read_audio
from espnet_wabert.formats.checksums import file_sha256
from espnet_wabert.formats.kaldi import DataFolder, read_folder
from espnet_wabert.formats.lines import write_atomically, write_lines
from espnet_wabert.modules.batching import length_batches, pad, to_tensors
from espnet_wabert.modules.frontend import HuggingFaceFrontend
from espnet_wabert.modules.frozen import fingerprint
from espnet_wabert.workers.progress import progress
from espnet_wabert.workers.workers import HERE, Workers

STAMP = "cache.json"
LOCK = ".lock"
FILES = ("feats.ark", "feats.scp", "utt2num_frames")
SIXTEEN_BITS = 3  # Kaldi's kTwoByteAuto: half the size, and an error of 1/65536 of the range


def build_frontend(config: str, conf: str, precision: str) -> HuggingFaceFrontend:
    """Return the frontend of the yaml `config`, whose frontend_conf is `conf` (JSON).

    Args:
        config: path of the yaml, for messages.
        conf: the frontend_conf.
        precision: of the encoder, one of `PRECISIONS`.
    """
    try:
        frontend = HuggingFaceFrontend(**json.loads(conf))
    except TypeError as error:  # an argument that the frontend does not take
        raise UserError(f"{config}: frontend_conf: {error}") from error
    frontend.precision = precision
    return frontend


class AudioBatch(NamedTuple):
    """Utterances whose features are computed together, and their audio files."""

    utterances: list[str]
    paths: list[str]


class Features(NamedTuple):
    """An utterance's number of frames, and its entry in the ark."""

    frames: int
    entry: bytes


def extract_features(
    make: Callable[[], HuggingFaceFrontend],
    data: str | Path,
    out: str | Path,
    bins: int,
    device: str,
    workers: Workers = HERE,
) -> int:
    """Write the features of a data folder to `out`; return the number of utterances.

    `out` gets feats.ark, feats.scp, utt2num_frames, and cache.json, which says what they were made
    of. A complete cache of the same frontend and the same recordings is kept; then 0 is returned.
    Of several calls at once for one folder, the others wait for the first one.

    Args:
        make: returns the frontend; each worker calls it once for each batch.
        data: data folder.
        out: folder of the cache.
        bins: samples per padded batch.
        device: "cpu" or "cuda".
        workers: who computes the batches, which are the same for all of them.
    """
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    with FileLock(out / LOCK):
        return _extract(make, read_folder(data), out, bins, device, workers)


def _extract(make, folder: DataFolder, out: Path, bins: int, device: str, workers: Workers) -> int:
    """Do what `extract_features` says, alone in the folder."""
    frontend = make()
    if any(parameter.requires_grad for parameter in frontend.parameters()):
        raise UserError("frontend_conf.freeze: only a wholly frozen frontend (all) can be cached")
    stamp = out / STAMP
    source = {"frontend": _describe(frontend), "recordings": _recordings(folder)}
    reason = _out_of_date(out, source)
    if reason is None:
        return 0
    if reason:
        logging.warning("%s: computed again: %s", out, reason)
    stamp.unlink(missing_ok=True)
    samples = folder.samples or {u: soundfile.info(p).frames for u, p in folder.wav.items()}
    batches = [
        AudioBatch(batch, [folder.wav[u] for u in batch]) for batch in length_batches(samples, bins)
    ]
    computed = workers.map(partial(features_of, make, device), batches)
    lines, counts = [], {}
    with (
        (out / "feats.ark").open("wb") as ark,
        progress(len(samples), f"features {out.name}") as bar,
    ):
        for batch, features in zip(batches, computed, strict=True):
            for utterance, (count, entry) in zip(batch.utterances, features, strict=True):
                place = ark.tell() + len(f"{utterance} ".encode())
                lines.append(f"{utterance} {out / 'feats.ark'}:{place}")
                ark.write(entry)
                counts[utterance] = count
            bar.update(len(features))
    write_lines(out / "feats.scp", sorted(lines))
    write_lines(out / "utt2num_frames", (f"{u} {n}" for u, n in sorted(counts.items())))
    made = source | {"files": {name: file_sha256(out / name) for name in FILES}}
    write_atomically(stamp, json.dumps(made))
    return len(counts)


@torch.inference_mode()
def features_of(
    make: Callable[[], HuggingFaceFrontend], device: str, batch: AudioBatch
) -> list[Features]:
    """Return the features of a batch (in a worker)."""
    frontend = make().to(device).eval()
    pairs = zip(batch.utterances, batch.paths, strict=True)
    audio = to_tensors([read_audio(path, utterance) for utterance, path in pairs], device)
    frames, lengths = frontend(*pad(audio))
    found = []
    for utterance, matrix, count in zip(batch.utterances, frames, lengths.tolist(), strict=True):
        entry = BytesIO()
        matrix = matrix[:count].cpu().numpy()
        kaldiio.save_ark(entry, {utterance: matrix}, compression_method=SIXTEEN_BITS)
        found.append(Features(count, entry.getvalue()))
    return found


def check_features(feats: Path, frontend: HuggingFaceFrontend) -> None:
    """Compare the frontend of a model with the one that has made cached features.

    Features without `cache.json` are not checked, nor is a frontend without weights (ONNX).

    Raises:
        UserError: it is another one.
    """
    stamp = feats / STAMP
    if not stamp.is_file() or next(frontend.parameters(), None) is None:
        return
    try:
        made = dict(json.loads(stamp.read_text(encoding="utf-8"))["frontend"])
    except (ValueError, KeyError, TypeError):
        raise UserError(f"{stamp}: damaged; stage 10 makes the features again") from None
    described = _describe(frontend)
    for name in ("weights", "normalize", "layers", "convolutions"):
        if made.get(name) != described[name]:
            raise UserError(
                f"{feats}: these features were made by another speech encoder than the model's"
                f" ({name} differ); stage 10 with the model's --speech_model makes them again;"
                " one that was trained needs --cache_features false"
            )


def check_sources(sources: Iterable[Sequence[str]], frontend: HuggingFaceFrontend) -> None:
    """Compare the frontend of a model with the cached features among the data of its training.

    Args:
        sources: path, name and type of each, as ESPnet has them.
        frontend: with the weights that training starts from.
    """
    for path, _, kind in sources:
        if kind == "kaldi_ark":
            check_features(Path(path).parent, frontend)


def _out_of_date(out: Path, source: dict) -> str | None:
    """Return why a cache cannot be used, "" if there is none yet, or None if it can."""
    stamp = out / STAMP
    if not stamp.is_file():
        return ""
    try:
        made = json.loads(stamp.read_text(encoding="utf-8"))
        files = dict(made["files"])
    except (ValueError, KeyError, TypeError):
        return f"{STAMP} is damaged"
    for name, what in (("frontend", "the frontend"), ("recordings", "a recording")):
        if made.get(name) != source[name]:
            return f"{what} is another one"
    for name in FILES:
        if not (out / name).is_file() or file_sha256(out / name) != files.get(name):
            return f"{name} is damaged or missing"
    return None


def _describe(frontend: HuggingFaceFrontend) -> dict:
    """Return a description of the frontend with a fingerprint of its weights, for JSON."""
    weights = [fingerprint(parameter) for parameter in frontend.parameters()]
    described = {
        "config": frontend.config, "normalize": frontend.normalize, "layers": frontend.layers,
        "convolutions": frontend.conv_size, "weights": _digest(weights),
        "precision": frontend.precision,
    }  # fmt: skip
    return json.loads(json.dumps(described, default=str))


def _recordings(folder: DataFolder) -> str:
    """Return a digest of the recordings: paths, sizes and times of the files, and lengths."""
    described = []
    for utterance, path in sorted(folder.wav.items()):
        status = os.stat(path)
        length = (folder.samples or {}).get(utterance)
        described.append([utterance, path, status.st_size, status.st_mtime_ns, length])
    return _digest(described)


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()
