"""Boundaries of tokens and frames on the axis of cumulative weight.

Shapes: B utterances, T frames, N tokens of the longest utterance; a number per utterance is a
column (B, 1). The unit of the axis is a token: frame t covers (edges[t], edges[t + 1]], token n
covers [n, n + 1]. All values are float64: float32 can move a boundary into the neighboring frame.
The cost of these functions is the number of their operations, so they use few.
"""

from typing import NamedTuple

import torch
from torch.nn.functional import pad

# Weights that sum to fewer tokens than this count as all zero.
FLOOR = 1e-12
# Bound of the rounding error of a float64 sum of some thousand weights, in tokens.
SLACK = 1e-9
# Token index of a frame that belongs to no token: larger than every real index.
BEHIND = 2**40


class Summed(NamedTuple):
    """The weights and their cumulative sum."""

    weights: torch.Tensor  # (B, T) as given, 0 in padding
    sums: torch.Tensor  # (B, T + 1) float64, in tokens, differentiable
    lengths: torch.Tensor  # (B, 1) float64 frames
    frame: torch.Tensor  # (T + 1,) float64 0, 1, 2, ...


class Plan(NamedTuple):
    """Number of tokens and of their parts; each a column (B, 1) int64."""

    counts: torch.Tensor  # number of tokens
    inner: torch.Tensor  # token boundaries followed by a frame: all, or all but the last
    ending: torch.Tensor  # frames that end in a token
    sizes: torch.Tensor  # segments: those frames plus those boundaries


class Crossings(NamedTuple):
    """The frames in which the boundaries of tokens lie."""

    last: torch.Tensor  # (B, T) float64 token in which each frame ends, BEHIND if in none
    first_frame: torch.Tensor  # (B, N + 1) int64 frames that end before token n, before N, begins
    on_edge: torch.Tensor  # (B, N) int64 frames that end where token n begins


def sum_weights(weights, lengths, threshold, before=None):
    """Mask the padding and sum; `before` (B, 1) float64 is the sum of earlier chunks."""
    batch, steps = weights.shape
    device = weights.device
    frame = torch.arange(steps + 1, dtype=torch.float64, device=device)
    if lengths is None:
        lengths = torch.full((batch, 1), steps, dtype=torch.float64, device=device)
    else:
        lengths = lengths[:, None].double()
        weights = torch.where(frame[:-1] < lengths, weights, 0.0)
    mass = weights if threshold == 1 else weights.double() / threshold
    if before is None:
        before = torch.zeros(batch, 1, dtype=torch.float64, device=device)
    sums = torch.cat([before, mass], 1).cumsum(1)  # in float64, and so is its gradient
    return Summed(weights, sums, lengths, frame)


def plan_exactly(summed, counts):
    """Plan a given number of tokens, counts (B, 1), from all frames."""
    ending = summed.lengths.long()
    inner = (counts - 1).clamp(min=0)
    ending = ending.masked_fill(counts == 0, 0)
    return Plan(counts, inner, ending, ending + inner)


def plan_fires(summed, tail_threshold):
    """Plan one token per whole unit of weight, and one for a tail of at least `tail_threshold`."""
    sums = summed.sums.detach()
    full = sums[:, -1:].floor()
    rest = sums[:, -1:] - full
    tail = ((rest >= tail_threshold - SLACK) & (rest > SLACK)).long()
    # frames that end in a token: all if there is a tail, else those before the last boundary
    ending = (torch.searchsorted(sums, full) - 1).clamp(min=0)
    ending = torch.where(tail > 0, summed.lengths.long(), ending)
    inner = full.long()
    return Plan(inner + tail, inner, ending, ending + inner)


def scale_edges(summed, plan, threshold, may_be_blank):
    """Scale the axis to the planned number of tokens; return the edges and the scaled weights.

    Weights that are all zero count as equal weights and get no gradient. may_be_blank: whether
    such an utterance is possible.
    """
    weights, sums, lengths, frame = summed
    total, weighted = sums[:, -1:], plan.counts
    if may_be_blank:
        blank = total < FLOOR
        total, weighted = total.masked_fill(blank, 1.0), weighted.masked_fill(blank, 0)
    rate = weighted / total
    edges, scaled = sums * rate, weights * rate
    if may_be_blank:
        share = (plan.counts - weighted) / lengths.clamp(min=1)
        edges = torch.addcmul(edges, torch.minimum(frame, lengths), share)
        scaled = scaled + torch.where(frame[:-1] < lengths, share * threshold, 0.0)
    return edges, scaled.to(weights.dtype)


def stretch_tails(summed, plan):
    """Scale each planned tail to a whole token; return the edges.

    The scale is the tail's normalizer, so autograd gives its gradient. A tail that is not planned
    keeps its edges beyond the last token and is dropped.
    """
    sums, full = summed.sums, plan.inner
    over = sums - full
    rest = over[:, -1:].masked_fill(plan.counts == full, 1.0)
    # the derivative at 0 is one-sided: a weight of zero can only grow
    return torch.addcmul(sums, torch.where(over >= 0, over, 0.0), rest.reciprocal() - 1)


def cross(edges, plan, frame, max_tokens):
    """Find the boundaries of tokens among the edges (B, T + 1) of frames; max_tokens is N."""
    ends = edges.detach()[:, 1:]
    whole = ends - ends.frac()  # floor() would start all threads for a few numbers
    last = torch.minimum(whole, plan.inner.double())
    last = torch.where(frame[:-1] < plan.ending.double(), last, BEHIND)
    bins = last.clamp(max=max_tokens).long()
    none = bins.new_zeros(ends.shape[0], max_tokens + 1)
    fired = none.scatter_add(1, bins, bins.new_ones(()).expand_as(bins)).cumsum(1)
    on_edge = none.scatter_add(1, bins, (ends == last).long())
    return Crossings(last, pad(fired[:, :max_tokens], (1, 0)), on_edge[:, :max_tokens])


def positions(sums, plan, crossings):
    """Return where each token starts and ends, in frames: two (B, N) float64, padded with zeros.

    sums (B, T + 1) are the edges before the scaling of tails. A token starts at the end of its
    predecessor, or after the frames of zero weight between them.
    """
    first_frame, fired = crossings.first_frame[:, :-1], crossings.first_frame[:, 1:]
    token = torch.arange(fired.shape[1], device=sums.device)
    low = sums.gather(1, fired)
    high = sums.gather(1, (fired + 1).clamp(max=sums.shape[1] - 1))
    ends = fired + (token + 1 - low) / (high - low)
    # the last token of a tail or a target ends with the last frame that has weight
    final = torch.searchsorted(sums, sums[:, -1:] - SLACK)
    ends = torch.where(token == plan.inner, final, ends)
    on_edge = crossings.on_edge
    starts = torch.where(on_edge > 0, first_frame + on_edge, pad(ends, (1, 0))[:, :-1])
    behind = token >= plan.counts
    return starts.masked_fill(behind, 0.0), ends.masked_fill(behind, 0.0)
