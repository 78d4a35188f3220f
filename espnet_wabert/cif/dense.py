"""Dense form of `cif` with an overlap matrix (B, N, T): for tests and for export to ONNX."""

import torch

from espnet_wabert.cif.boundaries import (
    SLACK,
    plan_exactly,
    plan_fires,
    scale_edges,
    stretch_tails,
    sum_weights,
)
from espnet_wabert.cif.function import CIFOutput
from espnet_wabert.cif.validation import check_arguments


def cif_dense(
    frames, weights, lengths=None, target_lengths=None, *, threshold=1.0, tail_threshold=0.5
) -> CIFOutput:
    """Compute `cif` by its definition, in O(B N T C) time and O(B N T) memory.

    Arguments and result are those of `cif`. The values of weights and lengths are not checked, so
    that the graph has tensor operations only and exports to ONNX.
    """
    check_arguments(frames, weights, lengths, target_lengths, threshold, tail_threshold)
    summed = sum_weights(weights, lengths, threshold)
    if target_lengths is None:
        plan = plan_fires(summed, tail_threshold)
        edges, used, raw_sums = stretch_tails(summed, plan), summed.weights, summed.sums.detach()
    else:
        plan = plan_exactly(summed, target_lengths[:, None].to(torch.int64, copy=True))
        edges, used = scale_edges(summed, plan, threshold, may_be_blank=True)
        raw_sums = edges.detach()
    counts = plan.counts
    max_tokens = counts.max().item() if counts.shape[0] else 0
    torch._check(max_tokens >= 0)
    token = torch.arange(max_tokens, device=frames.device)[:, None]  # (N, 1)
    left, right = edges[:, None, :-1], edges[:, None, 1:]  # (B, 1, T)
    overlap = (torch.minimum(right, token + 1) - torch.maximum(left, token)).clamp(min=0)

    valid = summed.frame[:-1] < summed.lengths  # (B, T)
    real = token < counts[:, None]  # (B, N, 1)
    overlap = torch.where(real & valid[:, None], overlap * threshold, 0.0)  # (B, N, T)
    masked = torch.where(valid[:, :, None], frames, 0.0)  # (B, T, C)
    sums_in = torch.promote_types(frames.dtype, torch.float32)
    tokens = (overlap.to(sums_in) @ masked.to(sums_in)).to(frames.dtype)

    token = token[:, 0]
    closing = token == plan.inner  # (B, N) completed by the last frame
    upper = torch.where(closing, raw_sums[:, -1:] - SLACK, token + 1.0)
    starts = _locate(raw_sums, valid, token.expand_as(upper).double(), torch.le)
    ends = _locate(raw_sums, valid, upper, torch.lt)
    ends = torch.where(closing, ends.ceil(), ends)
    behind = token >= counts
    starts, ends = starts.masked_fill(behind, 0.0), ends.masked_fill(behind, 0.0)
    quantity = summed.sums[:, -1].to(torch.promote_types(weights.dtype, torch.float32))
    return CIFOutput(tokens, counts[:, 0], starts, ends, quantity, used)


def _locate(sums, valid, level, before):
    """Return where the cumulative weight reaches a level (B, N): positions (B, N) in frames."""
    right = torch.where(valid, sums[:, 1:], torch.inf)[:, None]  # (B, 1, T)
    frame = before(right, level[:, :, None]).sum(2)
    low = sums.gather(1, frame)
    high = sums.gather(1, (frame + 1).clamp(max=sums.shape[1] - 1))
    width = high - low
    return frame + ((level - low) / width.masked_fill(width <= 0, 1.0)).clamp(0, 1)
