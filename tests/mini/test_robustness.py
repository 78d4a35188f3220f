"""Worse conditions: what they do to audio, and what is measured under them."""

import numpy as np
import pytest
from tiny import arguments, save

from espnet_wabert.constants import SAMPLE_RATE
from espnet_wabert.formats.word import Word
from espnet_wabert.inference.api import WaBERTInference
from espnet_wabert.mini.non_speech import KINDS, listen
from espnet_wabert.mini.robustness import (
    BY_WORDS,
    CONDITIONS,
    PAUSE,
    Spoken,
    change_tempo,
    measure,
    soften,
    under,
)

CUT, LONG_PAUSE = BY_WORDS


def tone(seconds=1.0, hertz=300.0):
    times = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return (0.3 * np.sin(2 * np.pi * hertz * times)).astype(np.float32)


@pytest.mark.parametrize("rate", [0.8, 1.25])
def test_tempo_changes_the_length_and_keeps_the_pitch(rate):
    heard = change_tempo(tone(), rate)
    assert len(heard) == pytest.approx(SAMPLE_RATE / rate, rel=0.01)
    middle = heard[len(heard) // 4 : len(heard) * 3 // 4]
    peak = np.abs(np.fft.rfft(middle)).argmax() * SAMPLE_RATE / len(middle)
    assert peak == pytest.approx(300, abs=5)


def test_softer_is_30_db_and_still_16_bit():
    heard = soften(tone())
    assert 20 * np.log10(np.std(tone()) / np.std(heard)) == pytest.approx(30, abs=0.1)
    assert np.allclose(heard * 2**15, np.round(heard * 2**15))


@pytest.mark.parametrize("condition", [c for c in CONDITIONS if not c.startswith("tempo")])
def test_other_conditions_keep_length_and_give_finite_samples(condition):
    heard = CONDITIONS[condition](tone())
    assert len(heard) == SAMPLE_RATE and np.isfinite(heard).all()
    assert (condition == "clean") == np.array_equal(heard, tone())


def test_cut_at_the_words():
    words = [Word("a", 0.25, 0.5), Word("b", 0.5, 0.875)]
    heard = under(Spoken(tone(), "a b", words), CUT)
    assert np.array_equal(heard.audio, tone()[4000:14000]) and heard.text == "a b"
    assert heard.words == [Word("a", 0.0, 0.25), Word("b", 0.25, 0.625)]


def test_a_pause_before_the_middle_word():
    words = [Word("a", 0.25, 0.5), Word("b", 0.5, 0.875)]
    heard = under(Spoken(tone(), "a b", words), LONG_PAUSE)
    samples = round(PAUSE * SAMPLE_RATE)
    assert np.array_equal(np.delete(heard.audio, np.s_[8000 : 8000 + samples]), tone())
    assert heard.words == [Word("a", 0.25, 0.5), Word("b", 0.5 + PAUSE, 0.875 + PAUSE)]


@pytest.fixture(scope="module")
def inference(tmp_path_factory):
    args = arguments(model_conf=dict(ctc_weight=1.0))
    return WaBERTInference.from_pretrained(save(args, tmp_path_factory.mktemp("model")))


def test_measures_count_every_utterance_and_scale_the_reference(inference):
    rng = np.random.default_rng(0)
    utterances = [
        Spoken(rng.standard_normal(SAMPLE_RATE).astype(np.float32) * 0.1, text,
               [Word(w, 0.3 * i, 0.3 * i + 0.3) for i, w in enumerate(text.split())])
        for text in ("the good film", "not bad", "good and bad")
    ]  # fmt: skip
    for condition in ("clean", "tempo 0.8", *BY_WORDS):
        found = measure(inference, utterances, condition)
        assert found.condition == condition and found.error_rate > 0
        assert 0 <= found.doubted_right <= 1 and 0 <= found.found_wrong <= 1
        assert all(scores.utterances == 3 for scores in found.boundaries.values())
    silent = [spoken._replace(words=None) for spoken in utterances]
    assert measure(inference, silent, "clean").boundaries == {}


@pytest.mark.parametrize("kind", KINDS)
def test_recordings_without_speech_are_read_as_few_words_and_doubted(kind):
    """The model in the box; a melody is read as some words."""
    heard = listen(WaBERTInference.from_pretrained("box"), ["she had your dark suit"] * 3, kind)
    assert heard.words <= (3 if kind == "melody" else 1) and heard.doubted == 1.0
