"""Losses over the batch of all processes."""

import pytest
import torch
from processes import infonce_part, run_together

from espnet_wabert.modules.losses import InfoNCE

PARTS = {2: [slice(0, 4), slice(4, 6)], 3: [slice(0, 1), slice(1, 4), slice(4, 6)]}


@pytest.mark.parametrize("size", PARTS)
def test_infonce_has_the_negatives_of_all_processes(size, tmp_path):
    """Loss and gradient are those of one process, whatever part of the batch each one has."""
    generator = torch.Generator().manual_seed(0)
    lengths = torch.tensor([5, 3, 7, 4, 2, 6])
    aligned, targets = torch.randn(2, 6, 7, 8, generator=generator)
    tokens = torch.randint(0, 9, (6, 7), generator=generator)  # some ids are in two utterances
    run_together(infonce_part, size, [aligned, targets, lengths, tokens], PARTS[size], tmp_path)
    aligned.requires_grad_()
    loss = InfoNCE(negatives="batch")(aligned, targets, lengths, tokens)
    loss.backward()
    parts = [torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(size)]
    assert sum(part for part, _ in parts).item() == pytest.approx(loss.item(), rel=1e-6)
    for rows, (_, gradient) in zip(PARTS[size], parts, strict=True):
        whole = aligned.grad[rows]
        assert not whole[:, gradient.shape[1] :].any()
        torch.testing.assert_close(gradient, whole[:, : gradient.shape[1]], atol=1e-7, rtol=1e-5)
