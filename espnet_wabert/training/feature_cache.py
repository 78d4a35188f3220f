"""Cache the features of a wholly frozen frontend in Kaldi arks."""

import json
from pathlib import Path

import kaldiio
import soundfile
import torch
from tqdm import tqdm

from espnet_wabert.errors import UserError
from espnet_wabert.formats.audio import read_audio
from espnet_wabert.formats.kaldi import read_folder
from espnet_wabert.modules.batching import length_batches, pad, to_tensors
from espnet_wabert.modules.frontend import HuggingFaceFrontend

SIXTEEN_BITS = 3  # Kaldi's kTwoByteAuto: half the size, and an error of 1/65536 of the range


def extract_features(
    frontend: HuggingFaceFrontend, data: str | Path, out: str | Path, bins: int, device: str
) -> int:
    """Write the features of a data folder to `out`; return the number of utterances.

    `out` gets feats.ark, feats.scp and utt2num_frames. A complete cache of the same frontend is
    kept; then 0 is returned.
    """
    if any(parameter.requires_grad for parameter in frontend.parameters()):
        raise UserError("frontend_conf.freeze: only a wholly frozen frontend (all) can be cached")
    folder, out = read_folder(data), Path(out)
    stamp, source = out / "frontend.json", _describe(frontend)
    done = _read_counts(out / "utt2num_frames") if stamp.is_file() else {}
    if done.keys() == folder.wav.keys() and json.loads(stamp.read_text()) == source:
        return 0
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
    stamp.write_text(json.dumps(source))
    return len(counts)


def _describe(frontend: HuggingFaceFrontend) -> dict:
    """Return a description of the frontend with a fingerprint of its weights, for JSON."""
    total = sum(float(p.double().abs().sum()) for p in frontend.parameters())
    described = {"config": frontend.config, "weights": total}
    if frontend.layers > 1:
        described["layers"] = frontend.layers
    if frontend.conv_size:
        described["convolutions"] = frontend.conv_size
    return json.loads(json.dumps(described, default=str))


def _read_counts(path: Path) -> dict[str, int]:
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    return {key: int(value) for key, value in (line.split() for line in lines)}
