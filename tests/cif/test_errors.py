"""Bad input of `cif`: one line that names argument, index and rule."""

import pytest
import torch

from espnet_wabert.cif import ArgumentError, cif
from espnet_wabert.cif.dense import cif_dense
from espnet_wabert.cif.streaming import CIFStream

NAN, INF = float("nan"), float("inf")


def call(weights=None, lengths=None, targets=None, frames=None, function=cif, **options):
    """Two utterances of four frames with all that is not given made right."""
    frames = torch.ones(2, 4, 3) if frames is None else frames
    weights = torch.full((2, 4), 0.5) if weights is None else weights
    lengths = None if lengths is None else torch.tensor(lengths)
    targets = None if targets is None else torch.tensor(targets)
    return function(frames, weights, lengths, targets, **options)


@pytest.mark.parametrize("value", [-0.1, NAN, INF, -INF])
@pytest.mark.parametrize("targets", [None, [1, 2]])
def test_weights_in_valid_frames(value, targets):
    weights = torch.full((2, 4), 0.5)
    weights[1, 2] = value
    with pytest.raises(
        ArgumentError, match=r"weights\[1, 2\] = .*finite and not negative"
    ) as error:
        call(weights, targets=targets)
    assert "\n" not in str(error.value)
    assert call(weights, [4, 2], targets).token_lengths.tolist() == [2, 1] if not targets else True


@pytest.mark.parametrize(
    "lengths, targets, message",
    [
        ([4, 5], None, r"lengths\[1\] = 5: must lie in 0..4"),
        ([-1, 2], None, r"lengths\[0\] = -1: must lie in 0..4"),
        (None, [1, -2], r"target_lengths\[1\] = -2: must not be negative"),
        ([4, 0], [1, 1], r"target_lengths\[1\] = 1: must be 0 where there is no frame"),
        ([4], None, r"lengths must be \(B,\) = \(2,\), not \(1,\)"),
        (None, [[1], [2]], r"target_lengths must be \(B,\) = \(2,\), not \(2, 1\)"),
        ([4.0, 2.0], None, r"lengths must be of an integer type, not torch.float32"),
        (None, [True, False], r"target_lengths must be of an integer type, not torch.bool"),
    ],
)
def test_lengths(lengths, targets, message):
    with pytest.raises(ValueError, match=message):
        call(None, lengths, targets)


@pytest.mark.parametrize(
    "frames, weights, message",
    [
        (torch.ones(2, 4), None, r"frames must be \(B, T, C\), not \(2, 4\)"),
        (None, torch.ones(2, 5), r"weights must be \(B, T\) = \(2, 4\) like frames, not \(2, 5\)"),
        (None, torch.ones(2, 4, 1), r"weights must be \(B, T\)"),
        (torch.ones(2, 4, 3).long(), None, r"frames must be of a floating type, not torch.int64"),
        (None, torch.ones(2, 4).long(), r"weights must be of a floating type, not torch.int64"),
        (None, torch.ones(2, 4).double(), r"both be float64 or neither"),
        (None, torch.ones(2, 4, device="meta"), r"weights must be on cpu like frames"),
        (None, torch.full((2, 4), 1e10), r"weights\[0\] = 4.*: must sum to fewer than 2147483648"),
    ],
)
def test_frames_and_weights(frames, weights, message):
    with pytest.raises(ArgumentError, match=message):
        call(weights, frames=frames)


def test_lengths_without_a_tensor():
    with pytest.raises(ArgumentError, match="lengths must be an integer tensor, not list"):
        cif(torch.ones(1, 2, 3), torch.ones(1, 2), [2])


@pytest.mark.parametrize("value", [0, -1.0, NAN, INF])
def test_threshold(value):
    for function in (cif, cif_dense):
        with pytest.raises(ArgumentError, match="threshold must be positive and finite"):
            call(function=function, threshold=value)
    with pytest.raises(ArgumentError, match="threshold must be positive and finite"):
        CIFStream(threshold=value)


@pytest.mark.parametrize("value", [-0.1, 1.1, NAN])
def test_tail_threshold(value):
    with pytest.raises(ArgumentError, match="tail_threshold must lie in 0..1"):
        call(tail_threshold=value)


def test_target_without_frames():
    with pytest.raises(
        ArgumentError, match=r"target_lengths\[1\] = 2: must be 0 where there is no"
    ):
        cif(torch.ones(2, 0, 3), torch.ones(2, 0), None, torch.tensor([0, 2]))


def test_stream_chunks_fit_together():
    stream = CIFStream()
    with pytest.raises(ArgumentError, match="no chunk was pushed"):
        stream.finish()
    stream.push(torch.ones(2, 4, 3), torch.ones(2, 4))
    for frames in (torch.ones(1, 4, 3), torch.ones(2, 4, 2), torch.ones(2, 4, 3).half()):
        with pytest.raises(ArgumentError, match=r"like the first chunk, not \("):
            stream.push(frames, torch.ones(frames.shape[:2]))
    with pytest.raises(ArgumentError, match=r"weights\[0, 1\] = -1"):
        stream.push(torch.ones(2, 2, 3), torch.tensor([[1.0, -1.0], [1.0, 1.0]]))
    assert stream.push(torch.ones(2, 1, 3), torch.ones(2, 1)).token_lengths.tolist() == [1, 1]
