"""Collate utterances: convert them, pad them with zeros, batch them by length.

Shapes: B utterances of S samples or T frames of W numbers.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from torch.nn.utils.rnn import pad_sequence


def to_tensors(speech: Sequence[np.ndarray], device: str) -> list[torch.Tensor]:
    """Return waveforms (S,), 16-bit or in -1..1, or cached features (T, W), as float tensors."""
    tensors = [torch.as_tensor(np.asarray(x)) for x in speech]
    tensors = [x.float() / 32768 if not x.is_floating_point() else x.float() for x in tensors]
    return [x.to(device) for x in tensors]


def pad(tensors: Sequence[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """Pad tensors to one (B, longest, ...); return it and their lengths (B,)."""
    lengths = torch.tensor([len(x) for x in tensors], device=tensors[0].device)
    return pad_sequence(list(tensors), batch_first=True), lengths


def length_batches(lengths: Mapping[str, float], bins: float) -> Iterator[list[str]]:
    """Group utterances of similar length into padded batches of at most `bins` steps."""
    batch: list[str] = []
    for utterance in sorted(lengths, key=lengths.__getitem__, reverse=True):
        if batch and lengths[batch[0]] * (len(batch) + 1) > bins:
            yield batch
            batch = []
        batch.append(utterance)
    if batch:
        yield batch
