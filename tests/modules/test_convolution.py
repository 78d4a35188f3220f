"""FrameConvolution is torch's Conv1d, on frames whose channels come last."""

import pytest
import torch
from torch import nn

from espnet_wabert.modules.convolution import FrameConvolution


def gradients(layer, frames):
    frames = frames.clone().requires_grad_(True)
    output = layer(frames)
    output.square().sum().backward()
    return output.detach(), frames.grad, layer.weight.grad, layer.bias.grad


@pytest.mark.parametrize("shape", [(3, 17, 8), (1, 17, 8), (1, 1, 8), (2, 2, 8)])
@pytest.mark.parametrize("kernel, output, groups", [(5, 6, 1), (9, 8, 8), (1, 8, 8)])
def test_same_as_conv1d(shape, kernel, output, groups):
    layer = FrameConvolution(8, output, kernel, groups)
    plain = nn.Conv1d(8, output, kernel, padding=kernel // 2, groups=groups)
    plain.load_state_dict(layer.state_dict())  # the names and shapes of the weights are the same
    frames = torch.randn(shape)
    found = gradients(layer, frames)
    copied = nn.Sequential(plain)  # frames to channels and back, as Conv1d has them
    copied.weight, copied.bias = plain.weight, plain.bias
    copied.forward = lambda x: plain(x.transpose(1, 2)).transpose(1, 2)
    for one, other in zip(found, gradients(copied, frames), strict=True):
        torch.testing.assert_close(one, other)


def test_depthwise_is_float32_under_bfloat16():
    layer = FrameConvolution(8, 8, 3, groups=8)
    frames = torch.randn(2, 9, 8)
    with torch.autocast("cpu", torch.bfloat16):
        found = layer(frames)
    torch.testing.assert_close(found, layer(frames))


def test_double():
    layer = FrameConvolution(8, 8, 3, groups=8).double()
    assert layer(torch.randn(2, 9, 8).double()).dtype is torch.float64
