"""Masks of padded batches. Shapes: B utterances, N steps (tokens or frames), H their width."""

import torch


def valid_mask(lengths: torch.Tensor, size: int) -> torch.Tensor:
    """Return a boolean mask (B, size) that is true within each length."""
    return torch.arange(size, device=lengths.device)[None, :] < lengths[:, None]


def attention_mask(lengths: torch.Tensor, hidden: torch.Tensor) -> torch.Tensor:
    """Return the additive attention mask (B, 1, 1, N) that hides steps after each length."""
    mask = valid_mask(lengths, hidden.shape[1])
    additive = torch.zeros(mask.shape, dtype=hidden.dtype, device=hidden.device)
    return additive.masked_fill(~mask, torch.finfo(hidden.dtype).min)[:, None, None]
