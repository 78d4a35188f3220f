"""Streaming integrate-and-fire: take chunks of frames, return tokens as they complete."""

from typing import NamedTuple

import torch

from espnet_wabert.cif.boundaries import SLACK, plan_exactly, sum_weights
from espnet_wabert.cif.function import CIFOutput, integrate
from espnet_wabert.cif.validation import (
    ArgumentError,
    check_arguments,
    check_thresholds,
    read_sizes,
)


class _State(NamedTuple):
    """State after the chunks so far; each (B, 1) float64 except `part`."""

    part: torch.Tensor  # (B, C) sum of the open token so far, float32 or float64
    sums: torch.Tensor  # cumulative weight so far, in tokens
    frames: torch.Tensor  # frames so far
    start: torch.Tensor  # where the open token started, in frames
    end: torch.Tensor  # end of the last frame that had weight, in frames
    kind: torch.dtype  # type of the frames


class CIFStream:
    """Integrate a batch of utterances that arrives in chunks.

    >>> stream = CIFStream()
    >>> for frames, weights in chunks:
    ...     tokens = stream.push(frames, weights).tokens
    >>> last = stream.finish().tokens

    The concatenated results of row b equal row b of `cif` on the concatenated chunks: the same
    tokens up to rounding, and the same positions, counted from the first chunk. Memory does not
    grow with the audio if the calls are made under `torch.no_grad()`.
    """

    def __init__(self, *, threshold=1.0, tail_threshold=0.5):
        check_thresholds(threshold, tail_threshold)
        self.threshold, self.tail_threshold = threshold, tail_threshold
        self._state = None

    def push(self, frames, weights, lengths=None) -> CIFOutput:
        """Take frames (B, T, C) and weights (B, T), any T; return the completed tokens.

        `quantity` and `weights` of the result are those of this chunk.
        """
        check_arguments(frames, weights, lengths, None, self.threshold, self.tail_threshold)
        state = self._state or _initial_state(frames)
        _check_chunk(frames, state)
        summed = sum_weights(weights, lengths, self.threshold, state.sums)
        base = summed.sums[:, :1].floor()
        edges = summed.sums - base  # exact: a difference of multiples of one power of two
        full = edges[:, -1:].floor().long()
        # the open token is integrated as a token that the last frame completes
        plan = plan_exactly(summed, full + 1)
        sizes = read_sizes(summed, plan, lengths, None)
        max_tokens = sizes.max_tokens
        wide = frames.to(state.part.dtype)
        found = integrate(wide, edges, edges.detach(), summed, plan, sizes, self.threshold)
        tokens, starts, ends = found
        tokens, starts = self._join(state, tokens, starts, edges[:, :1] > 0)
        self._state = _carry(state, edges, summed, tokens, starts)
        done = torch.arange(max_tokens, device=full.device) < full
        tokens = torch.where(done[:, :, None], tokens, 0.0)[:, : max_tokens - 1].to(frames.dtype)
        starts = torch.where(done, starts, 0.0)[:, : max_tokens - 1]
        ends = torch.where(done, ends + state.frames, 0.0)[:, : max_tokens - 1]
        quantity = edges[:, -1] - edges[:, 0]
        return CIFOutput(tokens, full[:, 0], starts, ends, quantity, summed.weights)

    def finish(self) -> CIFOutput:
        """Return the tail token of each utterance, if it fires, and reset the stream."""
        if self._state is None:
            raise ArgumentError("CIFStream.finish: no chunk was pushed")
        part, sums, _, start, end, kind = self._state
        self._state = None
        rest = sums - sums.floor()
        fires = (rest >= self.tail_threshold - SLACK) & (rest > SLACK)  # (B, 1)
        max_tokens = int(fires.any())
        tokens = torch.where(fires, part / rest.masked_fill(~fires, 1.0), 0.0)
        starts, ends = (torch.where(fires, x, 0.0)[:, :max_tokens] for x in (start, end))
        none = torch.zeros_like(rest)
        tokens = tokens.to(kind)[:, None][:, :max_tokens]
        return CIFOutput(tokens, fires[:, 0].long(), starts, ends, none[:, 0], none[:, :0])

    @staticmethod
    def _join(state, tokens, starts, opened):
        """Add the part from earlier chunks to the first token of each utterance."""
        tokens = torch.cat([tokens[:, :1] + state.part[:, None], tokens[:, 1:]], 1)
        starts = starts + state.frames
        first = torch.where(opened, state.start, starts[:, :1])
        return tokens, torch.cat([first, starts[:, 1:]], 1)


def _initial_state(frames):
    """Return the state before the first frame."""
    batch, _, width = frames.shape
    kind = torch.promote_types(frames.dtype, torch.float32)
    zero = torch.zeros(batch, 1, dtype=torch.float64, device=frames.device)
    part = torch.zeros(batch, width, dtype=kind, device=frames.device)
    return _State(part, zero, zero, zero, zero, frames.dtype)


def _check_chunk(frames, state):
    """Check that a chunk fits the first one."""
    batch, width = state.part.shape
    if frames.shape[0] != batch or frames.shape[2] != width or frames.dtype != state.kind:
        raise ArgumentError(
            f"frames must be ({batch}, T, {width}) {state.kind} like the first chunk, not"
            f" {tuple(frames.shape)} {frames.dtype}"
        )


def _carry(state, edges, summed, tokens, starts):
    """Return the state after a chunk; the last token of each utterance is the open one."""
    opened = edges[:, -1:].floor().long()
    width = tokens.shape[2]
    weighted = edges[:, -1:] > edges[:, :1]
    reach = state.frames + (edges[:, 1:] < edges[:, -1:]).sum(1, keepdim=True) + 1
    return _State(
        part=tokens.gather(1, opened[:, :, None].expand(-1, -1, width))[:, 0],
        sums=summed.sums[:, -1:],
        frames=state.frames + summed.lengths,
        start=starts.gather(1, opened),
        end=torch.where(weighted, reach, state.end),
        kind=state.kind,
    )
