"""What is too long for a transformer, in overlapping windows joined again.

A speech encoder's memory grows with the square of the audio, and its positions end; BERT has
positions for 512 pieces. Both are given windows as long as what they were trained on, with some
context on either side that is cut off again.

Shapes: B windows, S samples, T frames, D the frontend's width, N tokens, H BERT's width.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import torch

from espnet_wabert.modules.batching import pad

RATE = 16000  # Hz
WHOLE = 30.0  # seconds: longer audio is cut; Whisper has positions for 30
CORE, CONTEXT = 20.0, 2.0  # seconds of a window that are kept, at most, and on either side
PADDED = 120.0  # seconds of audio encoded at once, padding counted
# Tokens of a transcript encoded whole: a little more than 35 s of speech, the longest training
# utterances, have. Longer ones get windows of fewer; 16 to 128 aligned two minutes equally well.
PIECES_WHOLE, PIECES, PIECES_CONTEXT = 192, 64, 16


class Window(NamedTuple):
    """Steps `start` to `stop` are computed, of which `first` to `last` are kept."""

    start: int
    stop: int
    first: int
    last: int


def windows(size: int, core: int, context: int) -> list[Window]:
    """Cut `size` steps into windows of like length that keep at most `core` steps each."""
    count = max(1, -(-size // core))
    edges = [size * k // count for k in range(count + 1)]
    return [
        Window(max(0, first - context), min(size, last + context), first, last)
        for first, last in zip(edges, edges[1:])
    ]


class FrameWindows:
    """A frontend over audio of any length.

    Windows begin on the encoder's own grid of frames, so that the joined frames are as many, and
    lie where, those of the whole recording would.

    Args:
        frames: from waveforms (B, S) and lengths (B,) to frames (B, T, D) and lengths.
        encoder: the speech encoder: its `frame_lengths` and `seconds`.
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
        self.hop = round(float(places[1] - places[0]) * RATE)  # samples a frame
        self.whole = int(whole * RATE)
        self.core, self.context = (int(x * RATE) // self.hop for x in (core, context))

    def cut(self, samples: int) -> list[Window]:
        """Return the windows, in frames, of a recording; one for what is not long."""
        count = int(self.encoder.frame_lengths(torch.tensor(samples)))
        return windows(count, max(count, 1) if samples <= self.whole else self.core, self.context)

    def __call__(self, speech: Sequence[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the frames (B, T, D) and their lengths (B,) of waveforms (S,), in float."""
        parts, owners = [], []
        for index, samples in enumerate(speech):
            for window in self.cut(len(samples)):
                # One hop more covers the last frame's own window, whatever the encoder.
                stop = (window.stop + 1) * self.hop
                alone = window.stop == window.last  # with the rest that gives no whole frame
                parts.append(samples[window.start * self.hop : None if alone else stop])
                owners.append((index, window))
        joined: list[list[torch.Tensor]] = [[] for _ in speech]
        done = iter(owners)
        for group in _groups(parts):
            encoded, _ = self.frames(*pad(group))
            for frames, (index, window) in zip(encoded, done):
                joined[index].append(
                    frames[window.first - window.start :][: window.last - window.first]
                )
        return pad([torch.cat(frames) for frames in joined])


def _groups(parts: Sequence[torch.Tensor]) -> Iterator[list[torch.Tensor]]:
    """Take waveforms in order, as many at once as `PADDED` seconds hold."""
    group: list[torch.Tensor] = []
    for part in parts:
        longest = max(len(x) for x in [*group, part])
        if group and longest * (len(group) + 1) > PADDED * RATE:
            yield group
            group = []
        group.append(part)
    yield group


def encode_transcripts(
    teacher, transcripts: Sequence[Sequence[int]], device: str, positions: int
) -> torch.Tensor:
    """Return BERT's layer-i states (B, N, H) of ids with [CLS] and [SEP], of any length.

    A transcript of more tokens than BERT has `positions`, or than `PIECES_WHOLE`, is encoded in
    windows, each with a [CLS] and a [SEP].
    """
    whole = min(positions, PIECES_WHOLE)
    parts, owners = [], []
    for index, ids in enumerate(transcripts):
        body = ids[1:-1]
        core = len(ids) if len(ids) <= whole else PIECES
        for window in windows(len(body), core, PIECES_CONTEXT):
            part = [ids[0], *body[window.start : window.stop], ids[-1]]
            parts.append(torch.tensor(part, device=device))
            owners.append((index, window, len(body)))
    states = teacher(*pad(parts))
    joined: list[list[torch.Tensor]] = [[] for _ in transcripts]
    for row, (index, window, size) in zip(states, owners):
        # [CLS] stays before the first window, [SEP] behind the last; + 1 for [CLS] in all.
        first = 0 if window.first == 0 else window.first - window.start + 1
        last = window.last - window.start + 1 + (window.last == size)
        joined[index].append(row[first:last])
    return pad([torch.cat(rows) for rows in joined])[0]
