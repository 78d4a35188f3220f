"""Where the tokens of a transcript lie, in frames: what every alignment method returns."""

from typing import NamedTuple

import numpy as np


class TokenSpans(NamedTuple):
    """The frames of N tokens."""

    starts: np.ndarray  # (N,) first boundary, in frames
    ends: np.ndarray  # (N,) last boundary, in frames
    confidences: np.ndarray | None = None  # (N,) 0 to 1; None: the method has none
