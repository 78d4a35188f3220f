"""What `cif` asks of its arguments, and how it reads two sizes without a second look at the device.

Shapes and types cost nothing. The values need one number from the device, and so does the shape
of the result: both travel together, so that a check on a GPU adds no synchronisation.
"""

import math
from typing import NamedTuple

import torch

from espnet_wabert.cif.boundaries import FLOOR
from espnet_wabert.errors import UserError

# More tokens than any utterance has: the sum of the weights went wrong.
MAX_TOKENS = 2**31


class Sizes(NamedTuple):
    """What the host must know of the values."""

    most: int  # tokens of the longest utterance
    total: int  # segments of all utterances
    may_be_blank: bool  # whether an utterance may have no weight at all


def check_arguments(frames, weights, lengths, target_lengths, threshold, tail_threshold):
    """Check everything that is known without reading a value."""
    if frames.dim() != 3:
        raise UserError(f"frames must be (B, T, C), not {tuple(frames.shape)}")
    batch, steps, _ = frames.shape
    if weights.dim() != 2 or weights.shape[0] != batch or weights.shape[1] != steps:
        shape = tuple(weights.shape)
        raise UserError(f"weights must be (B, T) = ({batch}, {steps}) like frames, not {shape}")
    for name, value in (("frames", frames), ("weights", weights)):
        if not value.is_floating_point():
            raise UserError(f"{name} must be of a floating type, not {value.dtype}")
    if (frames.dtype == torch.float64) != (weights.dtype == torch.float64):
        raise UserError(
            f"weights and frames must both be float64 or neither, not {weights.dtype}"
            f" with {frames.dtype}"
        )
    _check_device("weights", weights, frames)
    for name, value in (("lengths", lengths), ("target_lengths", target_lengths)):
        if value is not None:
            _check_lengths(name, value, frames)
    check_thresholds(threshold, tail_threshold)


def check_thresholds(threshold, tail_threshold):
    """Check the two numbers that decide where tokens fire."""
    if not 0 < threshold < math.inf:
        raise UserError(f"threshold must be positive and finite, not {threshold}")
    if not 0 <= tail_threshold <= 1:
        raise UserError(f"tail_threshold must lie in 0..1, not {tail_threshold}")


def _check_lengths(name, value, frames):
    """Check one tensor of counts per utterance."""
    batch = frames.shape[0]
    if not isinstance(value, torch.Tensor):
        raise UserError(f"{name} must be an integer tensor, not {type(value).__name__}")
    if value.dim() != 1 or value.shape[0] != batch:
        raise UserError(f"{name} must be (B,) = ({batch},), not {tuple(value.shape)}")
    if value.is_floating_point() or value.is_complex() or value.dtype == torch.bool:
        raise UserError(f"{name} must be of an integer type, not {value.dtype}")
    _check_device(name, value, frames)


def _check_device(name, value, frames):
    if value.device != frames.device:
        raise UserError(f"{name} must be on {frames.device} like frames, not on {value.device}")


def read_sizes(summed, plan, lengths, target_lengths):
    """Check the values, and read the sizes, in one transfer."""
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
    most, total, blank = 0, 0, False
    for sum_, length, count, size, *least in table.tolist():
        # each comparison is false for NaN
        good = 0 <= sum_ <= MAX_TOKENS and 0 <= length < summed.sums.shape[1] and count >= 0
        good = good and all(value >= 0 for value in least)
        if not (good and (length or not count or may_lack_frames)):
            _raise(summed.weights, sums[:, 0], lengths, target_lengths)
        most, total, blank = max(most, count), total + size, blank or sum_ < FLOOR
    return Sizes(int(most), int(total), blank)


def _read_in_graph(table, summed, plan, may_lack_frames):
    """Do the same in a graph, where no value can be looked at: assert, and leave N unknown."""
    sums, lengths, counts = table[:, 0], table[:, 1], table[:, 2]
    good = (sums <= MAX_TOKENS) & (lengths >= 0) & (lengths < summed.sums.shape[1])
    good &= (table >= 0).all(1) & ((lengths > 0) | (counts == 0) | may_lack_frames)
    torch._assert_async(good.all(), "cif: weights, lengths or target_lengths out of range")
    most, total = plan.counts.amax().item(), plan.sizes.sum().item()
    torch._check(most >= 0)
    torch._check(total >= 0)
    return Sizes(most, total, True)


def _raise(given, sums, lengths, target_lengths):
    """Name the first value that is out of range."""
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
    _raise_at("weights", sums, wrong, f"must sum to fewer than {MAX_TOKENS} tokens an utterance")
    raise UserError("weights, lengths or target_lengths are out of range")


def _raise_at(name, values, wrong, rule):
    """Raise for the first element that is marked wrong."""
    where = wrong.nonzero()
    if len(where):
        place = where[0].tolist()
        raise UserError(f"{name}[{', '.join(map(str, place))}] = {values[tuple(place)]}: {rule}")
