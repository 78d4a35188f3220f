"""Dropout keeps what torch's keeps: a share of 1 - p, scaled, and all of it outside training."""

import pytest
import torch
from torch import nn

from espnet_wabert.modules.dropout import Dropout


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_share_and_scale(p, dtype):
    size = 200_001  # no multiple of four
    dropped = Dropout(p)(torch.ones(size, dtype=dtype))
    assert dropped.dtype == dtype
    kept = dropped != 0
    # Five standard deviations of a binomial share.
    assert kept.double().mean() == pytest.approx(1 - p, abs=5 * (p * (1 - p) / size) ** 0.5)
    expected = torch.tensor(1 / (1 - p), dtype=dtype)
    torch.testing.assert_close(dropped[kept], expected.expand(int(kept.sum())), rtol=1e-2, atol=0)


def test_elements_are_independent():
    """Neighbors share one number of 64 bits."""
    kept = (Dropout(0.3)(torch.ones(100_000, 4)) != 0).double()
    correlation = torch.corrcoef(kept.T) - torch.eye(4)
    assert correlation.abs().max() < 0.02


def test_gradient_has_the_same_mask():
    x = torch.randn(7, 5, 3, requires_grad=True)
    y = Dropout(0.4)(x)
    y.sum().backward()
    torch.testing.assert_close(x.grad, torch.where(y == 0, 0.0, 1 / 0.6), rtol=1e-4, atol=0)
    assert 0 < int((y == 0).sum()) < x.numel()


def test_the_seed_decides():
    layer, x = Dropout(0.5), torch.ones(1000)
    torch.manual_seed(1)
    one = layer(x)
    assert not torch.equal(one, layer(x))
    torch.manual_seed(1)
    assert torch.equal(one, layer(x))


@pytest.mark.parametrize("shape", [(0,), (3, 0), (1,)])
def test_small_inputs(shape):
    assert Dropout(0.5)(torch.ones(shape)).shape == shape


def test_all_is_kept_outside_training_and_with_p_0_as_in_torch():
    x = torch.randn(50)
    assert torch.equal(Dropout(0.5).eval()(x), x)
    for p in (0.0, 1.0):
        assert torch.equal(Dropout(p)(x), nn.Dropout(p)(x))
