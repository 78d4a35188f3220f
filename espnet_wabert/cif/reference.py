"""Reference implementation of integrate-and-fire: the loop of Dong & Xu (arXiv 1905.11235)."""

from typing import NamedTuple

import torch


class ReferenceTokens(NamedTuple):
    """The tokens of one utterance."""

    tokens: torch.Tensor  # (n, C) float64
    starts: list[float]  # in frames
    ends: list[float]


def cif_reference(
    frames, weights, target=None, *, threshold=1.0, tail_threshold=0.5
) -> ReferenceTokens:
    """Integrate one utterance, (T, C) frames and (T,) weights, in float64, frame by frame.

    Differentiable, and slow: for tests and benchmarks. The arguments are those of `cif`, which
    this function defines.
    """
    frames, weights = frames.double(), weights.double()
    if target is not None:
        # the scaling strategy: the weights sum to the target
        weights = weights * (target * threshold / weights.sum())
    # with a target, the last token takes what remains, whatever the rounding of the sum
    max_tokens = float("inf") if target is None else target - 1
    tokens: list[torch.Tensor] = []
    starts: list[float] = []
    ends: list[float] = []
    nothing = frames.new_zeros(frames.shape[1])
    accumulated, state, start, last_weighted = frames.new_zeros(()), nothing, 0.0, 0.0
    for t, (frame, weight) in enumerate(zip(frames, weights, strict=True)):
        rest = weight
        while accumulated + rest >= threshold and rest > 0 and len(tokens) < max_tokens:
            # the threshold is reached within this frame: split its weight and fire
            needed = threshold - accumulated
            place = t + ((weight - rest + needed) / weight).item()
            if accumulated == 0:
                start = t + ((weight - rest) / weight).item()
            tokens.append(state + needed * frame)
            starts.append(start)
            ends.append(place)
            rest = rest - needed
            accumulated, state = frames.new_zeros(()), nothing
        if rest > 0:
            if accumulated == 0:
                start = t + ((weight - rest) / weight).item()
            last_weighted = t + 1.0
        # also where the rest is zero: its gradient is not
        accumulated, state = accumulated + rest, state + rest * frame
    if target is None:
        fires = accumulated > 0 and accumulated >= tail_threshold * threshold
        state = state * (threshold / accumulated) if fires else state
    else:
        fires = target > 0
    if fires:
        tokens.append(state)
        starts.append(start)
        ends.append(last_weighted)
    stacked = torch.stack(tokens) if tokens else frames.new_zeros(0, frames.shape[1])
    return ReferenceTokens(stacked, starts, ends)
