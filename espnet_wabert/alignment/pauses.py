"""Long pauses of a recording are encoded as short ones.

Encoders and aligners learn from utterances with pauses of a second. Of many seconds without speech
Whisper makes frames of speech, letters are read there, and words are placed there. So the middle of
a long pause is not encoded; its frames are copies of those around it.

Shapes: B recordings, S samples, T frames, D the frontend's width.
"""

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view

from espnet_wabert.alignment.chunking import ChunkedFrontend
from espnet_wabert.alignment.spans import TokenSpans
from espnet_wabert.constants import SAMPLE_RATE
from espnet_wabert.modules.batching import pad

LONGEST = 2.0  # seconds of a pause that is encoded whole
KEPT = 0.3  # seconds that are encoded at each end of a longer one
COPIED = 12  # frames before and after the cut that stand for the frames between
# In a pause no `WINDOW` seconds are `STEADY` dB above the quietest tenth of the recording (or above
# `FLOOR`, the noise of 16 bits) in any band of frequencies. In bands, because speech in white noise
# is loud in the lowest ones only, and the rumble of a room, which is below them, is never steady.
STEADY, WINDOW, FLOOR = 6.0, 0.1, 1e-9
BANDS = (100, 800, 3200, 8000)  # Hz
BLOCK = 30000  # frames: their spectra are computed together


class Pause(NamedTuple):
    """Frames `first` to `stop` of a recording are in the middle of a pause."""

    first: int
    stop: int


def find_pauses(samples: torch.Tensor, hop: int) -> list[Pause]:
    """Return what need not be encoded of a recording.

    Args:
        samples: (S,), in -1..1.
        hop: samples per frame.
    """
    longest = LONGEST * SAMPLE_RATE / hop
    if len(samples) // hop <= longest:
        return []
    power = np.concatenate(
        [
            _band_powers(block, hop)
            for block in samples[: len(samples) // hop * hop].split(BLOCK * hop)
        ]
    )
    width = round(WINDOW * SAMPLE_RATE / hop)
    floor = np.minimum(FLOOR, 1e-4 * power.max(axis=0))  # a recording may be very faint
    limits = np.maximum(10 ** (STEADY / 10) * np.quantile(power, 0.1, axis=0), floor)
    around = np.pad(power, ((width // 2, width - 1 - width // 2), (0, 0)), "symmetric")
    loud = (sliding_window_view(around, width, axis=0).mean(axis=-1) > limits).any(axis=1)
    edges = np.flatnonzero(np.diff(np.r_[True, loud, True]))
    kept = round(KEPT * SAMPLE_RATE / hop)
    return [
        Pause(int(first) + kept, int(stop) - kept)
        for first, stop in edges.reshape(-1, 2)
        if stop - first > longest
    ]


def _band_powers(samples: torch.Tensor, hop: int) -> np.ndarray:
    """Return the power (T, bands) of frames of `hop` samples."""
    window = torch.hann_window(hop, device=samples.device)
    spectrum = torch.fft.rfft(samples.view(-1, hop) * window).abs().square()
    edges = [round(hertz * hop / SAMPLE_RATE) for hertz in BANDS]
    bands = [spectrum[:, a:b].sum(dim=1) for a, b in itertools.pairwise(edges)]
    return (2 * torch.stack(bands, dim=1) / (hop * window.square().sum())).cpu().numpy()


def encode_speech(
    frontend: ChunkedFrontend, speech: Sequence[torch.Tensor]
) -> tuple[torch.Tensor, torch.Tensor, list[list[Pause]]]:
    """Return frames (B, T, D) and lengths (B,) of waveforms (S,), and the pauses of each."""
    hop = frontend.hop
    pauses = [find_pauses(one, hop) for one in speech]
    frames, lengths = frontend(
        [_without(x, own, hop) for x, own in zip(speech, pauses, strict=True)]
    )
    if any(pauses):
        places = [_places(n, own) for n, own in zip(lengths.tolist(), pauses, strict=True)]
        frames, lengths = pad([row[place] for row, place in zip(frames, places, strict=True)])
    return frames, lengths, pauses


def _without(samples: torch.Tensor, pauses: Sequence[Pause], hop: int) -> torch.Tensor:
    edges = [0, *(hop * edge for pause in pauses for edge in pause), len(samples)]
    return torch.cat([samples[a:b] for a, b in zip(edges[::2], edges[1::2], strict=True)])


def _places(length: int, pauses: Sequence[Pause]) -> torch.Tensor:
    """Return which encoded frame each frame of a recording (T,) is."""
    parts, begin, missing = [], 0, 0
    for first, stop in pauses:
        cut = first - missing
        copies = cut - COPIED + torch.arange(stop - first) % (2 * COPIED)
        parts += [torch.arange(begin, cut), copies]
        begin, missing = cut, missing + stop - first
    return torch.cat([*parts, torch.arange(begin, length)])


def paused_frames(pauses: Sequence[Sequence[Pause]], frames: torch.Tensor) -> torch.Tensor:
    """Return a mask (B, T) of the frames (B, T, D) that are in pauses."""
    mask = torch.zeros(frames.shape[:2], dtype=torch.bool, device=frames.device)
    for row, own in zip(mask, pauses, strict=True):
        for pause in own:
            row[pause.first : pause.stop] = True
    return mask


def heard_places(lengths: torch.Tensor, paused: torch.Tensor) -> list[np.ndarray]:
    """Return the places of the frames (T,) of each recording that are in no pause."""
    rows = zip(paused, lengths.tolist(), strict=True)
    return [(~row[:length]).nonzero()[:, 0].cpu().numpy() for row, length in rows]


def heard_frames(
    frames: torch.Tensor, lengths: torch.Tensor, paused: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return frames (B, T, ...) and lengths (B,) without pauses."""
    if not paused.any():
        return frames, lengths
    return pad(
        [row[:n][~own[:n]] for row, n, own in zip(frames, lengths.tolist(), paused, strict=True)]
    )


def over_pauses(spans: TokenSpans, places: np.ndarray) -> TokenSpans:
    """Return spans in frames of a recording, of those in the frames that are at `places`.

    A token that begins where a pause was cut out begins after it; one that ends there, before it.
    """
    last = len(places) - 1
    before = np.clip(np.floor(spans.starts), 0, last).astype(int)
    after = np.clip(np.ceil(spans.ends) - 1, 0, last).astype(int)
    return spans._replace(
        starts=places[before] + spans.starts - before, ends=places[after] + spans.ends - after
    )
