"""Sixteen cases in which other implementations of integrate-and-fire go wrong."""

import pytest
import torch
from cif_makers import batch, one

from espnet_wabert.cif import cif
from espnet_wabert.cif.reference import cif_reference


def test_case_01_weights_that_sum_to_n_keep_the_last_token():
    for seed in range(50):
        torch.manual_seed(seed)
        weights, count = torch.rand(4, 60), torch.randint(1, 30, (4,))
        weights = weights * (count / weights.sum(1))[:, None]  # N up to float32's rounding
        frames = torch.randn(4, 60, 2)
        assert torch.equal(cif(frames, weights).token_lengths, count)
        out = cif(frames, weights, None, count)
        assert torch.equal(out.token_lengths, count)
        for row, n in enumerate(count.tolist()):
            assert out.tokens[row, n - 1].any()
            assert out.ends[row, n - 1].item() == pytest.approx(60)


def test_case_02_a_frame_fires_many_times():
    out, _ = one(0.5, 3.75, 0.75)
    assert out.token_lengths.tolist() == [5]
    assert out.tokens[0, :, 0].tolist() == [1.5, 2, 2, 2, 0.25 * 2 + 0.75 * 3]
    assert out.ends[0].tolist() == pytest.approx([1 + x / 3.75 for x in (0.5, 1.5, 2.5, 3.5)] + [3])


def test_case_03_a_boundary_on_an_integer():
    out, _ = one(0.5, 0.5, 1.0, 0.25, 0.75)
    assert out.tokens[0, :, 0].tolist() == [1.5, 3, 0.25 * 4 + 0.75 * 5]
    assert out.ends[0].tolist() == [2, 3, 5]
    assert out.starts[0].tolist() == [0, 2, 3]
    tenths, _ = one(*[0.1] * 35, tail_threshold=1.0)
    assert tenths.token_lengths.tolist() == [3]


@pytest.mark.parametrize("threshold", [0.3, 0.95, 2.5])
def test_case_04_another_threshold(threshold):
    frames, weights, lengths, counts = batch(4, 50, 3, 20)
    for target in (None, counts):
        out = cif(frames, weights, lengths, target, threshold=threshold)
        for row, length in enumerate(lengths.tolist()):
            wanted = None if target is None else int(target[row])
            loop = cif_reference(
                frames[row, :length], weights[row, :length], wanted, threshold=threshold
            )
            n = len(loop.tokens)
            assert out.token_lengths[row] == n
            torch.testing.assert_close(out.tokens[row, :n].double(), loop.tokens, atol=1e-5, rtol=0)
            assert out.ends[row, :n].tolist() == pytest.approx(loop.ends, abs=1e-6)
    torch.testing.assert_close(out.quantity * threshold, weights.where(out.weights > 0, 0).sum(1))


@pytest.mark.parametrize("weight", [0.0, 1e-30, 1e-13, 1e-7])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_case_05_no_weight_at_all(weight, dtype):
    frames = torch.randn(2, 6, 3, dtype=dtype, requires_grad=True)
    weights = torch.full((2, 6), weight, dtype=dtype, requires_grad=True)
    lengths, count = torch.tensor([6, 4]), torch.tensor([3, 2])
    out = cif(frames, weights, lengths, count)
    assert out.token_lengths.tolist() == [3, 2]
    assert out.ends[0].tolist() == pytest.approx([2, 4, 6])
    assert out.ends[1].tolist() == pytest.approx([2, 4, 0])
    torch.testing.assert_close(out.weights.sum(1), count.to(dtype))
    torch.testing.assert_close(out.tokens[0, 1], frames[0, 2:4].sum(0) / 2)
    out.tokens.square().sum().backward()
    assert frames.grad.isfinite().all() and weights.grad.isfinite().all()
    silent = cif(frames, weights, lengths)
    assert silent.tokens.shape == (2, 0, 3)
    (silent.tokens.sum() + silent.quantity.sum()).backward()
    assert weights.grad.isfinite().all()


def test_case_06_utterances_that_never_fire():
    frames = torch.randn(3, 4, 2, requires_grad=True)
    weights = torch.full((3, 4), 0.1)
    weights[1] = 0.5
    weights.requires_grad_()
    out = cif(frames, weights)
    assert out.token_lengths.tolist() == [0, 2, 0]
    assert not out.tokens[0].any() and not out.tokens[2].any()
    out.tokens.sum().backward()
    assert not frames.grad[[0, 2]].any() and frames.grad[1].any()
    nothing = cif(frames, weights * 0.1)
    assert nothing.tokens.shape == (3, 0, 2) and nothing.starts.shape == (3, 0)
    nothing.tokens.sum().backward()


def test_case_07_sizes_at_the_edge():
    single, _ = one(0.3, target_lengths=torch.tensor([1]))
    assert single.tokens.tolist() == [[[1.0]]] and single.ends.tolist() == [[1.0]]
    many, weights = one(0.2, 0.6, target_lengths=torch.tensor([5]))
    assert many.tokens[0, :, 0].tolist() == pytest.approx([1, 0.25 * 1 + 0.75 * 2, 2, 2, 2])
    many.tokens.sum().backward()
    assert weights.grad.isfinite().all()
    none, _ = one(0.2, 0.6, target_lengths=torch.tensor([0]))
    assert none.tokens.shape == (1, 0, 1) and none.weights.tolist() == [[0, 0]]
    for rows, steps, width in [(0, 5, 2), (2, 0, 2), (2, 5, 0), (0, 0, 0)]:
        frames = torch.zeros(rows, steps, width, requires_grad=True)
        weights = torch.ones(rows, steps, requires_grad=True)
        counts = torch.zeros(rows, dtype=torch.long)
        for target in (None, counts):
            out = cif(frames, weights, counts, target)
            assert out.tokens.shape == (rows, 0, width) and out.ends.shape == (rows, 0)
            (out.tokens.sum() + out.quantity.sum()).backward()
        whole = cif(frames, weights)
        assert whole.tokens.shape == (rows, steps if rows else 0, width)
        (whole.tokens.sum() + whole.quantity.sum()).backward()
        assert frames.grad.shape == frames.shape


@pytest.mark.parametrize("garbage", [float("nan"), float("inf"), -1e30])
@pytest.mark.parametrize("scaled", [False, True])
def test_case_08_garbage_in_padding(garbage, scaled):
    frames, weights, lengths, counts = batch(4, 30, 3, 9)
    results = []
    for fill in (0.0, garbage):
        padding = torch.arange(30) >= lengths[:, None]
        noisy = [frames.clone(), weights.clone()]
        for x in noisy:
            x[padding] = fill
            x.requires_grad_()
        out = cif(*noisy, lengths, counts if scaled else None)
        out.tokens.square().sum().backward()
        for x in noisy:
            assert not x.grad[padding].any()
        results.append([*out, *(x.grad for x in noisy)])
    for clean, dirty in zip(*results, strict=True):
        assert torch.equal(clean, dirty)


@pytest.mark.parametrize("scaled", [False, True])
def test_case_09_a_padded_batch_equals_each_alone(scaled):
    frames, weights, lengths, counts = batch(5, 40, 3, 12)
    frames.requires_grad_(), weights.requires_grad_()
    out = cif(frames, weights, lengths, counts if scaled else None)
    of_batch = torch.autograd.grad(out.tokens.square().sum(), (frames, weights))
    for row, length in enumerate(lengths.tolist()):
        part = frames[row : row + 1, :length], weights[row : row + 1, :length]
        alone = cif(*part, None, counts[row : row + 1] if scaled else None)
        n = int(alone.token_lengths)
        for name in ("tokens", "starts", "ends"):
            assert torch.equal(getattr(out, name)[row, :n], getattr(alone, name)[0])
        of_one = torch.autograd.grad(alone.tokens.square().sum(), (frames, weights))
        for one_grad, batch_grad in zip(of_one, of_batch, strict=True):
            torch.testing.assert_close(one_grad[row], batch_grad[row], rtol=1e-5, atol=1e-6)
