"""The loops of `forward_sum`, compiled by numba, which is imported with the first of them.

Shapes: T frames, V symbols, S states.
"""

import numpy as np

from espnet_wabert.cif.compiling import compiled
from espnet_wabert.modules.forward_sum import LOG_ZERO


@compiled(nogil=True)
def forward_backward(scores, symbols, optional, window, may_skip_last=True):
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


@compiled(nogil=True)
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


@compiled(nogil=True)
def best_path(scores, symbols, optional):
    """Do what `forward_sum.best_path` says."""
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
