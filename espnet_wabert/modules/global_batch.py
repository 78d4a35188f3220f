"""The batch of all processes of a distributed training, of which each process has a part.

Each process has other utterances, and other numbers of tokens and frames. The means, the negatives
and the running statistics of a model must nevertheless be those of one process with the whole
batch. A model that is trained by one process, or not at all, gets its own values back unchanged.

Every process must call these functions equally often: each one is a collective operation.
"""

import torch
from torch import distributed


def is_shared() -> bool:
    """Return whether the batch has parts in other processes."""
    return distributed.is_available() and distributed.is_initialized()


def weighted_mean(mean: torch.Tensor, count: torch.Tensor | int, utterances: int) -> torch.Tensor:
    """Return a mean so that ESPnet's trainer makes the mean over all processes of it.

    The trainer, and what it logs, weights the value of each process by its number of utterances.
    For a mean over tokens or frames that is the wrong weight; it is corrected here.

    Args:
        mean: () over what this process has.
        count: of what `mean` is a mean over: tokens, frames, or the sum of their weights.
        utterances: of this process.
    """
    if not is_shared():
        return mean
    own = torch.stack([torch.as_tensor(n, device=mean.device).float() for n in (count, utterances)])
    total = summed(own)
    return mean * (own[0] / total[0].clamp(min=1e-8)) * (total[1] / own[1])


def mean_of_rows(rows: torch.Tensor) -> torch.Tensor:
    """Return the mean (...) over the rows (M, ...) of all processes, without a gradient."""
    rows = rows.detach()
    if not is_shared():
        return rows.mean(dim=0)
    return summed(rows.sum(dim=0)) / summed(rows.new_tensor(float(len(rows))))


def summed(value: torch.Tensor) -> torch.Tensor:
    """Return the sum of a value over all processes, without a gradient."""
    value = value.detach().clone()
    if is_shared():
        distributed.all_reduce(value)
    return value


def gather(rows: torch.Tensor) -> tuple[torch.Tensor, int]:
    """Return the rows (M, ...) of all processes, concatenated, and the index of the first own row.

    The number of rows may differ. A gradient goes back to the process that a row comes from.
    """
    if not is_shared():
        return rows, 0
    counts = rows.new_zeros(distributed.get_world_size(), dtype=torch.long)
    counts[distributed.get_rank()] = len(rows)
    sizes = summed(counts).tolist()
    return _Gather.apply(rows, sizes), sum(sizes[: distributed.get_rank()])


class _Gather(torch.autograd.Function):
    """Concatenate rows of all processes; the gradient is the sum over all processes."""

    @staticmethod
    def forward(ctx, rows: torch.Tensor, sizes: list[int]) -> torch.Tensor:
        ctx.begin = sum(sizes[: distributed.get_rank()])
        ctx.end = ctx.begin + len(rows)
        everything = rows.new_zeros(sum(sizes), *rows.shape[1:])
        everything[ctx.begin : ctx.end] = rows
        distributed.all_reduce(everything)
        return everything

    @staticmethod
    def backward(ctx, grad):
        return summed(grad)[ctx.begin : ctx.end], None
