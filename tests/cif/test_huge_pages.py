"""Large gradients: computed in parts, on huge pages."""

import pytest
import torch
from cif_makers import batch

from espnet_wabert.cif import cif
from espnet_wabert.cif import huge_pages as cif_pages
from espnet_wabert.cif import segments as cif_segments


def gradients(dtype, scaled):
    """Gradients of one ragged batch."""
    frames, weights, lengths, counts = batch(4, 60, 8, 20)
    given = [x.to(dtype).requires_grad_() for x in (frames, weights)]
    tokens = cif(*given, lengths, counts if scaled else None).tokens
    return torch.autograd.grad(tokens.float().square().sum(), given)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.parametrize("part", [1, 32, 1000, 10**9])
def test_parts_give_the_gradient_of_the_whole(monkeypatch, dtype, scaled, part):
    whole = gradients(dtype, scaled)
    for module in (cif_segments, cif_pages):
        monkeypatch.setattr(module, "LARGEST_HEAP_BLOCK", 0)
    monkeypatch.setattr(cif_segments, "PART", part)
    for one, other in zip(whole, gradients(dtype, scaled), strict=True):
        assert torch.equal(one, other)


def test_large_rows_are_ordinary_tensors():
    width = 1024
    rows = cif_pages.LARGEST_HEAP_BLOCK // (4 * width) + 3
    large = cif_pages.empty_rows(rows, width, torch.empty(0))
    assert large.shape == (rows, width) and large.is_contiguous()
    large.fill_(2.0)
    leaf = torch.zeros(rows, width, requires_grad=True)
    leaf.grad = large
    leaf.grad += 1
    assert leaf.grad.sum().item() == 3.0 * rows * width
    assert large.clone().data_ptr() != large.data_ptr()
    small = cif_pages.empty_rows(3, 2, torch.empty(0, dtype=torch.bfloat16))
    assert small.shape == (3, 2) and small.dtype == torch.bfloat16
