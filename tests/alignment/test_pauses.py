"""Long pauses are not encoded, and words stay where they are spoken."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import espnet_wabert
from espnet_wabert.alignment.chunking import ChunkedFrontend
from espnet_wabert.alignment.pauses import (
    KEPT,
    encode_speech,
    find_pauses,
    heard_frames,
    heard_places,
    over_pauses,
    paused_frames,
)
from espnet_wabert.alignment.spans import TokenSpans
from espnet_wabert.inference.pipeline import WaBERT

HOP, RATE = 320, 16000
TEXT = "he might even have been made amiable himself"
CLIP = Path(espnet_wabert.__file__).parent / "demo/clips/amiable.flac"


def recording(*parts: tuple[float, float], noise: float, seed: int = 0) -> torch.Tensor:
    """Return parts of so many seconds and so loud, in noise."""
    rng = np.random.default_rng(seed)
    sizes = [round(seconds * RATE) for seconds, _ in parts]
    loud = np.repeat([level for _, level in parts], sizes)
    return torch.from_numpy(rng.normal(size=len(loud)) * (loud + noise)).float()


@pytest.mark.parametrize("noise", [0.0, 1e-5, 1e-3, 1e-2])
def test_the_middle_of_a_long_pause_is_found(noise):
    samples = recording((1, 0.1), (3, 0), (1, 0.1), (1.5, 0), (1, 0.1), (4, 0), noise=noise)
    first, last = find_pauses(samples, HOP)
    kept = KEPT * RATE / HOP
    assert abs(first.first - 50 - kept) <= 3 and abs(first.stop - 200 + kept) <= 3
    assert abs(last.first - 375 - kept) <= 3 and abs(last.stop - 575 + kept) <= 3


def test_speech_in_loud_noise_is_no_pause():
    """Of the level of the noise, with syllables of twice its level."""
    syllables = [(0.15, level) for level in (0.05, 0.0, 0.1, 0.0, 0.03)] * 8
    assert not find_pauses(recording(*syllables, noise=0.05), HOP)
    assert not find_pauses(recording((1.9, 0), (1, 0.1), noise=1e-3), HOP)
    assert not find_pauses(torch.zeros(100), HOP)


class Frames:
    """A frontend whose frame is the mean of its samples."""

    def __call__(self, speech, lengths):
        frames = speech.unfold(1, HOP, HOP).mean(-1, keepdim=True)
        return frames, lengths // HOP

    def frame_lengths(self, lengths):
        return lengths // HOP

    def seconds(self, positions):
        return positions * HOP / RATE


@settings(deadline=None, max_examples=25)
@given(st.lists(st.tuples(st.sampled_from([0.5, 1.0, 3.0, 5.0]), st.booleans()), min_size=1))
def test_frames_keep_their_number_and_places(parts):
    samples = recording(*((s, 0.1 * loud) for s, loud in parts), noise=1e-4)
    speech = [samples, samples[: len(samples) // 2]]
    frontend = Frames()
    frames, lengths, pauses = encode_speech(ChunkedFrontend(frontend, frontend), speech)
    paused = paused_frames(pauses, frames)
    assert lengths.tolist() == [len(x) // HOP for x in speech]
    for row, n, own, x in zip(frames, lengths.tolist(), paused, speech, strict=True):
        expected, _ = frontend(x[None], torch.tensor([len(x)]))
        torch.testing.assert_close(row[:n][~own[:n]], expected[0][~own[:n]])
        assert torch.isin(row[own], row[:n][~own[:n]]).all() and not own[n:].any()
    heard, counts = heard_frames(frames, lengths, paused)
    places = heard_places(lengths, paused)
    for row, whole, n, place in zip(heard, frames, counts.tolist(), places, strict=True):
        torch.testing.assert_close(row[:n], whole[place])


def test_tokens_on_both_sides_of_a_pause():
    """Frames 3 to 6 are not there: tokens end before or begin after them, or go across."""
    places = np.array([0, 1, 2, 7, 8, 9])
    starts, ends = np.array([0.0, 1.5, 3.0, 4.0]), np.array([1.5, 3.0, 4.0, 6.0])
    found = over_pauses(TokenSpans(starts, ends), places)
    assert found.starts.tolist() == [0.0, 1.5, 7.0, 8.0]
    assert found.ends.tolist() == [1.5, 3.0, 8.0, 10.0]
    across = over_pauses(TokenSpans(np.array([2.5]), np.array([3.5])), places)
    assert (across.starts.item(), across.ends.item()) == (2.5, 7.5)


@pytest.mark.parametrize("noise", [0.0, 1e-3])
@pytest.mark.parametrize("where", ["before", "within", "after"])
def test_words_stay_where_they_are_spoken(noise, where):
    """With 25 seconds of silence, as the clip has them alone."""
    model = WaBERT.from_pretrained()
    samples, _ = soundfile.read(CLIP, dtype="float32")
    alone = model.align(samples, TEXT)
    place = {"before": 0.0, "within": alone.words[3].end, "after": len(samples) / RATE}[where]
    pause = noise * np.random.default_rng(0).normal(size=25 * RATE).astype(np.float32)
    longer = np.insert(samples, round(place * RATE), pause)
    found = model.align(longer, TEXT)
    assert found.confidence > 0.9
    for word, same in zip(found.words, alone.words, strict=True):
        moved = 25.0 if same.start >= place - 1e-3 else 0.0
        assert word.start == pytest.approx(same.start + moved, abs=0.25), word
    for method in ("similarity", "cif"):  # they know less well where a word is
        other = model.align(longer, TEXT, method=method)
        for word, same in zip(other.words, found.words, strict=True):
            assert word.start == pytest.approx(same.start, abs=1.0), (method, word)
    encoded = model.encode(longer, TEXT)
    subwords = [word.start for word in other.subwords]  # of cif
    assert encoded.starts[1:-1] == pytest.approx(subwords, abs=1e-3)
    assert len(model.transcribe(longer).split()) == len(TEXT.split())
