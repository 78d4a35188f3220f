"""The axis of summed weight, on which frames and tokens are intervals.

Shapes: B utterances, T frames, N tokens of the longest utterance; a number for each utterance is a
column (B, 1). The axis is measured in tokens: frame t covers (edges[t], edges[t + 1]], token n
covers [n, n + 1]. All of it is float64: these are B x T numbers, and a boundary that float32 puts
into the neighbouring frame is the mistake that the other implementations share.

Each function is a handful of small operations, and their number is what it costs.
"""

from typing import NamedTuple

import torch
from torch.nn.functional import pad

# An utterance whose weights sum to less than this many tokens says nothing about where they lie.
FLOOR = 1e-12
# The float64 sum of some thousand weights is off by less than this many tokens.
SLACK = 1e-9
# The token of a frame that belongs to none: one behind every real token.
BEHIND = 2**40


class Summed(NamedTuple):
    """The weights and their running sum."""

    weights: torch.Tensor  # (B, T) as given, 0 in padding
    sums: torch.Tensor  # (B, T + 1) float64, in tokens, differentiable
    lengths: torch.Tensor  # (B, 1) float64 frames
    frame: torch.Tensor  # (T + 1,) float64 0, 1, 2, ...


class Plan(NamedTuple):
    """How many tokens there will be, and of what; each a column (B, 1) int64."""

    counts: torch.Tensor  # tokens
    inner: torch.Tensor  # token boundaries with a frame behind them: all, or all but the last
    ending: torch.Tensor  # frames that end in a token
    sizes: torch.Tensor  # segments: those frames plus those boundaries


class Crossings(NamedTuple):
    """Where the tokens' boundaries fall among the frames."""

    last: torch.Tensor  # (B, T) float64 token in which each frame ends, BEHIND if in none
    begun: torch.Tensor  # (B, N + 1) int64 frames that end before token n, before N, begins
    on_edge: torch.Tensor  # (B, N) int64 frames that end where token n begins


def sum_weights(weights, lengths, threshold, before=None):
    """Mask the padding and sum. before (B, 1) float64 is the sum to start from."""
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
    """Plan for whole tokens of all frames: counts (B, 1)."""
    ending = summed.lengths.long()
    inner = (counts - 1).clamp(min=0)
    ending = ending.masked_fill(counts == 0, 0)
    return Plan(counts, inner, ending, ending + inner)


def plan_fires(summed, tail_threshold):
    """Plan to fire at every whole token, and for a tail of at least `tail_threshold`."""
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
    """Stretch the axis to the planned tokens; return the edges and the scaled weights.

    All-zero weights give an even spread: N tokens were asked for, and nothing else prefers no
    frame. No gradient flows there. may_be_blank: whether there may be such an utterance.
    """
    weights, sums, lengths, frame = summed
    total, heard = sums[:, -1:], plan.counts
    if may_be_blank:
        blank = total < FLOOR
        total, heard = total.masked_fill(blank, 1.0), heard.masked_fill(blank, 0)
    rate = heard / total
    edges, scaled = sums * rate, weights * rate
    if may_be_blank:
        share = (plan.counts - heard) / lengths.clamp(min=1)
        edges = torch.addcmul(edges, torch.minimum(frame, lengths), share)
        scaled = scaled + torch.where(frame[:-1] < lengths, share * threshold, 0.0)
    return edges, scaled.to(weights.dtype)


def stretch_tails(summed, plan):
    """Stretch each planned tail to a whole token; return the edges.

    The stretch is the tail's normalizer, so its gradient comes by itself. Another rest keeps its
    edges beyond the last token and so drops out.
    """
    sums, full = summed.sums, plan.inner
    over = sums - full
    rest = over[:, -1:].masked_fill(plan.counts == full, 1.0)
    # at 0 the slope is the right one: a frame of zero weight can only gain
    return torch.addcmul(sums, torch.where(over >= 0, over, 0.0), rest.reciprocal() - 1)


def cross(edges, plan, frame, most):
    """Find the tokens' boundaries among the frames' edges (B, T + 1); most is N."""
    ends = edges.detach()[:, 1:]
    whole = ends - ends.frac()  # floor() would start all threads for a few numbers
    last = torch.minimum(whole, plan.inner.double())
    last = torch.where(frame[:-1] < plan.ending.double(), last, BEHIND)
    bins = last.clamp(max=most).long()
    none = bins.new_zeros(ends.shape[0], most + 1)
    fired = none.scatter_add(1, bins, bins.new_ones(()).expand_as(bins)).cumsum(1)
    on_edge = none.scatter_add(1, bins, (ends == last).long())
    return Crossings(last, pad(fired[:, :most], (1, 0)), on_edge[:, :most])


def positions(sums, plan, crossings):
    """Where each token starts and ends, in frames: two (B, N) float64, zeros behind `counts`.

    sums (B, T + 1) are the edges before a tail is stretched. A token starts where they leave its
    lower boundary, at the end of its predecessor unless frames of zero weight lie between.
    """
    begun, fired = crossings.begun[:, :-1], crossings.begun[:, 1:]
    token = torch.arange(fired.shape[1], device=sums.device)
    low = sums.gather(1, fired)
    high = sums.gather(1, (fired + 1).clamp(max=sums.shape[1] - 1))
    ends = fired + (token + 1 - low) / (high - low)
    # the last token of a tail or a target ends with the last weight
    heard = torch.searchsorted(sums, sums[:, -1:] - SLACK)
    ends = torch.where(token == plan.inner, heard, ends)
    on_edge = crossings.on_edge
    starts = torch.where(on_edge > 0, begun + on_edge, pad(ends, (1, 0))[:, :-1])
    behind = token >= plan.counts
    return starts.masked_fill(behind, 0.0), ends.masked_fill(behind, 0.0)
