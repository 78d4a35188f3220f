"""A random gain and offset of each feature, drawn anew for each utterance in training."""

import torch
from torch import nn


class FeatureShift(nn.Module):
    """Multiply and shift each feature of an utterance by normal random numbers, in training only.

    A speaker and a microphone shift a speech encoder's features as a whole. The few recorded
    speakers of a small corpus shift them less than people do; what is trained here must not rely
    on their level.

    Args:
        scale: standard deviation of the gain, and of the offset in standard deviations of the
            feature; 0: no change.
    """

    def __init__(self, scale: float):
        super().__init__()
        self.scale = scale

    def forward(self, frames: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return frames (B, T, D) shifted; the mask (B, T) is false in padding."""
        if not self.training or not self.scale:
            return frames
        batch, _, width = frames.shape
        spread = frames[mask].float().std(dim=0, correction=0).to(frames.dtype)
        gain, offset = frames.new_empty(2, batch, 1, width).normal_(std=self.scale)
        return frames * (1.0 + gain) + spread * offset
