"""What the benchmark of integrate-and-fire compares: batches, forms, errors, counts and memory."""

import contextlib
import importlib
import os
import resource
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import torch

from espnet_wabert.cif import cif
from espnet_wabert.cif.dense import cif_dense
from espnet_wabert.cif.reference import cif_reference

SHAPES = {  # B, T, C, N
    "A": (16, 500, 768, 60),
    "B": (16, 1500, 768, 180),
    "C": (4, 6000, 256, 600),
}
QUICK = {"A": (3, 40, 32, 8)}


class Batch(NamedTuple):
    """A ragged batch in float32, with the weights as each form wants them."""

    frames: torch.Tensor  # (B, T, C)
    weights: torch.Tensor  # (B, T) for ours, which scales them
    lengths: torch.Tensor  # (B,) frames
    targets: torch.Tensor  # (B,) tokens
    scaled: torch.Tensor  # (B, T) for the others: scaled beforehand, a little beyond the target
    grad: torch.Tensor  # (B, N, C) gradient of the tokens


def make_batch(shape, seed=0, device="cpu"):
    """Lengths from T / 2 to T, the first one T; tokens in proportion."""
    rows, steps, width, most = shape
    torch.manual_seed(seed)
    frames, weights = torch.randn(rows, steps, width), torch.rand(rows, steps)
    lengths = torch.randint(steps // 2, steps + 1, (rows,))
    lengths[0] = steps
    targets = (most * lengths / steps).round().long()
    valid = torch.arange(steps) < lengths[:, None]
    masked = torch.where(valid, weights, 0).double()
    # a sum of exactly N costs the others their last token in every fifth utterance: give them
    # 1e-3 more, so that all compute the same
    scaled = (masked * ((targets + 1e-3) / masked.sum(1))[:, None]).float()
    batch = Batch(frames, weights, lengths, targets, scaled, torch.randn(rows, most, width))
    return Batch(*(x.to(device) for x in batch))


def ours(batch, frames, weights):
    return cif(frames, weights, batch.lengths, batch.targets).tokens


def ours_portable(batch, frames, weights):
    """Ours as on a GPU without Triton."""
    module = importlib.import_module("espnet_wabert.cif.triton_kernel")
    with mock.patch.object(module, "triton_runs_on", lambda device: False):
        return ours(batch, frames, weights)


def dense(batch, frames, weights):
    return cif_dense(frames, weights, batch.lengths, batch.targets).tokens


def forms(with_peers=True, device="cpu"):
    """Name -> (function of a batch and its leaves -> tokens, whether its backward is quick)."""
    found = {"ours": (ours, True), "dense": (dense, True)}
    if device == "cuda":
        found["ours portable"] = (ours_portable, True)
    if with_peers:
        peer = importlib.import_module("funasr.models.paraformer.cif_predictor")
        found["FunASR cif_v1"] = (lambda b, h, a: peer.cif_v1(h, a, 1.0)[0], True)
        found["FunASR loop"] = (lambda b, h, a: peer.cif(h, a, 1.0)[0], False)
    return found


def scales(name):
    """Whether a form scales the weights by itself."""
    return not name.startswith("FunASR")


def leaves(name, batch):
    """Frames and weights to differentiate for."""
    weights = batch.weights if scales(name) else batch.scaled
    return [batch.frames.detach().requires_grad_(), weights.detach().requires_grad_()]


def run(name, form, batch, given, backward):
    """Tokens, and with `backward` the gradients of frames and weights."""
    if not backward:
        with torch.no_grad():
            return form(batch, *given)
    tokens = form(batch, *given)
    return tokens, *torch.autograd.grad(tokens, given, batch.grad[:, : tokens.shape[1]])


def reference(name, batch):
    """Tokens and gradients of the float64 loop for the weights that a form gets."""
    batch = Batch(*(x.cpu() for x in batch))
    frames, weights = (x.double() for x in leaves(name, batch))
    of_frames, of_weights, tokens = torch.zeros_like(frames), torch.zeros_like(weights), []
    for row, (length, target) in enumerate(
        zip(batch.lengths.tolist(), batch.targets.tolist(), strict=True)
    ):
        given = [x[row, :length].detach().requires_grad_() for x in (frames, weights)]
        wanted = target if scales(name) else None
        out = cif_reference(*given, wanted, tail_threshold=1.0).tokens
        grad = batch.grad[row, : len(out)].double()
        for place, value in zip(
            (of_frames, of_weights), torch.autograd.grad(out, given, grad), strict=True
        ):
            place[row, :length] = value
        tokens.append(out.detach())
    return tokens, of_frames, of_weights


def errors(name, form, batch, wanted, backward):
    """Largest errors against the loop; that of the weights as a share of the largest gradient."""
    tokens, of_frames, of_weights = wanted
    given = leaves(name, batch)
    result = run(name, form, batch, given, backward)
    result = [x.cpu() for x in (result if backward else [result])]
    out = result[0]
    found = {
        "tokens": max(
            (out[row, : len(x)].double() - x).abs().max().item() for row, x in enumerate(tokens)
        )
    }
    if backward:
        found["grad_frames"] = (result[1].double() - of_frames).abs().max().item()
        gap = (result[2].double() - of_weights).abs().max()
        found["grad_weights"] = (gap / of_weights.abs().max()).item()
    return found


def count_mistakes(with_peers, samples=200):
    """Of utterances whose weights are scaled to sum to N: how many get another count than N.

    The weights are scaled in their own type, as a model does it, so that they sum to N up to
    rounding; where half precision moves the sum by more, N is the nearest integer to it.
    """
    counters = {
        "ours, target given": lambda h, a, n: cif(h, a, None, n).token_lengths.item(),
        "ours, threshold": lambda h, a, n: cif(h, a).token_lengths.item(),
    }
    if with_peers:
        peer = importlib.import_module("funasr.models.paraformer.cif_predictor")
        for name, function in (("FunASR cif_v1", peer.cif_v1), ("FunASR loop", peer.cif)):
            # frames of ones: a token that fired is 1
            counters[name] = lambda h, a, n, f=function: int((f(h, a, 1.0)[0] > 0.5).sum())
    table = {}
    for dtype in (torch.float32, torch.bfloat16, torch.float16):
        row = table[str(dtype).removeprefix("torch.")] = dict.fromkeys(counters, 0)
        for seed in range(samples):
            torch.manual_seed(seed)
            weights, target = torch.rand(1, 120).to(dtype), torch.randint(5, 60, (1,))
            weights = weights * (target / weights.sum()).to(dtype)
            nearest = int((weights.double().sum() + 0.5).floor())
            for name, count in counters.items():
                wanted = int(target) if name == "ours, target given" else nearest
                try:
                    wrong = count(torch.ones(1, 120, 1, dtype=dtype), weights, target) != wanted
                except (RuntimeError, IndexError):
                    wrong = True  # a crash is no count either
                row[name] += wrong
    return table


def peak_memory(form, name, shape):
    """Bytes that forward and backward add to a process at their peak; call it in a fresh one.

    The high-water mark of the resident memory, reset before the call where Linux allows it.
    """
    small = make_batch((2, 8, 4, 2))
    run(name, form, small, leaves(name, small), True)
    batch = make_batch(shape)
    given = leaves(name, batch)
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    before = _peak()
    run(name, form, batch, given, True)
    return _peak() - before


def peak_memory_on_gpu(form, name, batch):
    """Bytes that forward and backward add to those allocated, at their peak."""
    given = leaves(name, batch)
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    run(name, form, batch, given, True)
    return torch.cuda.max_memory_allocated() - before


def _peak():
    status = Path("/proc/self/status")
    if status.exists():
        line = next(x for x in status.read_text().splitlines() if x.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    unit = 1024 if os.uname().sysname == "Linux" else 1
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
