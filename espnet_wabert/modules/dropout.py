"""Dropout in training on a CPU."""

import torch
from torch import nn

LEVELS = 1 << 16


class Dropout(nn.Dropout):
    """torch's dropout, with a mask from random numbers of 16 bits on a CPU.

    torch draws a double for each element there, in one thread, which was an eighth of a training
    step of `make mini`. Here one number of 64 bits is for four elements; p is rounded to 1/65536.
    """

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Return `input`, of any shape, with each element kept with probability 1 - p, scaled."""
        dropped = round(self.p * LEVELS)
        if not self.training or input.device.type != "cpu" or not 0 < dropped < LEVELS:
            return super().forward(input)
        numbers = torch.empty(-(-input.numel() // 4), dtype=torch.int64)
        numbers.random_(torch.iinfo(torch.int64).min, None)
        drawn = numbers.view(torch.int16)[: input.numel()].view(input.shape)
        kept = drawn >= dropped - LEVELS // 2
        return input * kept.to(input.dtype).mul_(LEVELS / (LEVELS - dropped))
