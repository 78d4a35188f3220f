"""Check the arguments of `cif` and read the sizes of its result.

Shapes and types are known on the host. The values and the number of tokens are on the device: both
are read in one transfer, so that the checks add no synchronization on a GPU.
"""

import math
from typing import NamedTuple

import torch

from espnet_wabert.cif.boundaries import FLOOR

# A larger sum is not a number of tokens: the weights are wrong.
MAX_TOKENS = 2**31


class ArgumentError(ValueError):
    """An argument of `cif` is wrong; the message names the argument, the index and the rule."""


class Sizes(NamedTuple):
    """Sizes of the result, read from the device."""

    max_tokens: int  # N, tokens of the longest utterance
    total: int  # segments of all utterances
    may_be_blank: bool  # whether the weights of an utterance may all be zero


def check_arguments(frames, weights, lengths, target_lengths, threshold, tail_threshold):
    """Check shapes, types and devices: no value is read."""
    if frames.dim() != 3:
        raise ArgumentError(f"frames must be (B, T, C), not {tuple(frames.shape)}")
    batch, steps, _ = frames.shape
    if weights.dim() != 2 or weights.shape[0] != batch or weights.shape[1] != steps:
        shape = tuple(weights.shape)
        raise ArgumentError(f"weights must be (B, T) = ({batch}, {steps}) like frames, not {shape}")
    for name, value in (("frames", frames), ("weights", weights)):
        if not value.is_floating_point():
            raise ArgumentError(f"{name} must be of a floating type, not {value.dtype}")
    if (frames.dtype == torch.float64) != (weights.dtype == torch.float64):
        raise ArgumentError(
            f"weights and frames must both be float64 or neither, not {weights.dtype}"
            f" with {frames.dtype}"
        )
    _check_device("weights", weights, frames)
    for name, value in (("lengths", lengths), ("target_lengths", target_lengths)):
        if value is not None:
            _check_lengths(name, value, frames)
    check_thresholds(threshold, tail_threshold)


def check_thresholds(threshold, tail_threshold):
    """Check the two thresholds."""
    if not 0 < threshold < math.inf:
        raise ArgumentError(f"threshold must be positive and finite, not {threshold}")
    if not 0 <= tail_threshold <= 1:
        raise ArgumentError(f"tail_threshold must lie in 0..1, not {tail_threshold}")


def _check_lengths(name, value, frames):
    """Check a tensor with one count per utterance."""
    batch = frames.shape[0]
    if not isinstance(value, torch.Tensor):
        raise ArgumentError(f"{name} must be an integer tensor, not {type(value).__name__}")
    if value.dim() != 1 or value.shape[0] != batch:
        raise ArgumentError(f"{name} must be (B,) = ({batch},), not {tuple(value.shape)}")
    if value.is_floating_point() or value.is_complex() or value.dtype == torch.bool:
        raise ArgumentError(f"{name} must be of an integer type, not {value.dtype}")
    _check_device(name, value, frames)


def _check_device(name, value, frames):
    if value.device != frames.device:
        raise ArgumentError(f"{name} must be on {frames.device} like frames, not on {value.device}")


def read_sizes(summed, plan, lengths, target_lengths):
    """Check the values and read the sizes in one transfer from the device."""
    if summed.weights.shape[0] == 0:
        return Sizes(0, 0, False)
    sums = summed.sums[:, -1:]
    columns = [sums, summed.lengths, plan.counts, plan.sizes]
    if summed.weights.shape[1]:
        columns.append(summed.weights.amin(1, keepdim=True))
    table = torch.cat(columns, 1).detach()
    may_lack_frames = target_lengths is None
    if torch.compiler.is_compiling():
        return _read_in_graph(table, summed, plan, may_lack_frames)
    max_tokens, total, blank = 0, 0, False
    for sum_, length, count, size, *least in table.tolist():
        # NaN makes each comparison false
        good = 0 <= sum_ <= MAX_TOKENS and 0 <= length < summed.sums.shape[1] and count >= 0
        good = good and all(value >= 0 for value in least)
        if not (good and (length or not count or may_lack_frames)):
            _raise(summed.weights, sums[:, 0], lengths, target_lengths)
        max_tokens, total, blank = max(max_tokens, count), total + size, blank or sum_ < FLOOR
    return Sizes(int(max_tokens), int(total), blank)


def _read_in_graph(table, summed, plan, may_lack_frames):
    """Do the same in a compiled graph: assert on the device, leave the sizes symbolic."""
    sums, lengths, counts = table[:, 0], table[:, 1], table[:, 2]
    good = (sums <= MAX_TOKENS) & (lengths >= 0) & (lengths < summed.sums.shape[1])
    good &= (table >= 0).all(1) & ((lengths > 0) | (counts == 0) | may_lack_frames)
    torch._assert_async(good.all(), "cif: weights, lengths or target_lengths out of range")
    max_tokens, total = plan.counts.amax().item(), plan.sizes.sum().item()
    torch._check(max_tokens >= 0)
    torch._check(total >= 0)
    return Sizes(max_tokens, total, True)


def _raise(given, sums, lengths, target_lengths):
    """Raise for the first value that is out of range."""
    steps = given.shape[1]
    if lengths is not None:
        _raise_at("lengths", lengths, (lengths < 0) | (lengths > steps), f"must lie in 0..{steps}")
    if target_lengths is not None:
        _raise_at("target_lengths", target_lengths, target_lengths < 0, "must not be negative")
    wrong = ~(given >= 0) | given.isinf()
    _raise_at("weights", given, wrong, "must be finite and not negative in valid frames")
    if target_lengths is not None:
        count = lengths if lengths is not None else torch.full_like(target_lengths, steps)
        wrong = (target_lengths > 0) & (count < 1)
        _raise_at("target_lengths", target_lengths, wrong, "must be 0 where there is no frame")
    wrong = ~(sums < MAX_TOKENS)
    _raise_at("weights", sums, wrong, f"must sum to fewer than {MAX_TOKENS} tokens per utterance")
    raise ArgumentError("weights, lengths or target_lengths are out of range")


def _raise_at(name, values, wrong, rule):
    """Raise for the first element that `wrong` marks."""
    where = wrong.nonzero()
    if len(where):
        place = where[0].tolist()
        raise ArgumentError(
            f"{name}[{', '.join(map(str, place))}] = {values[tuple(place)]}: {rule}"
        )
