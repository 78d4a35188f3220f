"""Forward-backward over left-to-right HMM topologies: the forward sum and the state posteriors.

Every frame is in one state and every state has at least one frame; optional states (silence) and
the first and last state may be skipped. The sum over all paths is the forward sum of hidden Markov
models (Rabiner 1989); as the loss of an aligner it is that of Badlani et al. (arXiv 2108.10447).

Shapes: T frames, V symbols, S states.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import torch

from espnet_wabert.modules.global_batch import weighted_mean

LOG_ZERO = -1e30
# Most frames x states whose posteriors are in memory at once: two float64 arrays of 160 MB.
MAX_CELLS = 20_000_000


class HMMTopology(NamedTuple):
    """The state sequence of an utterance."""

    symbols: np.ndarray  # (S,) column of the scores
    optional: np.ndarray  # (S,) bool: may be skipped
    tokens: np.ndarray  # (S,) token of each state; -1: none
    window: np.ndarray | None = None  # (S, 2) first and last frame that a state may have

    def shortest(self) -> int:
        """Return the smallest number of frames of a path."""
        return int((~self.optional[1:-1]).sum()) or 1


def forward_sum(scores: np.ndarray, topology: HMMTopology) -> tuple[float, np.ndarray]:
    """Return the log of the sum over paths, and the state posteriors (T, S).

    Without a path within the topology's window the log is `LOG_ZERO` and the posteriors are 0.

    Args:
        scores: log-probabilities (T, V), float64; T at least `topology.shortest()`.
    """
    from espnet_wabert.modules.forward_sum_kernel import forward_backward

    window = topology.window
    if window is None:
        window = _whole(topology.symbols, len(scores))
    return forward_backward(scores, topology.symbols, topology.optional, window)


def _whole(symbols: np.ndarray, frames: int) -> np.ndarray:
    """Return the window (S, 2) that allows all frames."""
    return np.tile(np.array([0, frames - 1]), (len(symbols), 1))


def expected_durations(scores: np.ndarray, topology: HMMTopology) -> np.ndarray:
    """Return the expected frames of each state (S,), for topologies and recordings of any length.

    The posteriors of a long recording do not fit into memory. It is therefore cut between words,
    where the best path goes from one word to the next, and each part is summed by itself.
    """
    from espnet_wabert.modules.forward_sum_kernel import forward_backward

    if scores.shape[0] * len(topology.symbols) <= MAX_CELLS:
        return forward_sum(scores, topology)[1].sum(axis=0)
    begins = best_path(scores, topology)  # first frame of each state
    states = len(begins)
    size = int(np.sqrt(MAX_CELLS * states / len(scores)))  # of a part
    found = np.zeros(states)
    first = 0
    while first < states:
        last = first + size
        while first + 1 < last < states and not topology.optional[last]:
            last -= 1  # a part begins with an optional state
        last = min(last, states)
        end = begins[last] if last < states else len(scores)
        part = slice(first, last)
        frames, symbols = scores[begins[first] : end], topology.symbols[part]
        found[part] = forward_backward(
            frames, symbols, topology.optional[part], _whole(symbols, len(frames)), last == states
        )[1].sum(axis=0)
        first = last
    return found


def best_path(scores: np.ndarray, topology: HMMTopology) -> np.ndarray:
    """Return the first frame of each state (S,) on the best path.

    A state that the path skips has the first frame of the next one.
    """
    from espnet_wabert.modules import forward_sum_kernel

    return forward_sum_kernel.best_path(scores, topology.symbols, topology.optional)


class ForwardSum(torch.autograd.Function):
    """The forward sum of a batch as a loss: its negative log per frame.

    The gradient with respect to a score is the posterior of the states with its symbol, so one
    pass computes the loss and its gradient. Utterances without a path (more states than frames, or
    times that fit no path) are ignored.
    """

    @staticmethod
    def forward(
        ctx, scores: torch.Tensor, lengths: torch.Tensor, topologies: Sequence[HMMTopology]
    ):
        """Return the loss of scores (B, T, V) whose utterances are `lengths` (B,) frames."""
        table = scores.detach().double().cpu().numpy()
        grads = np.zeros(table.shape)

        def one(row: int, length: int) -> tuple[float, int]:
            topology = topologies[row]
            if length < topology.shortest():
                return 0.0, 0
            total, posteriors = forward_sum(table[row, :length], topology)
            if total <= LOG_ZERO / 2:
                return 0.0, 0
            np.subtract.at(grads[row, :length].T, topology.symbols, posteriors.T)
            return total, length

        with ThreadPoolExecutor(torch.get_num_threads()) as pool:  # numba releases the GIL
            done = list(pool.map(one, range(len(topologies)), lengths.tolist()))
        frames = max(sum(length for _, length in done), 1)
        weight = weighted_mean(scores.new_ones(()), frames, len(topologies))
        ctx.save_for_backward(torch.from_numpy(grads / frames).to(scores) * weight)
        return scores.new_tensor(-sum(total for total, _ in done) / frames) * weight

    @staticmethod
    def backward(ctx, grad):
        (grads,) = ctx.saved_tensors
        return grad * grads, None, None
