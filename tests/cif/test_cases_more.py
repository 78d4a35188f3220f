"""The cases 10 to 16 of integrate-and-fire: tails, mass, precision, long input, graphs."""

import pytest
import torch
from cif_makers import batch, one

from espnet_wabert.cif import cif
from espnet_wabert.cif.dense import cif_dense
from espnet_wabert.cif.reference import cif_reference


@pytest.mark.parametrize("tail, fires", [(0.49999, False), (0.5, True), (0.50001, True)])
def test_case_10_tail_at_its_threshold(tail, fires):
    out, _weights = one(0.75, 0.25, tail)
    assert out.token_lengths.item() == 1 + fires
    if fires:
        assert out.tokens[0, 1].item() == pytest.approx(3)  # a whole token's mass
        assert out.starts[0, 1] == 2 and out.ends[0, 1] == 3
    with_target, _ = one(0.75, 0.25, tail, target_lengths=torch.tensor([1]))
    assert with_target.token_lengths.item() == 1 and with_target.ends.item() == 3


def test_case_10_sums_that_only_rounding_keeps_from_the_tail():
    out, _ = one(*[0.1] * 35)  # a sum of 3.5000000000000013 or 3.4999999999999996
    assert out.token_lengths.item() == 4
    for weight in (0.95, 0.7):
        out, _ = one(*[weight] * 7, threshold=weight, tail_threshold=1.0)
        assert out.token_lengths.item() == 7


def test_case_10_gradient_through_the_tails_normalizer():
    out, weights = one(0.75, 0.5, 0.375)
    out.tokens[0, 1].sum().backward()
    # the tail's mean (0.25 * 2 + 0.375 * 3) / 0.625 moves with each of its weights
    mean, mass = 2.6, 0.625
    wanted = [(2 - mean) / mass, (2 - mean) / mass, (3 - mean) / mass]
    assert weights.grad[0].tolist() == pytest.approx(wanted)


@pytest.mark.parametrize("threshold", [1.0, 0.6])
def test_case_11_mass(threshold):
    _, weights, lengths, counts = batch(5, 40, 1, 25)
    frames = torch.eye(40).expand(5, 40, 40)  # tokens are then the weights that they took
    out = cif(frames, weights, lengths, counts, threshold=threshold)
    whole = torch.arange(out.tokens.shape[1]) < counts[:, None]
    torch.testing.assert_close(out.tokens.sum(2), whole * torch.tensor(threshold))
    torch.testing.assert_close(out.tokens.sum(1), out.weights)
    valid = torch.where(torch.arange(40) < lengths[:, None], weights, 0)
    scale = counts * threshold / valid.sum(1)
    torch.testing.assert_close(out.weights, valid * scale[:, None])
    fired = cif(frames, weights, lengths, threshold=threshold)
    whole = torch.arange(fired.tokens.shape[1]) < fired.token_lengths[:, None]
    torch.testing.assert_close(fired.tokens.sum(2), whole * torch.tensor(threshold))
    assert torch.equal(fired.weights, valid)


def test_case_12_long_audio_against_float64():
    frames, weights, _, _ = batch(1, 6000, 8, 600)
    count, grad = torch.tensor([600]), torch.randn(1, 600, 8)
    single = [frames.requires_grad_(), weights.requires_grad_()]
    double = [x.detach().double().requires_grad_() for x in single]
    out = cif(*single, None, count)
    loop = cif_reference(double[0][0], double[1][0], 600)
    assert (out.tokens[0] - loop.tokens).abs().max() <= 2e-6
    of_out = torch.autograd.grad((out.tokens * grad).sum(), single)
    of_loop = torch.autograd.grad((loop.tokens * grad[0]).sum(), double)
    assert (of_out[0] - of_loop[0]).abs().max() <= 1e-6
    assert (of_out[1] - of_loop[1]).abs().max() <= 1e-4 * of_loop[1].abs().max()
    ends = torch.tensor(loop.ends, dtype=torch.float64)
    torch.testing.assert_close(out.ends[0], ends, atol=1e-7, rtol=0)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_case_13_half_precision_moves_no_boundary(dtype):
    frames, weights, lengths, counts = batch(4, 200, 16, 60)
    weights = weights.to(dtype)
    for target in (None, counts):
        half = [frames.to(dtype).requires_grad_(), weights.clone().requires_grad_()]
        full = [x.detach().float().requires_grad_() for x in half]
        out, wanted = (cif(*x, lengths, target) for x in (half, full))
        for name in ("token_lengths", "starts", "ends", "quantity"):
            assert torch.equal(getattr(out, name), getattr(wanted, name))
        assert out.tokens.dtype == out.weights.dtype == dtype
        # rounded once, at the end
        assert torch.equal(out.tokens, wanted.tokens.to(dtype))
        for x in (out, wanted):
            x.tokens.float().sum().backward()
        torch.testing.assert_close(half[0].grad, full[0].grad.to(dtype))
        torch.testing.assert_close(half[1].grad, full[1].grad.to(dtype), rtol=0.02, atol=0.2)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_case_13_counts_in_half_precision(dtype):
    for seed in range(40):
        torch.manual_seed(seed)
        weights, count = torch.rand(3, 80), torch.randint(1, 40, (3,))
        weights = (weights * (count / weights.sum(1))[:, None]).to(dtype)
        assert torch.equal(cif(torch.randn(3, 80, 2), weights, None, count).token_lengths, count)
        rounded = (weights.double().sum(1) + 0.5).floor().long()
        assert torch.equal(cif(torch.randn(3, 80, 2).to(dtype), weights).token_lengths, rounded)


@pytest.mark.parametrize("mixed", [False, True])
def test_case_13_autocast(mixed):
    frames, weights, lengths, counts = batch(3, 50, 16, 12)
    layer = torch.nn.Linear(16, 16)
    with torch.autocast("cpu", torch.bfloat16):
        hidden = layer(frames)
        assert hidden.dtype == torch.bfloat16
        given = weights.bfloat16() if mixed else weights
        out = cif(hidden, given, lengths, counts)
        out.tokens.sum().backward()
    wanted = cif(hidden.detach().float(), given.float(), lengths, counts)
    assert torch.equal(out.ends, wanted.ends)
    assert torch.equal(out.tokens, wanted.tokens.bfloat16())
    assert layer.weight.grad.isfinite().all() and layer.weight.grad.any()


@pytest.mark.parametrize("target", [None, 3])
def test_case_14_zero_weights_get_their_gradient(target):
    values = [0.0, 0.7, 0.0, 0.0, 0.8, 0.4, 0.0, 0.9, 0.0]
    torch.manual_seed(0)
    frames = torch.randn(1, 9, 4, dtype=torch.float64)
    frames[0, 4:6] = 0  # frames of zeros: their token stays
    grads = []
    for step in (0.0, 1e-6):
        shifted = [x + step if x == 0 else x for x in values]  # the right derivative
        count = None if target is None else torch.tensor([target])
        out, weights = one(*shifted, frames=frames, target_lengths=count)
        assert out.token_lengths.item() == 3
        (grad,) = torch.autograd.grad(out.tokens.square().sum(), weights)
        grads.append(grad)
    torch.testing.assert_close(grads[0], grads[1], atol=1e-3, rtol=0)
    assert (grads[0][0, :7] != 0).all()


def test_case_14_all_zero_frames_keep_their_tokens():
    out = cif(torch.zeros(1, 8, 2), torch.full((1, 8), 0.5))
    assert out.token_lengths.item() == 4 and not out.tokens.any()


def test_case_15_strides_and_single_gradients():
    frames, weights, lengths, counts = batch(3, 30, 5, 9)
    whole = [frames.clone().requires_grad_(), weights.clone().requires_grad_()]
    out = cif(*whole, lengths, counts)
    wanted = torch.autograd.grad(out.tokens.square().sum(), whole)
    turned = frames.permute(2, 0, 1).contiguous().permute(1, 2, 0).requires_grad_()
    slanted = weights.t().contiguous().t().requires_grad_()
    assert not turned.is_contiguous() and not slanted.is_contiguous()
    other = cif(turned, slanted, lengths, counts)
    assert torch.equal(out.tokens, other.tokens)
    got = torch.autograd.grad(other.tokens.square().sum(), (turned, slanted))
    torch.testing.assert_close(got[0], wanted[0])
    torch.testing.assert_close(got[1], wanted[1])
    for i in range(2):
        pair = [x.detach() for x in whole]
        pair[i].requires_grad_()
        tokens = cif(*pair, lengths, counts).tokens
        (grad,) = torch.autograd.grad(tokens.square().sum(), pair[i])
        assert torch.equal(grad, wanted[i])
    # a gradient that autograd expands from one number
    (grad,) = torch.autograd.grad(cif(*whole, lengths, counts).tokens.sum(), whole[0])
    assert grad.isfinite().all()


def test_case_16_positions_are_monotone_and_those_of_the_loop():
    frames, weights, lengths, counts = batch(6, 80, 2, 30)
    weights = weights * (torch.rand(6, 80) < 0.6)
    for target in (None, counts):
        out = cif(frames, weights, lengths, target)
        dense = cif_dense(frames, weights, lengths, target)
        for row, length in enumerate(lengths.tolist()):
            wanted = None if target is None else int(target[row])
            loop = cif_reference(frames[row, :length], weights[row, :length], wanted)
            n = len(loop.tokens)
            starts, ends = out.starts[row, :n], out.ends[row, :n]
            assert starts.tolist() == pytest.approx(loop.starts, abs=1e-9)
            assert ends.tolist() == pytest.approx(loop.ends, abs=1e-9)
            assert (starts < ends).all() and (starts[1:] >= ends[:-1]).all()
            assert starts[0] >= 0 and ends[-1] <= length
            torch.testing.assert_close(dense.starts[row, :n], starts)
            torch.testing.assert_close(dense.ends[row, :n], ends)


def test_case_16_silence_is_in_no_token():
    out, _ = one(0, 0, 0.5, 0.5, 0, 0, 0, 0.25, 0.75, 0)
    assert out.starts[0].tolist() == [2, 7] and out.ends[0].tolist() == [4, 9]
    inside, _ = one(0.5, 0, 0, 0.5)  # silence within a token is in it
    assert inside.starts.tolist() == [[0]] and inside.ends.tolist() == [[4]]
    scaled, _ = one(0, 0.5, 0.5, 0, 0, 0.25, 0.75, 0, target_lengths=torch.tensor([1]))
    assert scaled.starts.tolist() == [[1]] and scaled.ends.tolist() == [[7]]
