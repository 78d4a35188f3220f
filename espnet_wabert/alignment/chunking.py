"""Chunked encoding with overlap, for audio and transcripts that are too long for a transformer.

The memory of a speech encoder grows with the square of the audio, and BERT has positions for 512
word pieces. Both get chunks of the length that they were trained on, with context on both sides,
which is cut off afterwards.

Shapes: B chunks, S samples, T frames, D the frontend's width, N tokens, H BERT's width.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch.nn import functional

from espnet_wabert.constants import SAMPLE_RATE
from espnet_wabert.modules.batching import pad

WHOLE = 30.0  # seconds: longer audio is cut; Whisper has positions for 30 s
CORE, CONTEXT = 20.0, 2.0  # seconds that are kept of a chunk, at most, and context on each side
PADDED = 120.0  # seconds of padded audio per batch of chunks
# Seconds of digital silence before and after a recording that is cut close to its words: models
# learn from speech with pauses around it (docs/experiments.md). A recording counts as cut if its
# first or last `EDGE` seconds are `LOUD` dB above the quietest tenth; chosen on development voices.
SILENCE, EDGE, LOUD = 0.2, 0.1, 6.0
# Transcripts of at most 192 tokens are encoded whole: the longest training utterances, 35 s of
# speech, have a little fewer. Chunks of 16 to 128 tokens aligned two minutes equally well.
PIECES_WHOLE, PIECES, PIECES_CONTEXT = 192, 64, 16


class Chunk(NamedTuple):
    """Steps `start` to `stop` are encoded; of these, `first` to `last` are kept."""

    start: int
    stop: int
    first: int
    last: int


def chunks(size: int, core: int, context: int) -> list[Chunk]:
    """Cut `size` steps into chunks of similar length that keep at most `core` steps each."""
    count = max(1, -(-size // core))
    edges = [size * k // count for k in range(count + 1)]
    return [
        Chunk(max(0, first - context), min(size, last + context), first, last)
        for first, last in itertools.pairwise(edges)
    ]


def is_cut(samples: np.ndarray) -> bool:
    """Return whether a recording begins or ends louder than its background: close to a word.

    Args:
        samples: (S,), in -1..1.
    """
    step = int(0.02 * SAMPLE_RATE)
    frames = samples[: len(samples) // step * step].reshape(-1, step)
    power = np.einsum("ts,ts->t", frames, frames) / step  # without a copy of an hour
    if not len(power):
        return False
    width = round(EDGE * SAMPLE_RATE / step)
    loudest = max(power[:width].mean(), power[-width:].mean())
    return bool(loudest > 10 ** (LOUD / 10) * max(np.quantile(power, 0.1), 1e-10))


class ChunkedFrontend:
    """A frontend for audio of any length.

    Chunks begin on the frame grid of the encoder. The joined frames therefore have the number and
    the positions of the frames of the whole recording.

    Args:
        frames: function from waveforms (B, S) and lengths (B,) to frames (B, T, D) and lengths.
        encoder: the speech encoder; its `frame_lengths` and `seconds` are used.
        whole, core, context: in seconds.
    """

    def __init__(
        self,
        frames: Callable,
        encoder,
        whole: float = WHOLE,
        core: float = CORE,
        context: float = CONTEXT,
    ):
        self.frames, self.encoder = frames, encoder
        places = encoder.seconds(torch.tensor([0.0, 1.0], dtype=torch.float64))
        self.hop = round(float(places[1] - places[0]) * SAMPLE_RATE)  # samples per frame
        self.whole = int(whole * SAMPLE_RATE)
        self.core, self.context = (int(x * SAMPLE_RATE) // self.hop for x in (core, context))

    def cut(self, samples: int) -> list[Chunk]:
        """Return the chunks of a recording, in frames; a short recording is one chunk."""
        count = int(self.encoder.frame_lengths(torch.tensor(samples)))
        return chunks(count, max(count, 1) if samples <= self.whole else self.core, self.context)

    def surround(self, speech: Sequence[torch.Tensor], frames: torch.Tensor) -> list[torch.Tensor]:
        """Return waveforms (S,) with so many frames (B,) of silence on each side."""
        edges = (self.hop * frames).tolist()
        return [functional.pad(x, (n, n)) if n else x for x, n in zip(speech, edges, strict=True)]

    def __call__(self, speech: Sequence[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the frames (B, T, D) and their lengths (B,) of waveforms (S,), in float."""
        parts, owners, counts = [], [], []
        for index, samples in enumerate(speech):
            cut = self.cut(len(samples))
            for chunk in cut:
                # One more hop covers the receptive field of the last frame.
                stop = (chunk.stop + 1) * self.hop
                alone = chunk.stop == chunk.last  # keep the samples after the last whole frame
                parts.append(samples[chunk.start * self.hop : None if alone else stop])
                owners.append((index, chunk))
            counts.append(cut[-1].last)
        joined: torch.Tensor | None = None  # hours have gigabytes of frames: no second copy
        done = iter(owners)
        for group in _groups(parts):
            encoded, _ = self.frames(*pad(group))
            if joined is None:
                joined = encoded.new_zeros(len(speech), max(counts), encoded.shape[-1])
            of_group = itertools.islice(done, len(group))
            for frames, (index, chunk) in zip(encoded, of_group, strict=True):
                kept = frames[chunk.first - chunk.start :][: chunk.last - chunk.first]
                joined[index, chunk.first : chunk.last] = kept
        assert joined is not None  # there is at least one recording
        return joined, torch.tensor(counts, device=joined.device)


def _groups(parts: Sequence[torch.Tensor]) -> Iterator[list[torch.Tensor]]:
    """Batch waveforms in order, at most `PADDED` seconds per batch."""
    group: list[torch.Tensor] = []
    for part in parts:
        longest = max(len(x) for x in [*group, part])
        if group and longest * (len(group) + 1) > PADDED * SAMPLE_RATE:
            yield group
            group = []
        group.append(part)
    yield group


def encode_transcripts(
    teacher, transcripts: Sequence[Sequence[int]], device: str, positions: int
) -> torch.Tensor:
    """Return BERT's layer-i states (B, N, H) of ids with [CLS] and [SEP], of any length.

    A transcript of more tokens than BERT has `positions`, or than `PIECES_WHOLE`, is encoded in
    chunks, each with a [CLS] and a [SEP].
    """
    whole = min(positions, PIECES_WHOLE)
    parts, owners = [], []
    for index, ids in enumerate(transcripts):
        body = ids[1:-1]
        core = len(ids) if len(ids) <= whole else PIECES
        for chunk in chunks(len(body), core, PIECES_CONTEXT):
            part = [ids[0], *body[chunk.start : chunk.stop], ids[-1]]
            parts.append(torch.tensor(part, device=device))
            owners.append((index, chunk, len(body)))
    states = teacher(*pad(parts))
    joined: list[list[torch.Tensor]] = [[] for _ in transcripts]
    for row, (index, chunk, size) in zip(states, owners, strict=True):
        # Keep [CLS] of the first chunk and [SEP] of the last one. + 1: each chunk has a [CLS].
        first = 0 if chunk.first == 0 else chunk.first - chunk.start + 1
        last = chunk.last - chunk.start + 1 + (chunk.last == size)
        joined[index].append(row[first:last])
    return pad([torch.cat(rows) for rows in joined])[0]
