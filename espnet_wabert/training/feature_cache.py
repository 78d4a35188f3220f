"""Cache the features of a wholly frozen frontend in Kaldi arks."""

import hashlib
import json
import logging
import os
from pathlib import Path

import kaldiio
import soundfile
import torch
from tqdm import tqdm

from espnet_wabert.errors import UserError
from espnet_wabert.formats.audio import read_audio
from espnet_wabert.formats.checksums import file_sha256
from espnet_wabert.formats.kaldi import DataFolder, read_folder
from espnet_wabert.formats.lines import write_atomically
from espnet_wabert.modules.batching import length_batches, pad, to_tensors
from espnet_wabert.modules.frontend import HuggingFaceFrontend
from espnet_wabert.modules.frozen import fingerprint

STAMP = "cache.json"
FILES = ("feats.ark", "feats.scp", "utt2num_frames")
SIXTEEN_BITS = 3  # Kaldi's kTwoByteAuto: half the size, and an error of 1/65536 of the range


def extract_features(
    frontend: HuggingFaceFrontend, data: str | Path, out: str | Path, bins: int, device: str
) -> int:
    """Write the features of a data folder to `out`; return the number of utterances.

    `out` gets feats.ark, feats.scp, utt2num_frames, and cache.json, which says what they were made
    of. A complete cache of the same frontend and the same recordings is kept; then 0 is returned.
    """
    if any(parameter.requires_grad for parameter in frontend.parameters()):
        raise UserError("frontend_conf.freeze: only a wholly frozen frontend (all) can be cached")
    folder, out = read_folder(data), Path(out)
    stamp = out / STAMP
    source = {"frontend": _describe(frontend), "recordings": _recordings(folder)}
    reason = _out_of_date(out, source)
    if reason is None:
        return 0
    if reason:
        logging.warning("%s: computed again: %s", out, reason)
    out.mkdir(parents=True, exist_ok=True)
    stamp.unlink(missing_ok=True)
    frontend = frontend.to(device).eval()
    samples = folder.samples or {u: soundfile.info(p).frames for u, p in folder.wav.items()}
    counts = {}
    writer = kaldiio.WriteHelper(
        f"ark,scp:{out / 'feats.ark'},{out / 'feats.scp.part'}", compression_method=SIXTEEN_BITS
    )
    with writer, tqdm(total=len(samples), desc=f"features {out.name}", unit="utt") as bar:
        for batch in length_batches(samples, bins):
            audio = to_tensors([read_audio(folder.wav[u], u) for u in batch], device)
            with torch.inference_mode():
                frames, frame_lengths = frontend(*pad(audio))
            for utterance, matrix, count in zip(batch, frames, frame_lengths.tolist(), strict=True):
                writer(utterance, matrix[:count].cpu().numpy())
                counts[utterance] = count
            bar.update(len(batch))
    scp = sorted((out / "feats.scp.part").read_text(encoding="utf-8").splitlines())
    (out / "feats.scp").write_text("".join(f"{line}\n" for line in scp), encoding="utf-8")
    (out / "feats.scp.part").unlink()
    table = "".join(f"{u} {n}\n" for u, n in sorted(counts.items()))
    (out / "utt2num_frames").write_text(table, encoding="utf-8")
    made = source | {"files": {name: file_sha256(out / name) for name in FILES}}
    write_atomically(stamp, json.dumps(made))
    return len(counts)


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
