"""Flite's voices, recordings that are cut at their words, and a corpus of both."""

import shutil

import librosa
import numpy as np
import pytest
import soundfile

from espnet_wabert.alignment.chunking import SILENCE, is_cut
from espnet_wabert.constants import SAMPLE_RATE
from espnet_wabert.corpora.librispeech import prepare_librispeech
from espnet_wabert.errors import UserError
from espnet_wabert.mini import flite, librispeech
from espnet_wabert.mini.conditions import Conditions
from espnet_wabert.mini.hibari import HibariVoice
from espnet_wabert.mini.sizes import SIZES
from espnet_wabert.mini.speech import Manner, audible
from espnet_wabert.mini.utterance import Plan, speak, write_audio

needs_flite = pytest.mark.skipif(
    shutil.which("flite") is None, reason="flite (apt) is not installed; only make box needs it"
)
TEXT = "the weather was fine, so we walked along the river"
EDGE = round(SILENCE * SAMPLE_RATE)


def length(voice, manner=None):
    speech = voice.speak(TEXT, manner or Manner(), 3)
    heard = audible(speech.samples)
    return (heard[-1] - heard[0]) / speech.rate


@needs_flite
@pytest.mark.parametrize("speaker", sorted(sum(flite.NAMES.values(), ())))
def test_a_voice_is_repeatable_and_its_words_are_in_order(speaker):
    voice = flite.FliteVoice(speaker, 0.9, 0.95)
    first, _, second = (voice.speak(TEXT, Manner(), seed) for seed in (5, 6, 5))
    np.testing.assert_array_equal(first.samples, second.samples)
    assert first.words == second.words and len(first.words) == len(TEXT.split())
    edges = [edge for word in first.words for edge in word]
    assert edges == sorted(edges)
    assert 0.1 < (first.words[3][0] - first.words[2][0]) / first.rate < 0.5  # "was"


@needs_flite
def test_a_pause_has_no_word_and_words_have_the_sound():
    speech = flite.FliteVoice("slt").speak(TEXT, Manner(), 5)
    pause = speech.words[3][1], speech.words[4][0]
    assert pause[1] - pause[0] > 0.05 * speech.rate
    assert np.abs(speech.samples[slice(*pause)]).max() < 0.2 * np.abs(speech.samples).max()
    heard = audible(speech.samples)
    assert speech.words[0][0] == heard[0] and speech.words[-1][1] == heard[-1] + 1


@needs_flite
def test_another_vocal_tract_keeps_the_speed():
    plain = length(flite.FliteVoice())
    assert length(flite.FliteVoice(tract=0.85)) == pytest.approx(plain, rel=0.1)
    assert length(flite.FliteVoice(tract=1.15)) == pytest.approx(plain, rel=0.1)
    assert length(flite.FliteVoice(), Manner(rate=1.5)) == pytest.approx(plain / 1.5, rel=0.1)


@needs_flite
def test_the_pitch_follows_the_voice_and_the_manner():
    def pitch(voice, manner):
        speech = voice.speak(TEXT, manner, 3)
        return np.median(librosa.yin(speech.samples, fmin=60, fmax=400, sr=speech.rate))

    plain = pitch(flite.FliteVoice(), Manner())
    assert pitch(flite.FliteVoice(pitch=0.8), Manner()) == pytest.approx(0.8 * plain, rel=0.08)
    assert pitch(flite.FliteVoice(tract=1.1), Manner()) == pytest.approx(plain, rel=0.08)
    assert pitch(flite.FliteVoice(), Manner(pitch=3.0)) == pytest.approx(1.19 * plain, rel=0.08)


@pytest.mark.parametrize("said", [None, "version: flite-1.4-release"])
def test_no_flite_or_another_version_is_one_line(monkeypatch, tmp_path, said):
    if said:
        program = tmp_path / "flite"
        program.write_text(f"#!/bin/sh\necho '{said}'\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match=r"needed is flite-2.2: apt install flite") as caught:
        flite.check_flite()
    assert "\n" not in str(caught.value)
    assert ("another version" if said else "not installed") in str(caught.value)


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


@needs_flite
def test_a_corpus_with_such_voices_can_be_prepared(tmp_path):
    rng = np.random.default_rng(0)
    size = SIZES["tiny"]._replace(flite=0.5, cut=0.5)
    texts = {split: [TEXT] * 99 for split in ("train", "dev", "test")}
    planned = librispeech.plan_librispeech(size, texts, rng)
    voices = {plan.key: plan.voice for plan in planned.plans}
    parts = {plan.key: plan.path.split("/")[1] for plan in planned.plans}
    assert any(plan.cut for plan in planned.plans)
    assert {
        parts[k].split("-")[0] for k, v in voices.items() if isinstance(v, flite.FliteVoice)
    } == {"train"}
    wanted = [plan for plan in planned.plans if plan.path.split("/")[1] == "train-clean-100"]
    assert {type(plan.voice) for plan in wanted} >= {flite.FliteVoice}
    spoken = {}
    for plan in wanted:
        audio, spoken[plan.key] = speak(plan)
        write_audio(tmp_path / plan.path, audio)
    librispeech.write_librispeech(tmp_path, planned, spoken)
    folder = prepare_librispeech(tmp_path / "LibriSpeech", ["train-clean-100"], tmp_path / "out")
    assert set(folder.folder.words or {}) == {plan.key for plan in wanted}
    for plan in wanted:
        assert soundfile.info(tmp_path / plan.path).frames == spoken[plan.key].samples
