"""Continuous integrate-and-fire: frames become tokens wherever the summed weight fills a token.

The mechanism of Dong & Xu (arXiv 1905.11235), exact: any number of tokens may fire in a frame,
boundaries are decided in float64, the gradient is the analytic one. Needs nothing but torch.
"""

from typing import NamedTuple

import torch

from espnet_wabert.cif.boundaries import (
    cross,
    plan_exactly,
    plan_fires,
    positions,
    scale_edges,
    stretch_tails,
    sum_weights,
)
from espnet_wabert.cif.segments import IntegrateSegments, cut, on_plain_cpu
from espnet_wabert.cif.validation import check_arguments, read_sizes


class CIFOutput(NamedTuple):
    """What `cif` returns; rows are padded with zeros behind `token_lengths`."""

    tokens: torch.Tensor  # (B, N, C) the integrated vectors, in the type of the frames
    token_lengths: torch.Tensor  # (B,) int64, tokens of each utterance
    starts: torch.Tensor  # (B, N) float64, where each token's integration begins, in frames
    ends: torch.Tensor  # (B, N) float64, where it ends, in frames
    quantity: torch.Tensor  # (B,) sum of the given weights / threshold: the predicted count
    weights: torch.Tensor  # (B, T) the weights as integrated: scaled, zero in padding


def cif(
    frames, weights, lengths=None, target_lengths=None, *, threshold=1.0, tail_threshold=0.5
) -> CIFOutput:
    """Integrate frames into tokens, firing one each time the weights sum to `threshold`.

    With a_t the weight of frame h_t, A_t = a_1 + ... + a_t and threshold b, token n is

        c_n = sum over t of |(A_{t-1}, A_t] and [(n-1) b, n b]| * h_t,

    |.| the length of the overlap: the loop of Dong & Xu (accumulate; at the threshold split the
    frame's weight, emit, go on with the rest), written without the loop.

    Args:
        frames: (B, T, C) floating; only the first `lengths` of each utterance are read.
        weights: (B, T) floating, finite and not negative in valid frames. May be of another type
            than the frames (autocast gives such pairs), but float64 only together.
        lengths: (B,) integer, frames of each utterance; all T where it is None.
        target_lengths: (B,) integer, tokens wanted of each utterance. The weights are scaled by
            target * threshold / sum (the paper's scaling strategy), and exactly that many tokens
            come out, the last one whole. Where the weights are all zero they count as equal.
        threshold: weight of a token. Tokens are sums, not means: each has this mass.
        tail_threshold: without `target_lengths`, a rest of at least this share of a token, 0 to
            1, fires one more token; it is scaled up to a whole token's mass, and the gradient
            goes through that normalizer. A smaller rest is dropped and its frames get no
            gradient from the tokens. 1 never fires a tail.

    Returns:
        CIFOutput. Positions are times in frames, frame t covering t to t + 1; multiply by the
        frame shift for seconds. A token starts where the summed weight leaves its lower boundary
        and ends where it first reaches its upper one: silence (zero weight) on a boundary is in
        neither token, and leading silence comes before the first start. tokens, quantity and
        weights are differentiable, positions are not. quantity is float32, or float64 like its
        input.

    Raises:
        UserError (a ValueError) naming argument, index and rule. The values are checked with the
        one look at the device that the result's shape needs anyway. In a compiled or exported
        graph an asynchronous assertion takes its place.

    On CUDA the integration is one Triton kernel each way, on the CPU a compiled walk along the axis
    and native sums, elsewhere (and under torch.compile and torch.export) torch operations, all
    with the same results. `torch.compile(fullgraph=True)` needs
    `torch._dynamo.config.capture_scalar_outputs`, since the number of tokens depends on values.
    """
    check_arguments(frames, weights, lengths, target_lengths, threshold, tail_threshold)
    summed = sum_weights(weights, lengths, threshold)
    if target_lengths is None:
        plan = plan_fires(summed, tail_threshold)
    else:
        plan = plan_exactly(summed, target_lengths[:, None].to(torch.int64, copy=True))
    sizes = read_sizes(summed, plan, lengths, target_lengths)
    if target_lengths is None:
        edges, used, plain = stretch_tails(summed, plan), summed.weights, summed.sums.detach()
    else:
        edges, used = scale_edges(summed, plan, threshold, sizes.may_be_blank)
        plain = edges.detach()
    tokens, starts, ends = integrate(frames, edges, plain, summed, plan, sizes, threshold)
    quantity = summed.sums[:, -1].to(torch.promote_types(weights.dtype, torch.float32))
    return CIFOutput(tokens, plan.counts[:, 0], starts, ends, quantity, used)


def integrate(frames, edges, plain, summed, plan, sizes, threshold):
    """Sum the frames into tokens (B, N, C) with what the machine offers; starts and ends, too."""
    if on_plain_cpu(frames):
        from espnet_wabert.cif.numba_kernel import walk

        parts, starts, ends = walk(edges, plain, plan, sizes, threshold)
        return IntegrateSegments.apply(frames, edges, sizes.most, threshold, *parts), starts, ends
    crossings = cross(edges, plan, summed.frame, sizes.most)
    starts, ends = positions(plain, plan, crossings)
    last, begun, _ = crossings
    if frames.is_cuda and not torch.compiler.is_compiling():
        from espnet_wabert.cif.triton_kernel import IntegrateTriton, triton_runs_on

        if triton_runs_on(frames.device):
            tokens = IntegrateTriton.apply(
                frames, edges, last, begun, summed.lengths, plan.counts, threshold
            )
            return tokens, starts, ends
    parts = cut(edges.detach(), last, begun, plan, sizes.total, threshold)
    return IntegrateSegments.apply(frames, edges, sizes.most, threshold, *parts), starts, ends
