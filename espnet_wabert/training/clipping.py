"""Gradient clipping for parts of a model that must not change each other's steps."""

from collections.abc import Iterable, Sequence

import torch
from torch import nn


def clip_separately(
    optimizer: torch.optim.Optimizer,
    parts: Iterable[Sequence[nn.Parameter]],
    max_norm: float,
    norm_type: float = 2.0,
) -> None:
    """Clip each part's gradients by the norm of that part alone, before each step.

    ESPnet's trainer clips all gradients by one norm, so that a part with large gradients makes
    the steps of all others smaller.

    Args:
        optimizer: of all parts.
        parts: the parameters of each part.
        max_norm, norm_type: as those of `torch.nn.utils.clip_grad_norm_`.
    """
    groups = [list(part) for part in parts]

    def clip(optimizer, args, kwargs):
        for group in groups:
            nn.utils.clip_grad_norm_(group, max_norm, norm_type)

    optimizer.register_step_pre_hook(clip)
