"""The channels of a recording become one."""

import numpy as np

CANCELLED = 0.01  # energy of the mean over that of the first channel, -20 dB


def to_mono(samples: np.ndarray) -> np.ndarray:
    """Return the mean (S,) of samples (S, channels), or the first channel if they cancel out.

    Channels of opposite phase, as from a cable with two wires exchanged, have a mean of silence.
    The mean of independent channels has at least a quarter of the energy of each of two.
    """
    with np.errstate(over="ignore", invalid="ignore"):  # infinity is found by `non_finite`
        mean = samples.mean(axis=1, dtype=np.float32)
        first = samples[:, 0].astype(np.float32, copy=False)
        cancelled = np.dot(mean, mean) < CANCELLED * np.dot(first, first)
    return first if cancelled else mean
