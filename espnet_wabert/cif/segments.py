"""Integration in torch operations: sums over the overlaps of frames and tokens.

The edges of T frames and N tokens cut the axis of an utterance into at most T + N segments. Each
segment lies in one frame and one token. Summed per token they give the tokens; summed per frame
they give the gradient of the frames. There is no loop, any number of tokens may fire in a frame,
and the backward pass keeps nothing of size T x C.
"""

import functools
import warnings
from itertools import pairwise
from typing import NamedTuple

import torch
from torch.autograd.function import once_differentiable
from torch.nn.functional import pad

from espnet_wabert.cif.boundaries import BEHIND
from espnet_wabert.cif.huge_pages import LARGEST_HEAP_BLOCK, empty_rows

HALF = (torch.float16, torch.bfloat16)
CACHE = 32 * 2**20  # bytes: larger inputs do not fit into a processor's cache
PART = 8 * 2**20  # bytes of a large result that are computed at a time, to stay in the cache


class FrameTokenOverlaps(NamedTuple):
    """S segments of all utterances, concatenated."""

    frames: torch.Tensor  # (S,) row of the frame in (B * T, C)
    tokens: torch.Tensor  # (S,) row of the token in (B * N, C)
    widths: torch.Tensor  # (S,) float64 weight
    by_token: torch.Tensor  # (B * N + 1,) first segment of each token
    frame_ends: torch.Tensor  # (B, T) float64, last segment of each frame
    row_begins: torch.Tensor  # (B, 1) first segment of each utterance
    row_ends: torch.Tensor  # (B, 1) end of its segments


def cut(edges, last, first_frame, plan, total, threshold):
    """List the S = `total` segments. The other arguments are those of `boundaries`."""
    batch, steps = last.shape
    max_tokens = first_frame.shape[1] - 1
    device = edges.device
    row = torch.arange(batch, device=device)[:, None]
    frame = torch.arange(batch * steps, device=device).view(batch, steps)
    token = torch.arange(max_tokens, device=device)
    fired = first_frame[:, 1:]
    row_ends = plan.sizes.cumsum(0)
    begin = row_ends - plan.sizes
    token_begins = begin + token
    frame_ends = last + (begin + frame[:1])
    token_ends = (token_begins + fired).masked_fill(token >= plan.inner, BEHIND)
    places = torch.cat([frame_ends, token_ends], 1).clamp(max=total).long().view(-1)

    def spread(of_frames, of_tokens):
        values = torch.cat([of_frames, of_tokens], 1).view(-1)
        return values.new_empty(total + 1).scatter_(0, places, values)[:total]

    of_frames = edges[:, 1:] - torch.maximum(edges[:, :-1], last)
    of_tokens = token + 1 - torch.maximum(edges.gather(1, fired), token.double())
    widths = spread(of_frames, of_tokens)
    by_token = torch.minimum(token_begins + first_frame[:, :-1], row_ends).view(-1)
    close = row_ends[-1:, 0] if batch else row_ends.new_zeros(1)
    return FrameTokenOverlaps(
        frames=spread(frame, row * steps + fired),
        tokens=spread(last.long() + row * max_tokens, row * max_tokens + token),
        widths=widths if threshold == 1 else widths * threshold,
        by_token=torch.cat([by_token, close]),
        frame_ends=frame_ends,
        row_begins=begin,
        row_ends=row_ends,
    )


def begin_frames(parts):
    """Return the first segment of each frame (B * T + 1,)."""
    steps = parts.frame_ends.shape[1]
    begins = torch.cat([parts.row_begins.double(), parts.frame_ends + 1], 1)[:, :steps]
    begins = torch.minimum(begins, parts.row_ends.double()).long()
    return torch.cat([begins.flatten(), parts.by_token[-1:]])


def sum_by_token(rows, parts):
    """Sum weighted frames per token: (B * T, C) -> (B * N, C), in the type of the rows.

    On the CPU, frames that do not fit into the cache are summed by a sparse matrix product, which
    is faster there than `embedding_bag`.
    """
    wide = rows.float() if rows.dtype in HALF else rows
    widths = parts.widths.to(wide.dtype)
    if not eager_on_cpu(rows) or wide.numel() * wide.element_size() <= CACHE or not widths.shape[0]:
        return bags(wide, parts.frames, parts.by_token, widths).to(rows.dtype)
    silence_csr_warning()
    size = (parts.by_token.shape[0] - 1, rows.shape[0])
    matrix = torch.sparse_csr_tensor(
        parts.by_token, parts.frames, widths, size=size, check_invariants=False
    )
    return torch.sparse.mm(matrix, wide, "sum").to(rows.dtype)


@functools.cache
def silence_csr_warning():
    """Silence torch's one-time warning that CSR tensors are in beta."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        empty = torch.zeros(1, dtype=torch.int64)
        torch.sparse_csr_tensor(empty, empty[:0], torch.zeros(0), size=(0, 0))


def sum_by_frame(rows, parts):
    """Sum weighted gradients of tokens per frame: (B * N, C) -> (B * T, C).

    A large result is computed in parts that fit into the cache and written to huge pages.
    """
    wide = rows.float() if rows.dtype in HALF else rows
    widths = parts.widths.to(wide.dtype)
    offsets = begin_frames(parts)
    count, width = offsets.shape[0] - 1, rows.shape[1]
    size = width * wide.element_size()
    if not eager_on_cpu(rows) or count * size <= LARGEST_HEAP_BLOCK:
        return bags(wide, parts.tokens, offsets, widths).to(rows.dtype)
    step = max(PART // size, 1)
    sums = empty_rows(count, width, rows)
    places = [*offsets[:-1:step].tolist(), widths.shape[0]]
    for bag, (begin, end) in zip(range(0, count, step), pairwise(places), strict=True):
        part = slice(begin, end)
        inside = offsets[bag : bag + step + 1] - begin
        sums[bag : bag + step] = bags(wide, parts.tokens[part], inside, widths[part])
    return sums


def eager_on_cpu(rows):
    """Return whether torch runs eagerly on the CPU."""
    return rows.device.type == "cpu" and not torch.compiler.is_compiling()


def bags(rows, index, offsets, widths):
    """Sum weighted rows per bag: (R, C) -> (bags, C)."""
    if rows.shape[1] == 0:  # torch fails on rows of width 0 with several threads
        return rows.new_zeros(offsets.shape[0] - 1, 0)
    return torch._embedding_bag(
        rows, index, offsets, per_sample_weights=widths, include_last_offset=True
    )[0]


def products(left, left_index, right, right_index, offsets):
    """Return the inner products <left[left_index], right[right_index]> (S,) in float64."""
    if left.dtype in HALF:
        left, right = left.float(), right.float()
    return torch.ops.aten._embedding_bag_per_sample_weights_backward(
        left, right, right_index, offsets, left_index, 0
    ).double()


def turn_to_edges(of_widths, parts):
    """Turn the gradient of the widths (S,) into that of the edges (B, T + 1).

    Moving an edge up widens the segment before it and narrows the one after it.
    """
    shape = parts.frame_ends.shape
    total = of_widths.shape[0]
    of_widths = pad(of_widths, (0, 2))
    ends = parts.frame_ends.long().clamp(max=total).flatten()
    here = of_widths.index_select(0, ends).view(shape)
    behind = of_widths.index_select(0, ends + 1).view(shape)
    shared = parts.frame_ends + 1 < parts.row_ends
    return pad(here - torch.where(shared, behind, 0.0), (1, 0))


class IntegrateSegments(torch.autograd.Function):
    """Integrate frames (B, T, C) into tokens (B, N, C) with FrameTokenOverlaps."""

    @staticmethod
    def forward(ctx, frames, edges, max_tokens, threshold, *parts):
        batch, steps, width = frames.shape
        ctx.save_for_backward(frames, *parts)
        ctx.threshold = threshold
        rows = frames.reshape(batch * steps, width).contiguous()
        return sum_by_token(rows, FrameTokenOverlaps(*parts)).view(batch, max_tokens, width)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        frames, *parts = ctx.saved_tensors
        parts = FrameTokenOverlaps(*parts)
        batch, steps, width = frames.shape
        grad = grad.reshape(batch * grad.shape[1], width).contiguous()
        of_frames = of_edges = None
        if ctx.needs_input_grad[0]:
            of_frames = sum_by_frame(grad, parts).view(frames.shape)
        if ctx.needs_input_grad[1]:
            rows = frames.reshape(batch * steps, width).contiguous()
            of_widths = products(grad, parts.tokens, rows, parts.frames, parts.by_token[:-1])
            of_edges = turn_to_edges(of_widths * ctx.threshold, parts)
        return of_frames, of_edges, None, None, *(None for _ in parts)
