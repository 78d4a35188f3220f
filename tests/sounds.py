"""Recordings for tests."""

from pathlib import Path

import numpy as np
import soundfile


def write_noise(
    path: Path, seconds: float = 1.0, rate: int = 16000, channels: int = 1, seed: int = 0
) -> Path:
    """Write white noise in the format of the suffix; return the path."""
    shape = (int(seconds * rate), channels)
    soundfile.write(path, np.random.default_rng(seed).normal(size=shape) * 0.1, rate)
    return path
