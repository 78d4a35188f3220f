"""Convolution over time. Shapes: B utterances, T frames, D and E their widths before and after."""

import torch
import torch.nn.functional as F
from torch import nn


class FrameConvolution(nn.Conv1d):
    """torch's Conv1d on frames whose channels come last, with as many frames after it as before.

    Its kernel is that of the 2-dimensional convolution of images with one row, which takes channels
    last as they lie in memory. Conv1d copies its input and output, and leaves an order of memory in
    which the backward pass of the next activation does not use the CPU's vector instructions: a
    depthwise convolution with GELU takes four times as long in training.

    Args:
        width: D.
        output: E.
        kernel_size: in frames; odd.
        groups: D for a depthwise convolution.
    """

    def __init__(self, width: int, output: int, kernel_size: int, groups: int = 1):
        super().__init__(width, output, kernel_size, padding=kernel_size // 2, groups=groups)

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        """Return frames (B, T, E) of frames (B, T, D)."""
        if self.groups > 1 and frames.device.type == "cpu":
            # The CPU's depthwise kernel for bfloat16 takes twice as long as that for float32.
            with torch.autocast("cpu", enabled=False):
                return self._convolve(frames.to(self.weight.dtype))
        return self._convolve(frames)

    def _convolve(self, frames: torch.Tensor) -> torch.Tensor:
        row = frames.transpose(1, 2)[:, :, None]
        weight, padding = self.weight[:, :, None], (0, *self.padding)
        convolved = F.conv2d(row, weight, self.bias, padding=padding, groups=self.groups)
        return convolved[:, :, 0].transpose(1, 2)
