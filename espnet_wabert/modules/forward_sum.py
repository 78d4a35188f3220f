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
from numba import njit

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
    window = topology.window
    if window is None:
        window = _whole(topology.symbols, len(scores))
    return _forward_backward(scores, topology.symbols, topology.optional, window)


def _whole(symbols: np.ndarray, frames: int) -> np.ndarray:
    """Return the window (S, 2) that allows all frames."""
    return np.tile(np.array([0, frames - 1]), (len(symbols), 1))


def expected_durations(scores: np.ndarray, topology: HMMTopology) -> np.ndarray:
    """Return the expected frames of each state (S,), for topologies and recordings of any length.

    The posteriors of a long recording do not fit into memory. It is therefore cut between words,
    where the best path goes from one word to the next, and each part is summed by itself.
    """
    if scores.shape[0] * len(topology.symbols) <= MAX_CELLS:
        return forward_sum(scores, topology)[1].sum(axis=0)
    begins = _best_path(scores, topology.symbols, topology.optional)  # first frame of each state
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
        found[part] = _forward_backward(
            frames, symbols, topology.optional[part], _whole(symbols, len(frames)), last == states
        )[1].sum(axis=0)
        first = last
    return found


def best_path(scores: np.ndarray, topology: HMMTopology) -> np.ndarray:
    """Return the first frame of each state (S,) on the best path; that of the next if passed."""
    return _best_path(scores, topology.symbols, topology.optional)


@njit(cache=True, nogil=True)
def _forward_backward(scores, symbols, optional, window, may_skip_last=True):
    """Return the log of the sum and the state posteriors (T, S)."""
    frames, states = len(scores), len(symbols)
    alpha = np.full((frames, states), LOG_ZERO)
    for s in range(min(states, 2)):
        if window[s, 0] <= 0 <= window[s, 1]:
            alpha[0, s] = scores[0, symbols[s]]
    for t in range(1, frames):
        for s in range(min(states, 2 * t + 2)):
            if not window[s, 0] <= t <= window[s, 1]:
                continue
            stay = alpha[t - 1, s]
            step = alpha[t - 1, s - 1] if s > 0 else LOG_ZERO
            skip = alpha[t - 1, s - 2] if s > 1 and optional[s - 1] else LOG_ZERO
            alpha[t, s] = _log_sum(stay, step, skip) + scores[t, symbols[s]]
    total = alpha[-1, -1]
    beta = np.full(states, LOG_ZERO)
    beta[-1] = 0.0
    if states > 1 and may_skip_last:
        total = _log_sum(total, alpha[-1, -2], LOG_ZERO)
        beta[-2] = 0.0
    posteriors = np.zeros((frames, states))
    if total <= LOG_ZERO / 2:
        return LOG_ZERO, posteriors
    for t in range(frames - 1, -1, -1):
        for s in range(states):
            value = alpha[t, s] + beta[s] - total
            posteriors[t, s] = np.exp(value) if value > -700.0 else 0.0
        if t == 0:
            break
        for s in range(states):  # in place: states to the right are not yet overwritten
            stay = step = skip = LOG_ZERO
            if window[s, 0] <= t <= window[s, 1]:
                stay = beta[s] + scores[t, symbols[s]]
            if s + 1 < states and window[s + 1, 0] <= t <= window[s + 1, 1]:
                step = beta[s + 1] + scores[t, symbols[s + 1]]
            if s + 2 < states and optional[s + 1] and window[s + 2, 0] <= t <= window[s + 2, 1]:
                skip = beta[s + 2] + scores[t, symbols[s + 2]]
            beta[s] = _log_sum(stay, step, skip)
    return total, posteriors


@njit(cache=True, nogil=True)
def _log_sum(a, b, c):
    """Return log(exp(a) + exp(b) + exp(c))."""
    top = max(a, b, c)
    if top <= LOG_ZERO / 2:
        return LOG_ZERO
    rest = 0.0
    for value in (a, b, c):
        if value - top > -37.0:  # less is lost in float64
            rest += np.exp(value - top)
    return top + np.log(rest)


@njit(cache=True, nogil=True)
def _best_path(scores, symbols, optional):
    """Return the first frame of each state (S,) on the best path; that of the next if passed."""
    frames, states = len(scores), len(symbols)
    moves = np.zeros((frames, states), dtype=np.int8)
    best = np.full(states, LOG_ZERO)
    best[0] = scores[0, symbols[0]]
    if states > 1:
        best[1] = scores[0, symbols[1]]
    for t in range(1, frames):
        for s in range(states - 1, -1, -1):  # in place: what lies to the left is of frame t - 1
            value, move = best[s], 0
            if s > 0 and best[s - 1] > value:
                value, move = best[s - 1], 1
            if s > 1 and optional[s - 1] and best[s - 2] > value:
                value, move = best[s - 2], 2
            best[s] = value + scores[t, symbols[s]]
            moves[t, s] = move
    begins = np.full(states, frames, dtype=np.int64)
    s = states - 1 if states == 1 or best[states - 1] >= best[states - 2] else states - 2
    for t in range(frames - 1, 0, -1):
        begins[s] = t
        s -= moves[t, s]
    begins[s] = 0
    for s in range(states - 2, -1, -1):
        begins[s] = min(begins[s], begins[s + 1])
    begins[0] = 0
    return begins


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
