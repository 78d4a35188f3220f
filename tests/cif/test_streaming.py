"""The streaming form: chunks of any size give the tokens of the whole."""

import torch
from cif_makers import batch
from hypothesis import given, settings
from hypothesis import strategies as st

from espnet_wabert.cif import cif
from espnet_wabert.cif.streaming import CIFStream


def streamed(frames, weights, lengths, sizes, **options):
    """Push chunks of the given sizes, then the rest, and finish."""
    stream, parts, place = CIFStream(**options), [], 0
    for size in [*sizes, frames.shape[1]]:
        chunk = slice(place, place + size)
        rest = (lengths - place).clamp(0, frames[:, chunk].shape[1])
        parts.append(stream.push(frames[:, chunk], weights[:, chunk], rest))
        place += size
    parts.append(stream.finish())
    return parts


def assert_same(parts, whole, tolerance):
    """Compare tokens and positions of each utterance."""
    assert torch.equal(sum(part.token_lengths for part in parts), whole.token_lengths)
    for row, count in enumerate(whole.token_lengths.tolist()):
        for name in ("tokens", "starts", "ends"):
            rows = [getattr(part, name)[row, : part.token_lengths[row]] for part in parts]
            wanted = getattr(whole, name)[row, :count]
            torch.testing.assert_close(torch.cat(rows), wanted, atol=tolerance, rtol=tolerance)
    for part in parts:
        padding = torch.arange(part.tokens.shape[1]) >= part.token_lengths[:, None]
        assert not part.tokens[padding].any() and not part.ends[padding].any()
    joined = torch.cat([part.weights for part in parts], 1)
    assert torch.equal(joined, whole.weights)
    torch.testing.assert_close(sum(part.quantity for part in parts).float(), whole.quantity.float())


@settings(max_examples=80, deadline=None)
@given(
    st.integers(0, 2**16),
    st.lists(st.integers(0, 7), max_size=8),
    st.sampled_from([1.0, 0.5, 1.75]),
    st.sampled_from([0.0, 0.5, 1.0]),
)
def test_chunks_give_the_tokens_of_the_whole(seed, sizes, threshold, tail):
    frames, weights, lengths, _ = batch(3, 20, 2, 12, seed)
    weights = (weights * 16).round() / 16  # silence, and boundaries on frames' edges
    options = {"threshold": threshold, "tail_threshold": tail}
    lengths[-1] = seed % 4
    frames, weights = frames.double(), weights.double()
    with torch.no_grad():
        parts = streamed(frames, weights, lengths, sizes, **options)
    assert_same(parts, cif(frames, weights, lengths, **options), 1e-12)


def test_single_frames_in_single_and_half_precision():
    for dtype, tolerance in ((torch.float32, 1e-5), (torch.bfloat16, 0.02)):
        frames, weights, lengths, _ = batch(2, 60, 4, 20)
        frames, weights = frames.to(dtype), weights.to(dtype)
        parts = streamed(frames, weights, lengths, [1] * 60)
        assert all(part.tokens.dtype == dtype for part in parts)
        assert_same(parts, cif(frames, weights, lengths), tolerance)


def test_long_audio_keeps_the_boundaries_of_the_whole():
    frames, weights, lengths, _ = batch(1, 6000, 2, 600)
    parts = streamed(frames, weights, lengths, [100] * 60)
    whole = cif(frames, weights, lengths)
    count = int(whole.token_lengths)
    ends = torch.cat([part.ends[0, : part.token_lengths[0]] for part in parts])
    torch.testing.assert_close(ends, whole.ends[0, :count], rtol=0, atol=1e-11)


def test_empty_chunks_and_empty_batches():
    stream = CIFStream()
    assert stream.push(torch.zeros(2, 0, 3), torch.zeros(2, 0)).tokens.shape == (2, 0, 3)
    assert stream.push(torch.ones(2, 2, 3), torch.ones(2, 2)).tokens.shape == (2, 2, 3)
    assert stream.finish().tokens.shape == (2, 0, 3)
    nobody = CIFStream()
    assert nobody.push(torch.zeros(0, 4, 3), torch.zeros(0, 4)).tokens.shape == (0, 0, 3)
    assert nobody.finish().tokens.shape == (0, 0, 3)


def test_a_stream_can_be_used_again():
    frames, weights, lengths, _ = batch(2, 10, 2, 5)
    stream = CIFStream()
    runs = []
    for _ in range(2):
        first = stream.push(frames, weights, lengths)
        runs.append(torch.cat([first.tokens, stream.finish().tokens], 1))
    assert torch.equal(*runs)
