"""The prosody branch: paralinguistic features that bypass the aligner (not in the paper).

Shapes: B utterances, T frames, D their width, V pooled numbers.
"""

import torch
from torch import nn

from espnet_wabert.modules.global_batch import mean_of_rows, summed
from espnet_wabert.modules.sentiment_head import Pooling


class RunningNorm(nn.Module):
    """Normalize to zero mean and unit variance over all training utterances so far.

    Statistics of a batch are not used: a batch has utterances of similar length, so its statistics
    depend on the rate of speech.
    """

    count: torch.Tensor  # () utterances so far
    mean: torch.Tensor  # (V,)
    square: torch.Tensor  # (V,) mean of squares

    def __init__(self, size: int):
        super().__init__()
        self.register_buffer("count", torch.zeros(()))
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("square", torch.ones(size))

    @torch.no_grad()
    def _update(self, x: torch.Tensor) -> None:
        utterances = summed(x.new_tensor(float(len(x))))
        self.count += utterances
        share = utterances / self.count
        self.mean += share * (mean_of_rows(x) - self.mean)
        self.square += share * (mean_of_rows(x * x) - self.square)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Normalize numbers (B, V)."""
        x = x.float()
        if self.training:
            self._update(x)
        variance = (self.square - self.mean**2).clamp(min=1e-5)
        return (x - self.mean) / variance.sqrt()


class ProsodyBranch(nn.Module):
    """Pool the frames, add the rate of speech (frames per token), project to `size` numbers.

    The aligner keeps what distinguishes words; this branch keeps how they are spoken. The numbers
    are normalized, because their means are much larger than their differences between voices.
    """

    def __init__(self, width: int, kind: str, size: int, dropout: float):
        super().__init__()
        self.pooling = Pooling(width, kind, "prosody_pooling")
        pooled = self.pooling.size + 1
        self.project = nn.Sequential(
            RunningNorm(pooled), nn.Dropout(dropout),
            nn.Linear(pooled, size), nn.LayerNorm(size), nn.GELU(),
        )  # fmt: skip

    def forward(
        self, frames: torch.Tensor, lengths: torch.Tensor, tokens: torch.Tensor
    ) -> torch.Tensor:
        """Return (B, size) of frames (B, T, D), their lengths (B,) and numbers of tokens (B,)."""
        rate = torch.log(lengths / tokens.clamp(min=1))[:, None].to(frames.dtype)
        return self.project(torch.cat([self.pooling(frames, lengths), rate], dim=-1))
