"""Speakers, natural voices and their word times, and the utterances made of them."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from espnet_wabert.alignment.pocketsphinx_aligner import NotAlignedError, PocketsphinxAligner
from espnet_wabert.constants import SAMPLE_RATE
from espnet_wabert.errors import UserError
from espnet_wabert.mini import hibari
from espnet_wabert.mini.conditions import Conditions
from espnet_wabert.mini.espeak import EspeakVoice
from espnet_wabert.mini.hibari import BINS, HibariVoice, scale_pitch, warp, word_spans, word_times
from espnet_wabert.mini.prosody import SHIFTS, manner_of
from espnet_wabert.mini.speech import Manner
from espnet_wabert.mini.utterance import Plan, speak
from espnet_wabert.mini.voices import BIN, draw_conditions, make_speaker

TEXT = "the weather was fine, so we walked along the river for an hour"
VOICES = {
    "recorded": HibariVoice(),
    "man": HibariVoice(0.6, 0.88),
    "deep": HibariVoice(0.5, 0.84, 0.5, -2.0),
    "child": HibariVoice(1.25, 1.14, -1.0, 2.0),
}


@pytest.mark.parametrize("voice", VOICES.values(), ids=VOICES)
def test_words_have_the_times_of_a_second_aligner(voice):
    """pocketsphinx places inner boundaries to 10 ms, and opens words before a pause earlier."""
    aligner, errors = PocketsphinxAligner(), []
    for seed, text in enumerate((TEXT, "it is one of the best films that i have ever seen")):
        plan = plan_of(text, voice, conditions=Conditions(seed=seed))
        audio, spoken = speak(plan)
        try:
            found = aligner(audio.astype(np.float32) / 2**15, " ".join(w for w, *_ in spoken.words))
        except NotAlignedError:
            continue
        own = [start / SAMPLE_RATE for _, start, _ in spoken.words]
        errors += [ours - theirs.start for ours, theirs in zip(own, found, strict=True)][1:]
    assert len(errors) >= 10
    assert abs(np.median(errors)) < 0.02 and np.median(np.abs(errors)) < 0.03


def test_a_pause_is_between_its_words_and_belongs_to_none():
    speech = HibariVoice().speak(TEXT, Manner(), 3)
    edges = [edge for word in speech.words for edge in word]
    assert edges == sorted(edges) and len(speech.words) == len(TEXT.split())
    pauses = [b[0] - a[1] for a, b in itertools.pairwise(speech.words)]
    assert pauses[3] > 0.05 * speech.rate and sum(pauses) == pauses[3]
    sound = np.abs(speech.samples)
    assert sound[: speech.words[0][0]].max() < 0.02 * sound.max()
    assert sound[speech.words[-1][1] :].max() < 0.02 * sound.max()


def test_the_same_seed_gives_the_same_samples():
    first, second = (HibariVoice(0.7, 0.9).speak(TEXT, Manner(1.0), 5).samples for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_spans_skip_stops_and_characters_without_an_id():
    vocabulary = {c: i for i, c in enumerate(" ,abcd", 1)}
    assert word_spans("ab, c?d", vocabulary) == [(1, 2), (5, 6)]
    assert word_spans("", vocabulary) == []


def test_a_sentence_whose_words_and_phonemes_do_not_map_is_not_spoken():
    assert HibariVoice().speak("well , this", Manner(), 0) is None


@given(st.lists(st.tuples(st.integers(1, 5), st.integers(1, 20), st.booleans()), min_size=1))
def test_word_times_are_in_order_whatever_the_durations(drawn):
    spans, durations, at = [], [4], 1
    for count, length, _ in drawn:
        spans.append((at, at + count - 1))
        durations += [length] * count + [1]
        at += count + 1
    ends = np.cumsum(durations) * hibari.UNIT
    samples = np.random.default_rng(0).standard_normal(int(ends[-1]))
    times = word_times(samples.astype(np.float32), ends, spans, [p for *_, p in drawn])
    edges = [edge for word in times for edge in word]
    assert edges[0] >= 0 and edges[-1] <= len(samples)
    assert all(b >= a for a, b in times)
    assert [a for a, _ in times] == sorted(a for a, _ in times)


@given(st.floats(0.8, 1.2))
def test_warping_moves_a_resonance_and_keeps_both_ends(factor):
    bins = np.arange(BINS, dtype=np.float32)[:, None]
    warped = warp(bins, factor)
    assert warped[0, 0] == 0 and warped[-1, 0] == pytest.approx(BINS - 1, abs=1e-3)
    assert np.all(np.diff(warped[:, 0]) >= 0)
    assert warped[200, 0] == pytest.approx(200 / factor, abs=1e-2)


@given(st.floats(0.5, 1.3), st.floats(0.3, 2.0))
def test_a_scaled_melody_keeps_its_mean_and_its_silence(factor, spread):
    pitch = np.array([0, 180, 200, 240, 0, 220], np.float32)
    scaled = scale_pitch(pitch, factor, spread)
    assert np.array_equal(scaled == 0, pitch == 0)
    if spread == 1.0:
        np.testing.assert_allclose(scaled, factor * pitch, rtol=1e-5)
    middle = np.exp(np.log(pitch[pitch > 0]).mean())
    assert np.exp(np.log(scaled[scaled > 0]).mean()) == pytest.approx(factor * middle, rel=1e-3)


@pytest.mark.parametrize("found", ["0.1.0", None])
def test_a_package_of_another_version_is_one_line(monkeypatch, found):
    def version(package):
        if found is None:
            raise hibari.PackageNotFoundError(package)
        return found

    monkeypatch.setattr(hibari, "version", version)
    with pytest.raises(UserError, match=r"hibari-tts.*needed is 0.2.1: pip install") as caught:
        hibari.check_package()
    assert (found or "not installed") in str(caught.value) and "\n" not in str(caught.value)


@given(st.integers(0, 2**32 - 1))
def test_no_vocal_tract_is_in_two_splits(seed):
    rng = np.random.default_rng(seed)
    bins = {}
    for split in ("train", "dev", "test"):
        speakers = [make_speaker("x", split, 0.0, rng) for _ in range(8)]
        bins[split] = {int(speaker.voice.tract / BIN + 1e-9) for speaker in speakers}
    assert not bins["test"] & (bins["train"] | bins["dev"]) and not bins["dev"] & bins["train"]


def test_a_share_of_the_speakers_has_a_voice_of_espeak():
    rng = np.random.default_rng(0)
    voices = [make_speaker("x", "train", 0.25, rng).voice for _ in range(400)]
    assert 60 <= sum(isinstance(voice, EspeakVoice) for voice in voices) <= 140


@pytest.mark.parametrize("voice", [HibariVoice(0.6, 0.9), EspeakVoice("gmw/en-US+m3")])
def test_sentiment_in_the_voice_changes_pitch_and_rate(voice):
    """The median of a plain autocorrelation pitch, and the length, follow the label.

    Of three sentences: the frames that have a pitch in one of them depend on the CPU's rounding.
    """
    texts = (
        "this is one of the more usual things that they do",
        "the film was seen by many people in the old town last year",
        "we went to the house and sat down for a while",
    )
    rng, pitch, length = np.random.default_rng(0), {}, {}
    for label in SHIFTS:
        manner, found, length[label] = manner_of(label, Manner(), rng), [], 0
        for text in texts:
            samples, rate, times = voice.speak(text, manner, 1)
            found += pitches(samples, rate)
            length[label] += times[-1][1] - times[0][0]
        pitch[label] = np.median(found)
    assert pitch["Negative"] < 0.95 * pitch["Neutral"] < 0.9 * pitch["Positive"]
    assert length["Negative"] > length["Neutral"] > length["Positive"]
    assert length["Negative"] > 1.2 * length["Positive"]


def pitches(samples, rate):
    """Return the pitch in Hz of each frame that has one."""
    found, frame = [], 1024
    for at in range(0, len(samples) - frame, 512):
        x = samples[at : at + frame].astype(float)
        if np.abs(x).max() < 0.1 * np.abs(samples).max():
            continue
        lags = np.correlate(x, x, "full")[frame - 1 :]
        first = rate // 400
        best = np.argmax(lags[first : rate // 55]) + first
        if lags[best] > 0.5 * lags[0]:
            found.append(rate / best)
    return found


def plan_of(text="well, this is it", voice=VOICES["man"], **changes):
    made = Plan("k", "k.flac", text, voice, Manner(), Conditions(snr=30.0, seed=7))
    return made._replace(**changes)


@pytest.mark.parametrize("voice", [VOICES["man"], EspeakVoice("gmw/en-US+m1")])
def test_an_utterance_has_silence_level_and_noise_around_its_words(voice):
    audio, spoken = speak(plan_of(voice=voice))
    assert audio.dtype == np.int16 and spoken.samples == len(audio) == spoken.end
    assert [word for word, _, _ in spoken.words] == ["well", "this", "is", "it"]
    first, last = spoken.words[0][1], spoken.words[-1][2]
    assert 0.05 * SAMPLE_RATE <= first <= 0.6 * SAMPLE_RATE
    assert 0.05 * SAMPLE_RATE <= len(audio) - last <= 0.6 * SAMPLE_RATE
    speech = np.mean(audio[first:last].astype(float) ** 2)
    noise = np.mean(audio[: first - 400].astype(float) ** 2)
    assert noise > 0 and 10 * np.log10(speech / noise) > 20


def test_context_lies_outside_the_utterance():
    plan = plan_of(before="something came before", after="and after it too")
    audio, spoken = speak(plan)
    assert 0 < spoken.start < spoken.words[0][1] and spoken.words[-1][2] < spoken.end < len(audio)
    assert [word for word, _, _ in spoken.words] == plan.text.replace(",", "").split()


def test_conditions_of_noisy_recordings_are_worse():
    rng = np.random.default_rng(1)
    speaker = make_speaker("x", "train", 0.0, rng)
    clean, noisy = ([draw_conditions(speaker, n, rng) for _ in range(99)] for n in (False, True))
    assert np.mean([c.snr for c in noisy]) < np.mean([c.snr for c in clean]) - 10
    assert sum(bool(c.channel) for c in noisy) > 2 * sum(bool(c.channel) for c in clean)
    assert {c.room for c in clean + noisy} == {speaker.room}  # a speaker stays in one room
