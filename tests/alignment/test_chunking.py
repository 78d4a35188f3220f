"""Recordings and transcripts in windows are joined to what the whole would be."""

import itertools

import numpy as np
import pytest
import torch
from aligners import WORDS, write_model
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import arguments, save, speech_config

from espnet_wabert.alignment.chunking import ChunkedFrontend, chunks, encode_transcripts, is_cut
from espnet_wabert.inference.api import WaBERTInference
from espnet_wabert.models.builder import build_model


@given(st.integers(0, 500), st.integers(1, 60), st.integers(0, 20))
def test_windows_keep_every_step_once(size, core, context):
    found = chunks(size, core, context)
    assert found[0].first == 0 and found[-1].last == size
    assert all(a.last == b.first for a, b in itertools.pairwise(found))
    for window in found:
        assert window.last - window.first <= core
        assert window.start == max(0, window.first - context)
        assert window.stop == min(size, window.last + context)


def frontend(kind: str, local: bool):
    """A tiny speech encoder; a local one sees some frames on either side, by its convolutions."""
    torch.manual_seed(0)
    conf = dict(config=speech_config(kind), normalize=False)
    built = build_model(arguments(frontend_conf=conf)).eval().frontend
    for name, parameter in built.named_parameters():
        if local and "out_proj" in name:  # attention adds nothing
            parameter.data.zero_()
    return built


@pytest.mark.parametrize("kind", ["data2vec-audio", "wav2vec2-large", "whisper"])
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_joined_frames_are_those_of_the_whole(kind, data):
    """As many, and, where an encoder's sight ends within the context, the same."""
    encoder = _cached(kind)
    samples = data.draw(st.integers(8000, 40000))
    torch.manual_seed(data.draw(st.integers(0, 100)))
    speech = torch.randn(samples) * 0.1
    if kind == "whisper":  # its positions count from each window's start: frames differ by these
        encoder.encoder.model.embed_positions.weight.data.zero_()
        speech[::1600] = 1.0  # the loudness that log-mel frames are cut off below
    cut = ChunkedFrontend(encoder, encoder.encoder, whole=0.4, core=0.3, context=0.4)
    with torch.inference_mode():
        joined, lengths = cut([speech, speech[:5000]])
        whole, expected = encoder(speech[None], torch.tensor([samples]))
    assert len(cut.cut(samples)) > 1
    assert lengths[0] == expected[0] and lengths[1] == encoder.encoder.frame_lengths(
        torch.tensor(5000)
    )
    torch.testing.assert_close(joined[0], whole[0], atol=1e-4, rtol=1e-3)


_frontends = {}


def _cached(kind: str):
    if kind not in _frontends:
        _frontends[kind] = frontend(kind, local=True)
    return _frontends[kind]


def test_short_audio_is_encoded_whole():
    encoder = frontend("data2vec-audio", local=False)
    speech = [torch.randn(size) * 0.1 for size in (9000, 16000)]
    with torch.inference_mode():
        found, lengths = ChunkedFrontend(encoder, encoder.encoder)(speech)
        padded = torch.nn.utils.rnn.pad_sequence(speech, batch_first=True)
        expected, expected_lengths = encoder(padded, torch.tensor([9000, 16000]))
    torch.testing.assert_close(found, expected)
    assert lengths.tolist() == expected_lengths.tolist()


def test_silence_around_waveforms():
    encoder = _cached("whisper")
    cut = ChunkedFrontend(encoder, encoder.encoder)
    speech = [torch.ones(5000), torch.ones(100)]
    found = cut.surround(speech, torch.tensor([10, 0]))
    assert found[0].tolist() == [0.0] * 3200 + [1.0] * 5000 + [0.0] * 3200
    assert found[1].tolist() == [1.0] * 100


def test_a_recording_is_cut_if_an_edge_is_louder_than_its_background():
    rng = np.random.default_rng(0)
    noise = rng.normal(size=16000).astype(np.float32) * 0.01
    word = np.zeros(16000, np.float32)
    word[4000:9000] = rng.normal(size=5000) * 0.1
    assert not is_cut(noise) and not is_cut(noise + word)
    assert is_cut((noise + word)[5000:]) and is_cut((noise + word)[:8000])
    assert is_cut(word[4000:]) and not is_cut(np.zeros(16000, np.float32))
    assert not is_cut(np.ones(100, np.float32))  # less than a frame: the frontend refuses it


def test_16_bit_samples_are_aligned_as_floats_are(tmp_path):
    model = WaBERTInference.from_pretrained(save(arguments(), tmp_path))
    rng = np.random.default_rng(0)
    word = np.zeros(16000, np.int16)
    word[4000:9000] = rng.normal(size=5000) * 3000
    for samples in (word, word[4000:], word[:9000]):
        (own,), (of_floats,) = (
            model.align([x], ["the good"]) for x in (samples, np.float32(samples) / 32768)
        )
        assert own.words == of_floats.words
    faint = rng.integers(-2, 3, 16000, dtype=np.int16)  # the noise of 16 bits
    assert model.read([faint]) == model.read([np.float32(faint) / 32768]) == [""]


def test_long_transcripts_are_encoded_in_windows():
    """As many states as tokens; those of a short transcript are the teacher's own."""
    torch.manual_seed(0)
    teacher = build_model(arguments()).eval().teacher
    short, long = [2, 35, 36, 3], [2, *([35, 36, 40, 37] * 100), 3]
    states = encode_transcripts(teacher, [short, long], "cpu", positions=128)
    assert states.shape[:2] == (2, len(long))
    own = teacher(torch.tensor([short]), torch.tensor([4]))[0]
    torch.testing.assert_close(states[0, :4], own)
    # The first window's beginning does not know what comes 80 tokens later.
    start = teacher(torch.tensor([[*long[:81], 3]]), torch.tensor([82]))[0]
    assert torch.nn.functional.cosine_similarity(states[1, :50], start[:50]).min() > 0.99


def test_a_long_recording_aligns_in_windows(tmp_path, monkeypatch):
    """40 s of noise with 300 words: all placed in order, by each reading."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    model = WaBERTInference.from_pretrained(write_model(tmp_path))
    words = [WORDS[n % 5] for n in range(300)]
    speech = np.random.default_rng(0).normal(size=40 * 16000).astype(np.float32) * 0.1
    found = model.align([speech], [" ".join(words)])[0]
    for timed in found.by_method.values():
        assert [w.word for w in timed.words] == words
        times = [t for w in timed.words for t in (w.start, w.end)]
        assert times == sorted(times) and times[0] >= 0 and times[-1] <= 40.0
        assert len(timed.confidences) == 302 and all(0 <= c <= 1 for c in timed.confidences)


def test_a_recording_of_more_chunks_than_a_batch_has(monkeypatch):
    """Several batches of chunks give the frames of one."""
    encoder = _cached("data2vec-audio")
    cut = ChunkedFrontend(encoder, encoder.encoder, whole=0.4, core=0.3, context=0.1)
    speech = [torch.randn(40000) * 0.1, torch.randn(9000) * 0.1]
    with torch.inference_mode():
        whole, lengths = cut(speech)
        monkeypatch.setattr("espnet_wabert.alignment.chunking.PADDED", 1.1)
        parts, same = cut(speech)
    assert lengths.tolist() == same.tolist()
    torch.testing.assert_close(parts, whole, atol=1e-4, rtol=1e-3)
