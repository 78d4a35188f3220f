"""`cif` against the serial loop of the paper, on ragged batches of every kind."""

import importlib
from unittest import mock

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from espnet_wabert.cif import cif
from espnet_wabert.cif.dense import cif_dense
from espnet_wabert.cif.reference import cif_reference

SETTINGS = settings(max_examples=60, deadline=None)
WIDTH = 3


@st.composite
def ragged(draw, scaled):
    """A batch with weights in 64ths, whose sums are exact, and NaN in the padding."""
    batch, steps = draw(st.integers(1, 4)), draw(st.integers(1, 12))
    lengths = draw(st.lists(st.integers(0, steps), min_size=batch, max_size=batch))
    weight = st.one_of(st.just(0), st.just(64), st.integers(1, 50), st.integers(50, 300))
    weights = torch.full((batch, steps), float("nan"), dtype=torch.float64)
    frames = torch.full((batch, steps, WIDTH), float("inf"), dtype=torch.float64)
    seed = draw(st.integers(0, 2**16))
    noise = torch.randn(frames.shape, dtype=torch.float64, generator=torch.manual_seed(seed))
    targets = []
    for row, length in enumerate(lengths):
        values = draw(st.lists(weight, min_size=length, max_size=length))
        weights[row, :length] = torch.tensor(values, dtype=torch.float64) / 64
        frames[row, :length] = noise[row, :length]
        targets.append(draw(st.integers(0, 2 * length)) if sum(values) else 0)
    threshold = draw(st.sampled_from([1.0, 0.5, 1.75]))
    tail = draw(st.sampled_from([0.0, 0.25, 0.5, 1.0]))
    lengths, targets = torch.tensor(lengths), torch.tensor(targets)
    return frames, weights, lengths, targets if scaled else None, threshold, tail


def both(batch):
    """Outputs and gradients of `cif`, and those of the loop, for the same gradient of tokens."""
    frames, weights, lengths, targets, threshold, tail = batch
    fast = [x.clone().requires_grad_() for x in (frames, weights)]
    slow = [x.clone().requires_grad_() for x in (frames, weights)]
    options = {"threshold": threshold, "tail_threshold": tail}
    out = cif(*fast, lengths, targets, **options)
    rows = [
        cif_reference(
            slow[0][b, :n], slow[1][b, :n], None if targets is None else int(targets[b]), **options
        )
        for b, n in enumerate(lengths.tolist())
    ]
    grad = torch.randn(out.tokens.shape, dtype=torch.float64, generator=torch.manual_seed(0))
    (out.tokens * grad).sum().backward()
    loss = sum((row.tokens * grad[b, : len(row.tokens)]).sum() for b, row in enumerate(rows))
    if loss.requires_grad:
        loss.backward()
    none = [torch.zeros_like(x) for x in slow]
    of_loop = [zero if x.grad is None else x.grad for x, zero in zip(slow, none, strict=True)]
    return out, rows, [x.grad for x in fast], of_loop


def assert_same(out, rows):
    """Compare counts, tokens and padding."""
    assert out.token_lengths.tolist() == [len(row.tokens) for row in rows]
    assert out.tokens.shape[1] == max(out.token_lengths.tolist())
    for b, row in enumerate(rows):
        n = len(row.tokens)
        torch.testing.assert_close(out.tokens[b, :n], row.tokens, rtol=1e-9, atol=1e-11)
        assert not out.tokens[b, n:].any()
        assert not out.starts[b, n:].any() and not out.ends[b, n:].any()


@SETTINGS
@given(ragged(scaled=False))
def test_threshold_and_tail_equal_the_loop(batch):
    out, rows, fast, slow = both(batch)
    assert_same(out, rows)
    for b, row in enumerate(rows):
        n = len(row.tokens)
        assert out.starts[b, :n].tolist() == pytest.approx(row.starts, abs=1e-9)
        assert out.ends[b, :n].tolist() == pytest.approx(row.ends, abs=1e-9)
    torch.testing.assert_close(fast[0], slow[0], rtol=1e-9, atol=1e-11)


@SETTINGS
@given(ragged(scaled=True))
def test_target_lengths_equal_the_loop(batch):
    out, rows, fast, slow = both(batch)
    assert_same(out, rows)
    torch.testing.assert_close(fast[0], slow[0], rtol=1e-9, atol=1e-11)
    sums = out.weights.sum(1)
    torch.testing.assert_close(sums, out.token_lengths.double() * batch[4], rtol=1e-12, atol=1e-12)


@SETTINGS
@given(ragged(scaled=True), st.integers(0, 2**16))
def test_weight_gradient_equals_the_loop(batch, seed):
    # away from kinks: no frame's edge on a token's, where left and right derivatives differ
    noise = torch.rand(batch[1].shape, dtype=torch.float64, generator=torch.manual_seed(seed))
    batch = (batch[0], torch.where(batch[1] > 0, batch[1] + noise, batch[1]), *batch[2:])
    for targets in (None, batch[3]):
        _, _, fast, slow = both((*batch[:3], targets, *batch[4:]))
        torch.testing.assert_close(fast[1], slow[1], rtol=1e-7, atol=1e-9)


@SETTINGS
@given(ragged(scaled=True), st.booleans())
def test_dense_form_equals_the_fast_one(batch, scaled):
    frames, weights, lengths, targets, threshold, tail = batch
    options = {"threshold": threshold, "tail_threshold": tail}
    rows = [frames.requires_grad_(), weights.requires_grad_()]
    fast = cif(*rows, lengths, targets if scaled else None, **options)
    dense = cif_dense(*rows, lengths, targets if scaled else None, **options)
    for name, one, other in zip(fast._fields, fast, dense, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-11, msg=name)
    one, other = (torch.autograd.grad(out.tokens.sum(), rows[0])[0] for out in (fast, dense))
    torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-11)


@SETTINGS
@given(ragged(scaled=True), st.booleans(), st.integers(0, 2**16))
def test_torch_operations_equal_the_numba_kernel(batch, scaled, seed):
    frames, weights, lengths, targets, threshold, tail = batch
    if seed % 2:  # weights whose sums round, too
        weights = weights * torch.rand(weights.shape, generator=torch.manual_seed(seed)).double()
    rows = [frames.requires_grad_(), weights.requires_grad_()]
    given = (*rows, lengths, targets if scaled else None)
    options = {"threshold": threshold, "tail_threshold": tail}
    compiled = cif(*given, **options)
    module = importlib.import_module("espnet_wabert.cif.function")
    with mock.patch.object(module, "eager_on_cpu", lambda rows: False):
        plain = cif(*given, **options)
    for name, one, other in zip(compiled._fields, compiled, plain, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12, msg=name)
    grads = [torch.autograd.grad(out.tokens.square().sum(), rows) for out in (compiled, plain)]
    for one, other in zip(*grads, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.parametrize("threshold", [1.0, 0.7])
def test_gradcheck(scaled, threshold):
    torch.manual_seed(1)
    frames = torch.randn(3, 9, 2, dtype=torch.float64, requires_grad=True)
    weights = (torch.rand(3, 9, dtype=torch.float64) * 1.3 + 0.05).requires_grad_()
    lengths = torch.tensor([9, 5, 7])
    targets = torch.tensor([4, 8, 0]) if scaled else None

    def tokens(frames, weights):
        out = cif(frames, weights, lengths, targets, threshold=threshold)
        return out.tokens, out.quantity, out.weights

    assert torch.autograd.gradcheck(tokens, (frames, weights))
