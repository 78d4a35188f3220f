"""Where the tokens of a transcript lie, in frames: what every alignment method returns."""

from typing import NamedTuple

import numpy as np
import torch


class TokenSpans(NamedTuple):
    """The frames of N tokens."""

    starts: np.ndarray  # (N,) first boundary, in frames
    ends: np.ndarray  # (N,) last boundary, in frames
    confidences: np.ndarray | None = None  # (N,) 0 to 1; None: the method has none


def within(positions: torch.Tensor, lengths: torch.Tensor, silence: torch.Tensor) -> torch.Tensor:
    """Return positions (B, N) in frames of recordings, of those in frames with silence before them.

    Args:
        lengths: numbers (B,) of frames of the recordings themselves.
        silence: in frames (B,).
    """
    end = lengths[:, None] + 0.5  # that of the last frame
    return torch.minimum(positions - silence[:, None], end).clamp(min=0)
