"""Continuous integrate-and-fire (CIF): sum frames into tokens, one token per threshold of weight.

The mechanism of Dong & Xu (arXiv 1905.11235), computed exactly: any number of tokens may fire in a
frame, boundaries are computed in float64, and the gradient is the analytic one.
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
from espnet_wabert.cif.segments import IntegrateSegments, cut, eager_on_cpu
from espnet_wabert.cif.validation import check_arguments, read_sizes


class CIFOutput(NamedTuple):
    """Result of `cif`; rows are padded with zeros after `token_lengths`.

    Attributes:
        tokens: (B, N, C) the integrated vectors, in the type of the frames.
        token_lengths: (B,) int64, number of tokens.
        starts: (B, N) float64, first boundary of each token, in frames.
        ends: (B, N) float64, last boundary, in frames.
        quantity: (B,) sum of the given weights / threshold: the predicted number of tokens.
        weights: (B, T) the weights after scaling, zero in padding.
    """

    tokens: torch.Tensor
    token_lengths: torch.Tensor
    starts: torch.Tensor
    ends: torch.Tensor
    quantity: torch.Tensor
    weights: torch.Tensor


def cif(
    frames, weights, lengths=None, target_lengths=None, *, threshold=1.0, tail_threshold=0.5
) -> CIFOutput:
    """Integrate frames into tokens, firing one each time the weights sum to `threshold`.

    With a_t the weight of frame h_t, A_t = a_1 + ... + a_t and threshold b, token n is

        c_n = sum over t of |(A_{t-1}, A_t] and [(n-1) b, n b]| * h_t,

    where |.| is the length of the overlap. This is the loop of Dong & Xu (accumulate; at the
    threshold split the frame's weight, emit a token, continue with the rest) in closed form.

    Args:
        frames: (B, T, C) floating point; only the first `lengths` of each utterance are read.
        weights: (B, T) floating point, finite and not negative in valid frames. The type may differ
            from that of the frames (autocast), but float64 needs float64.
        lengths: (B,) integer, frames of each utterance; None: all T.
        target_lengths: (B,) integer, number of tokens of each utterance. The weights are scaled by
            target * threshold / sum (the paper's scaling strategy) and give exactly that many
            tokens. Weights that are all zero count as equal weights.
        threshold: weight of a token. Tokens are sums, not means: each has this total weight.
        tail_threshold: without `target_lengths`: a residual weight of at least this fraction of
            `threshold`, 0 to 1, fires one more token. That token is normalized to the weight
            `threshold`, and the gradient passes through the normalization. A smaller residual is
            dropped: its frames get no gradient from the tokens. 1 never fires a tail.

    Returns:
        CIFOutput. Positions are in frames; frame t covers t to t + 1. A token starts where the
        cumulative weight leaves its lower boundary and ends where it first reaches its upper
        boundary: frames of zero weight between two tokens belong to neither. tokens, quantity and
        weights are differentiable, positions are not. quantity is float32, or float64 for float64
        weights.

    Raises:
        ArgumentError: names the argument, the index and the rule. The check of values shares the
            synchronization that the shape of the result needs. A compiled or exported graph has an
            asynchronous assertion instead.

    Kernels: one Triton kernel per direction on CUDA; a numba kernel and torch's native sums on the
    CPU; torch operations elsewhere and under torch.compile and torch.export. All give the same
    results. `torch.compile(fullgraph=True)` needs `torch._dynamo.config.capture_scalar_outputs`,
    because the number of tokens depends on values.
    """
    check_arguments(frames, weights, lengths, target_lengths, threshold, tail_threshold)
    summed = sum_weights(weights, lengths, threshold)
    if target_lengths is None:
        plan = plan_fires(summed, tail_threshold)
    else:
        plan = plan_exactly(summed, target_lengths[:, None].to(torch.int64, copy=True))
    sizes = read_sizes(summed, plan, lengths, target_lengths)
    if target_lengths is None:
        edges, used, raw_sums = stretch_tails(summed, plan), summed.weights, summed.sums.detach()
    else:
        edges, used = scale_edges(summed, plan, threshold, sizes.may_be_blank)
        raw_sums = edges.detach()
    tokens, starts, ends = integrate(frames, edges, raw_sums, summed, plan, sizes, threshold)
    quantity = summed.sums[:, -1].to(torch.promote_types(weights.dtype, torch.float32))
    return CIFOutput(tokens, plan.counts[:, 0], starts, ends, quantity, used)


def integrate(frames, edges, raw_sums, summed, plan, sizes, threshold):
    """Sum frames into tokens (B, N, C) with the kernel of the device; return positions too."""
    if eager_on_cpu(frames):
        from espnet_wabert.cif.numba_kernel import overlaps_and_positions

        parts, starts, ends = overlaps_and_positions(edges, raw_sums, plan, sizes, threshold)
        return (
            IntegrateSegments.apply(frames, edges, sizes.max_tokens, threshold, *parts),
            starts,
            ends,
        )
    crossings = cross(edges, plan, summed.frame, sizes.max_tokens)
    starts, ends = positions(raw_sums, plan, crossings)
    last, first_frame, _ = crossings
    if frames.is_cuda and not torch.compiler.is_compiling():
        from espnet_wabert.cif.triton_kernel import IntegrateTriton, triton_runs_on

        if triton_runs_on(frames.device):
            tokens = IntegrateTriton.apply(
                frames, edges, last, first_frame, summed.lengths, plan.counts, threshold
            )
            return tokens, starts, ends
    parts = cut(edges.detach(), last, first_frame, plan, sizes.total, threshold)
    return IntegrateSegments.apply(frames, edges, sizes.max_tokens, threshold, *parts), starts, ends
