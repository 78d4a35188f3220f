"""Compare an exported model with the one that it was made of."""

import math
from typing import Any

import torch

from espnet_wabert.constants import SAMPLE_RATE
from espnet_wabert.errors import UserError
from espnet_wabert.models.wabert import WaBERT
from espnet_wabert.modules.masking import valid_mask

TOLERANCE = 1e-3  # absolute up to 1, relative above
SECONDS = (3.1, 1.7)  # of the example waveforms


def example_waveforms() -> tuple[torch.Tensor, torch.Tensor]:
    """Return padded waveforms (B, S) with the harmonics, onsets and pauses of a voice, and lengths.

    They are the same every time.
    """
    generator = torch.Generator().manual_seed(0)
    lengths = torch.tensor([int(seconds * SAMPLE_RATE) for seconds in SECONDS])
    time = torch.arange(int(lengths.max())) / SAMPLE_RATE
    pitch = 120 + 30 * torch.sin(2 * torch.pi * 0.7 * time)
    phase = 2 * torch.pi * pitch.cumsum(0) / SAMPLE_RATE
    voice = torch.stack([torch.sin(k * phase) / k for k in range(1, 20)]).sum(0)
    loudness = torch.sin(2 * torch.pi * 2 * time).clamp(min=0)
    noise = torch.randn(len(SECONDS), len(time), generator=generator)
    return 0.1 * voice * loudness + 0.003 * noise, lengths


@torch.inference_mode()
def outputs(model: Any, waveforms: torch.Tensor, lengths: torch.Tensor) -> dict[str, torch.Tensor]:
    """Return what the parts of a model, of torch or exported, make of waveforms (B, S).

    Tokens are found twice: with a given number of them, and with the model's own.
    """
    if not isinstance(model, WaBERT):
        return {"scores": model.classify(waveforms, lengths)}
    features, frames = model.features(waveforms, lengths)
    adapted = model.adapt(features, frames)
    found = {"features": features, "frame_lengths": frames, "adapted": adapted}
    for name, counts in (("given", torch.arange(len(frames)) + 7), ("own", None)):
        fired = model.encoder.fire(adapted, frames, counts)
        aligned = model.encoder.project(fired.tokens)
        hidden, _ = model.postencoder(aligned, fired.token_lengths)
        valid = valid_mask(fired.token_lengths, hidden.shape[1])[..., None]
        hidden = hidden.masked_fill(~valid, 0.0)  # what is behind a length has no meaning
        more = {**fired._asdict(), "aligned": aligned, "hidden": hidden}
        if model.subword_head is not None:
            more["subwords"] = model.subword_head(hidden)
        found |= {f"{key} ({name} number of tokens)": value for key, value in more.items()}
    if model.grapheme_head is not None:
        found["graphemes"] = model.grapheme_head(model.grapheme_frames(features), frames)
    if model.ctc_head is not None:
        found["letters"] = model.ctc_head(adapted)
    if model.teacher is not None:
        ids = torch.arange(20).reshape(2, 10)
        found["teacher"] = model.teacher(ids, torch.tensor([10, 6]))
    return found


def compare(model: Any, exported: Any, limit: float = TOLERANCE) -> float:
    """Return the largest difference of outputs on the example waveforms.

    Args:
        model, exported: of torch, and of its graphs.
        limit: largest difference that is allowed. Infinite: numbers of tokens may differ, too,
            and only outputs of the same shape are compared.

    Raises:
        UserError: an output differs by more.
    """
    given = example_waveforms()
    theirs, largest = outputs(exported, *given), 0.0
    for name, wanted in outputs(model, *given).items():
        found = theirs[name]
        if found.shape != wanted.shape:
            if limit == math.inf:
                continue
            raise UserError(f"{name}: {tuple(found.shape)}, but {tuple(wanted.shape)} of PyTorch")
        if not wanted.numel():  # no token: a maximum needs one
            continue
        scale = wanted.double().abs().clamp(min=1.0)
        difference = float(((found.double() - wanted.double()).abs() / scale).max())
        if not difference <= limit:
            raise UserError(
                f"{name}: differs from PyTorch by {difference:.1e}, more than {limit:g}"
            )
        largest = max(largest, difference)
    return largest
