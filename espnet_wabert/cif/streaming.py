"""The streaming form of `cif`: chunks of frames give the tokens of the whole, as they complete."""

from typing import NamedTuple

import torch

from espnet_wabert.cif.boundaries import SLACK, plan_exactly, sum_weights
from espnet_wabert.cif.function import CIFOutput, integrate
from espnet_wabert.cif.validation import check_arguments, check_thresholds, read_sizes
from espnet_wabert.errors import UserError


class _State(NamedTuple):
    """What an utterance owes to the frames that were heard; each (B, 1) float64 but `part`."""

    part: torch.Tensor  # (B, C) the open token's sum so far, in float32 or float64
    sums: torch.Tensor  # weight so far, in tokens
    frames: torch.Tensor  # frames so far
    start: torch.Tensor  # where the open token started, in frames
    end: torch.Tensor  # where the last weight was heard, in frames
    kind: torch.dtype  # type of the frames


class CIFStream:
    """Integrate an utterance, or a batch of them, that arrives in chunks.

    >>> stream = CIFStream()
    >>> for frames, weights in chunks:
    ...     tokens = stream.push(frames, weights).tokens
    >>> last = stream.finish().tokens

    Row b of the results, one behind the other, is row b of `cif` on the joined chunks: the same
    tokens up to the rounding of a sum in two parts, the same positions, counted from the first
    chunk. Memory does not grow with the audio, if the calls are made under `torch.no_grad()`.
    """

    def __init__(self, *, threshold=1.0, tail_threshold=0.5):
        check_thresholds(threshold, tail_threshold)
        self.threshold, self.tail_threshold = threshold, tail_threshold
        self._state = None

    def push(self, frames, weights, lengths=None) -> CIFOutput:
        """Take (B, T, C) frames and (B, T) weights, any T; return the tokens that they complete.

        quantity and weights of the result are those of this chunk.
        """
        check_arguments(frames, weights, lengths, None, self.threshold, self.tail_threshold)
        state = self._state or _silence(frames)
        _check_chunk(frames, state)
        summed = sum_weights(weights, lengths, self.threshold, state.sums)
        base = summed.sums[:, :1].floor()
        edges = summed.sums - base  # exact: both are multiples of the same power of two
        full = edges[:, -1:].floor().long()
        # the open token is integrated like the others, as one that the last frame closes
        plan = plan_exactly(summed, full + 1)
        sizes = read_sizes(summed, plan, lengths, None)
        most = sizes.most
        wide = frames.to(state.part.dtype)
        found = integrate(wide, edges, edges.detach(), summed, plan, sizes, self.threshold)
        tokens, starts, ends = found
        tokens, starts = self._join(state, tokens, starts, edges[:, :1] > 0)
        self._state = _carry(state, edges, summed, tokens, starts)
        done = torch.arange(most, device=full.device) < full
        tokens = torch.where(done[:, :, None], tokens, 0.0)[:, : most - 1].to(frames.dtype)
        starts = torch.where(done, starts, 0.0)[:, : most - 1]
        ends = torch.where(done, ends + state.frames, 0.0)[:, : most - 1]
        quantity = edges[:, -1] - edges[:, 0]
        return CIFOutput(tokens, full[:, 0], starts, ends, quantity, summed.weights)

    def finish(self) -> CIFOutput:
        """Decide the tail; return the last token of each utterance, if it has one, and reset."""
        if self._state is None:
            raise UserError("CIFStream.finish: no chunk was pushed")
        part, sums, _, start, end, kind = self._state
        self._state = None
        rest = sums - sums.floor()
        fires = (rest >= self.tail_threshold - SLACK) & (rest > SLACK)  # (B, 1)
        most = int(fires.any())
        tokens = torch.where(fires, part / rest.masked_fill(~fires, 1.0), 0.0)
        starts, ends = (torch.where(fires, x, 0.0)[:, :most] for x in (start, end))
        none = torch.zeros_like(rest)
        tokens = tokens.to(kind)[:, None][:, :most]
        return CIFOutput(tokens, fires[:, 0].long(), starts, ends, none[:, 0], none[:, :0])

    @staticmethod
    def _join(state, tokens, starts, opened):
        """Give each utterance's first token what earlier chunks had of it."""
        tokens = torch.cat([tokens[:, :1] + state.part[:, None], tokens[:, 1:]], 1)
        starts = starts + state.frames
        first = torch.where(opened, state.start, starts[:, :1])
        return tokens, torch.cat([first, starts[:, 1:]], 1)


def _silence(frames):
    """Make the state before the first frame."""
    batch, _, width = frames.shape
    kind = torch.promote_types(frames.dtype, torch.float32)
    zero = torch.zeros(batch, 1, dtype=torch.float64, device=frames.device)
    part = torch.zeros(batch, width, dtype=kind, device=frames.device)
    return _State(part, zero, zero, zero, zero, frames.dtype)


def _check_chunk(frames, state):
    """Check that a chunk continues the ones before it."""
    batch, width = state.part.shape
    if frames.shape[0] != batch or frames.shape[2] != width or frames.dtype != state.kind:
        raise UserError(
            f"frames must be ({batch}, T, {width}) {state.kind} like the first chunk, not"
            f" {tuple(frames.shape)} {frames.dtype}"
        )


def _carry(state, edges, summed, tokens, starts):
    """Make the state behind a chunk; the last token of each utterance is the open one."""
    opened = edges[:, -1:].floor().long()
    width = tokens.shape[2]
    heard = edges[:, -1:] > edges[:, :1]
    reach = state.frames + (edges[:, 1:] < edges[:, -1:]).sum(1, keepdim=True) + 1
    return _State(
        part=tokens.gather(1, opened[:, :, None].expand(-1, -1, width))[:, 0],
        sums=summed.sums[:, -1:],
        frames=state.frames + summed.lengths,
        start=starts.gather(1, opened),
        end=torch.where(heard, reach, state.end),
        kind=state.kind,
    )
