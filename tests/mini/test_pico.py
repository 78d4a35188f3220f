"""Voices without word times, recordings that are cut at their words, and a corpus of both."""

import numpy as np
import pytest
import soundfile

from espnet_wabert.alignment.chunking import SILENCE, is_cut
from espnet_wabert.constants import SAMPLE_RATE
from espnet_wabert.corpora.librispeech import prepare_librispeech
from espnet_wabert.mini import librispeech
from espnet_wabert.mini.conditions import Conditions
from espnet_wabert.mini.hibari import HibariVoice
from espnet_wabert.mini.pico import LANGUAGES, PicoVoice
from espnet_wabert.mini.sizes import SIZES
from espnet_wabert.mini.speech import Manner, audible
from espnet_wabert.mini.utterance import Plan, speak, write_audio

pytest.importorskip("ttspico", reason="built where there is a C compiler; only make box needs it")

TEXT = "the weather was fine, so we walked along the river"
EDGE = round(SILENCE * SAMPLE_RATE)


def length(voice, manner=None):
    speech = voice.speak(TEXT, manner or Manner(), 3)
    heard = audible(speech.samples)
    return (heard[-1] - heard[0]) / speech.rate


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_voice_is_repeatable_and_has_no_word_times(language):
    first, second = (PicoVoice(language, 0.7, 0.9).speak(TEXT, Manner(), 5) for _ in range(2))
    np.testing.assert_array_equal(first.samples, second.samples)
    assert first.words is None and np.abs(first.samples).max() > 0.05


def test_another_vocal_tract_keeps_the_speed():
    plain = length(PicoVoice())
    assert length(PicoVoice(tract=0.85)) == pytest.approx(plain, rel=0.1)
    assert length(PicoVoice(tract=1.15)) == pytest.approx(plain, rel=0.1)
    assert length(PicoVoice(), Manner(rate=1.5)) == pytest.approx(plain / 1.5, rel=0.1)


def plan_of(voice, **changes):
    return Plan("k", "k.flac", TEXT, voice, Manner(), Conditions(snr=25.0, seed=7))._replace(
        **changes
    )


def test_a_cut_recording_is_the_whole_one_at_its_words_with_silence_around():
    whole, annotated = speak(plan_of(HibariVoice()))
    audio, spoken = speak(plan_of(HibariVoice(), cut=True))
    assert not audio[:EDGE].any() and not audio[-EDGE:].any()
    assert not is_cut(audio / 2**15)  # the aligner adds no more silence
    assert is_cut(audio[EDGE:-EDGE] / 2**15) and not is_cut(whole / 2**15)
    assert (spoken.start, spoken.end, spoken.samples) == (0, len(audio), len(audio))
    shift = annotated.words[1][1] - spoken.words[1][1]
    for (word, start, end), (same, first, last) in zip(spoken.words, annotated.words, strict=True):
        assert word == same
        assert first <= start + shift <= first + 160 and last - 160 <= end + shift <= last
        np.testing.assert_array_equal(audio[start:end], whole[start + shift : end + shift])
    assert spoken.words[0][1] >= EDGE and spoken.words[-1][2] <= len(audio) - EDGE


@pytest.mark.parametrize("cut", [False, True])
def test_an_utterance_without_word_times_has_its_words_inside(cut):
    audio, spoken = speak(plan_of(PicoVoice(tract=0.9), cut=cut))
    assert spoken.words == []
    heard = audible(audio.astype(np.float32))
    assert (heard[-1] - heard[0]) / SAMPLE_RATE > 1.5
    assert audio[: round(0.04 * SAMPLE_RATE)].any() != cut


def test_a_corpus_with_such_voices_can_be_prepared(tmp_path):
    rng = np.random.default_rng(0)
    size = SIZES["tiny"]._replace(pico=0.5, cut=0.5)
    texts = {split: [TEXT] * 99 for split in ("train", "dev", "test")}
    planned = librispeech.plan_librispeech(size, texts, rng)
    voices = {plan.key: plan.voice for plan in planned.plans}
    parts = {plan.key: plan.path.split("/")[1] for plan in planned.plans}
    assert any(plan.cut for plan in planned.plans)
    assert {parts[k].split("-")[0] for k, v in voices.items() if isinstance(v, PicoVoice)} == {
        "train"
    }
    wanted = [plan for plan in planned.plans if plan.path.split("/")[1] == "train-clean-100"]
    assert {type(plan.voice) for plan in wanted} >= {PicoVoice}
    spoken = {}
    for plan in wanted:
        audio, spoken[plan.key] = speak(plan)
        write_audio(tmp_path / plan.path, audio)
    librispeech.write_librispeech(tmp_path, planned, spoken)
    folder = prepare_librispeech(tmp_path / "LibriSpeech", ["train-clean-100"], tmp_path / "out")
    timed = {plan.key for plan in wanted if isinstance(plan.voice, HibariVoice)}
    assert set(folder.folder.words or {}) == timed
    for plan in wanted:
        assert soundfile.info(tmp_path / plan.path).frames == spoken[plan.key].samples
