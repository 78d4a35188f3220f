"""The output of a speech encoder."""

from typing import NamedTuple

import torch


class Frames(NamedTuple):
    """Output of a speech encoder."""

    features: torch.Tensor  # (B, T, D), or K layers (B, T, K D); zero after each length
    lengths: torch.Tensor  # (B,), in frames
    conv_features: torch.Tensor  # (B, T, L) output of the convolutions
