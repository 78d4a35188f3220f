"""Triton kernels for CUDA: one for the forward and one for the backward pass.

Forward: one program per token and block of channels reads the frames of the token once. Backward:
one program per frame reads the gradients of its tokens and computes the gradient of the frame and
the two inner products for the gradient of its edges. The gradient is the only array of size T x C
that is written. `TRITON_INTERPRET=1` runs the kernels on the CPU.
"""

import functools
import warnings

import torch
from torch.autograd.function import once_differentiable

from espnet_wabert.cif.boundaries import BEHIND

try:
    import triton
    import triton.language as tl
except ImportError:  # torch was built without Triton
    triton = None

ROWS = 8  # frames per step of the forward kernel: about as many as a token of speech has
CHANNELS = 256  # channels per program


if triton is not None:

    @triton.jit
    def _tokens_kernel(
        frames, edges, first_frame, lengths, counts, tokens, steps, max_tokens, width,
        THRESHOLD: tl.constexpr, ROWS: tl.constexpr, CHANNELS: tl.constexpr, SUM: tl.constexpr,
    ):  # fmt: skip
        """tokens[b, n] = threshold * sum over t of |frame t and token n overlap| * frames[b, t]."""
        cell = tl.program_id(0).to(tl.int64)
        row, token = cell // max_tokens, cell % max_tokens
        channel = tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS)
        inside = channel < width
        total = tl.zeros([CHANNELS], dtype=SUM)
        if token < tl.load(counts + row):
            place_of_token = first_frame + row * (max_tokens + 1) + token
            first = tl.load(place_of_token)
            final = tl.load(place_of_token + 1)
            final = tl.minimum(final, tl.load(lengths + row).to(tl.int64) - 1)
            low, high = token.to(tl.float64), (token + 1).to(tl.float64)
            for start in range(first, final + 1, ROWS):
                step = start + tl.arange(0, ROWS)
                real = step <= final
                at = edges + row * (steps + 1) + step
                left = tl.maximum(tl.load(at, mask=real, other=0), low)
                right = tl.minimum(tl.load(at + 1, mask=real, other=0), high)
                overlap = ((right - left) * THRESHOLD).to(SUM)
                used = real & (overlap > 0)
                place = (row * steps + step)[:, None] * width + channel[None, :]
                block = tl.load(frames + place, mask=used[:, None] & inside[None, :], other=0)
                overlap = tl.where(used, overlap, 0)
                total += tl.sum(block.to(SUM) * overlap[:, None], axis=0)
        tl.store(tokens + cell * width + channel, total, mask=inside)

    @triton.jit
    def _gradients_kernel(
        grads, frames, edges, last, lengths, counts, of_frames, here, behind, steps, max_tokens,
        width, THRESHOLD: tl.constexpr, BEHIND: tl.constexpr, CHANNELS: tl.constexpr,
        SUM: tl.constexpr, FRAMES: tl.constexpr, EDGES: tl.constexpr,
    ):  # fmt: skip
        """Compute the gradient of frame t and its products with the tokens at its two edges."""
        cell = tl.program_id(0).to(tl.int64)
        row, step = cell // steps, cell % steps
        first = tl.load(last + cell - 1, mask=step > 0, other=0).to(tl.int64)
        ending = tl.load(last + cell).to(tl.int64)
        count = tl.load(counts + row)
        used = (step < tl.load(lengths + row).to(tl.int64)) & (first < BEHIND)
        final = tl.where(used, tl.minimum(ending, count - 1), first - 1)
        at = edges + row * (steps + 1) + step
        left, right = tl.load(at), tl.load(at + 1)
        at_end = tl.zeros([CHANNELS], dtype=SUM)
        at_start = tl.zeros([CHANNELS], dtype=SUM)
        for start in range(0, width, CHANNELS):
            channel = start + tl.arange(0, CHANNELS)
            inside = channel < width
            total = tl.zeros([CHANNELS], dtype=SUM)
            frame = tl.zeros([CHANNELS], dtype=SUM)
            if EDGES:
                place = frames + cell * width + channel
                frame = tl.load(place, mask=inside & used, other=0).to(SUM)
            for ahead in range(final + 1 - first):
                token = first + ahead
                place = grads + (row * max_tokens + token) * width + channel
                grad = tl.load(place, mask=inside, other=0).to(SUM)
                low, high = token.to(tl.float64), (token + 1).to(tl.float64)
                overlap = (tl.minimum(right, high) - tl.maximum(left, low)) * THRESHOLD
                total += grad * overlap.to(SUM)
                if EDGES:
                    product = grad * frame
                    at_end += tl.where(token == ending, product, 0)
                    at_start += tl.where(token == first, product, 0)
            if FRAMES:
                tl.store(of_frames + cell * width + channel, total, mask=inside)
        if EDGES:
            tl.store(here + cell, tl.sum(at_end, axis=0))
            tl.store(behind + cell, tl.sum(at_start, axis=0))


@functools.cache
def triton_runs_on(device):
    """Return whether the kernels compile and give the right result on a device; tried once."""
    if triton is None:
        return False
    try:
        frames = torch.tensor([[[1.0], [3.0]]], device=device)
        edges = torch.tensor([[0.0, 0.5, 1.0]], device=device, dtype=torch.float64)
        first_frame, one = torch.tensor([[0, 2]], device=device), torch.tensor([[1]], device=device)
        tokens = IntegrateTriton.apply(
            frames, edges, 0 * edges[:, 1:], first_frame, 2.0 * one.double(), one, 1.0
        )
        return tokens.item() == 2.0
    except Exception as error:  # no C compiler, or a device without support
        warnings.warn(f"cif: torch operations are used on {device}: {error}", stacklevel=2)
        return False


def _sum_type(dtype):
    return tl.float64 if dtype == torch.float64 else tl.float32


class IntegrateTriton(torch.autograd.Function):
    """Integrate frames (B, T, C) into tokens (B, N, C) between edges (B, T + 1)."""

    @staticmethod
    def forward(ctx, frames, edges, last, first_frame, lengths, counts, threshold):
        frames = frames.contiguous()
        batch, steps, width = frames.shape
        max_tokens = first_frame.shape[1] - 1
        tokens = frames.new_empty(batch, max_tokens, width)
        ctx.save_for_backward(frames, edges, last, lengths, counts)
        ctx.threshold = threshold
        if tokens.numel():
            grid = (batch * max_tokens, triton.cdiv(width, CHANNELS))
            with torch.cuda.device_of(frames):
                _tokens_kernel[grid](
                    frames, edges.contiguous(), first_frame.contiguous(), lengths, counts, tokens,
                    steps, max_tokens, width, threshold, ROWS, CHANNELS, _sum_type(frames.dtype),
                )  # fmt: skip
        return tokens

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        frames, edges, last, lengths, counts = ctx.saved_tensors
        batch, steps, width = frames.shape
        needs_frames, needs_edges = ctx.needs_input_grad[:2]
        of_frames = torch.empty_like(frames) if needs_frames else None
        sums = torch.float64 if frames.dtype == torch.float64 else torch.float32
        here, behind = frames.new_zeros(2, batch, steps, dtype=sums)
        if frames.numel():
            with torch.cuda.device_of(frames):
                _gradients_kernel[(batch * steps,)](
                    grad.contiguous(), frames, edges.contiguous(), last, lengths, counts,
                    of_frames if needs_frames else frames, here, behind, steps, grad.shape[1],
                    width, ctx.threshold, BEHIND, CHANNELS, _sum_type(frames.dtype),
                    needs_frames, needs_edges,
                )  # fmt: skip
        of_edges = None
        if needs_edges:
            # moving an edge up widens the frame before it and narrows the one after it
            of_edges = edges.new_zeros(batch, steps + 1)
            of_edges[:, 1:] = here
            of_edges[:, 1:-1] -= behind[:, 1:]
            of_edges *= ctx.threshold
        return of_frames, of_edges, None, None, None, None, None
