"""espeak-ng's speech and its word times, and the utterances made of them."""

import itertools
from pathlib import Path

import espeakng_loader
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from espnet_wabert.constants import SAMPLE_RATE
from espnet_wabert.mini import espeak
from espnet_wabert.mini.espeak import EVENT_PHONEME, EVENT_WORD, Prosody, speak, word_times
from espnet_wabert.mini.prosody import SHIFTS, manner_of
from espnet_wabert.mini.utterance import Plan
from espnet_wabert.mini.utterance import speak as speak_plan
from espnet_wabert.mini.voices import ACCENTS, LIMITS, VARIANTS, clip, make_speaker

OWN = Prosody(50, 50, 165)
VOICES = sorted(set(ACCENTS))


@pytest.mark.parametrize("accent", VOICES)
def test_one_time_a_word_even_where_the_dictionary_joins_two(accent):
    text = "it is one of the best, and in the end I am glad that it has been made".lower()
    speech = speak(text, f"{accent}+m3", OWN)
    assert speech is not None and len(speech.words) == len(text.split())
    bounds = [edge for word in speech.words for edge in word]
    assert bounds == sorted(bounds)
    assert all(end > start for start, end in speech.words)
    assert bounds[-1] <= len(speech.samples)


@pytest.mark.parametrize("variant", ["m3", "f1", "klatt4", "aunty"])
def test_words_beside_a_pause_begin_and_end_with_their_sound(variant):
    text = "so far so good, then some more of it, and all is well"
    samples, times = speak(text, f"gmw/en-US+{variant}", OWN)
    sound = np.abs(samples.astype(float))
    audible = espeak.AUDIBLE * np.percentile(sound, 99)
    ends = [i for i, word in enumerate(text.split()) if word.endswith(",")] + [len(times) - 1]
    gap_begins = [0] + [times[i][1] for i in ends]
    gap_ends = [times[0][0]] + [times[i + 1][0] for i in ends[:-1]] + [len(samples)]
    for begin, end in zip(gap_begins, gap_ends, strict=True):
        assert np.all(sound[begin:end] <= audible)
    for i in ends:
        assert sound[times[i][1] - 1] > audible
    pauses = [end - begin for begin, end in zip(gap_begins[1:-1], gap_ends[1:-1], strict=True)]
    assert min(pauses) > 0.1 * espeak.RATE
    inside = [sound[start:end].max() for start, end in times]
    assert min(inside) > 5 * audible


def test_unknown_voice_is_refused():
    with pytest.raises(ValueError, match="en-XX"):
        speak("hello", "gmw/en-XX", OWN)


@st.composite
def heard(draw):
    """Events of words, some followed by a pause, and samples that are silent in the pauses."""
    at, events, samples = 0, [], []
    for _ in range(draw(st.integers(1, 6))):
        length = draw(st.integers(100, 4000))
        events.append((EVENT_WORD, at, b""))
        events.append((EVENT_PHONEME, at, b"a"))
        quiet = draw(st.integers(0, 200))
        samples.append(np.r_[np.zeros(min(quiet, length - 1)), np.ones(length)][:length] * 1000)
        at += length
        if draw(st.booleans()):
            pause = draw(st.integers(500, 3000))
            events.append((EVENT_PHONEME, at, b"_:"))
            samples.append(np.zeros(pause))
            at += pause
    return events, np.concatenate(samples).astype(np.int16)


@given(heard())
def test_word_times_are_in_order_and_within_the_speech(given_speech):
    events, samples = given_speech
    times = word_times(events, samples)
    starts = [at for kind, at, _ in events if kind == EVENT_WORD]
    assert len(times) == len(starts)
    flat = [edge for word in times for edge in word]
    assert flat == sorted(flat) and flat[0] >= 0 and flat[-1] <= len(samples)
    for (start, end), reported in zip(times, starts, strict=True):
        assert reported <= start <= reported + espeak.REACH and end > start
    pauses = {at for kind, at, name in events if name == b"_:"}
    for (_, end), (start, _) in itertools.pairwise(times):
        assert end == start or any(end <= pause < start for pause in pauses)


def test_variants_of_the_splits_are_disjoint_and_exist():
    sets = {split: {v for found in of.values() for v in found} for split, of in VARIANTS.items()}
    assert not sets["train"] & sets["dev"] and not sets["test"] & (sets["train"] | sets["dev"])
    folder = Path(espeakng_loader.get_data_path()) / "voices" / "!v"
    for variant in set().union(*sets.values()):
        lines = (folder / variant).read_text(errors="replace").splitlines()
        settings = {line.split()[0]: line.split()[1:] for line in lines if line.strip()}
        assert set(settings.get("echo", ["0"])) == {"0"}, f"{variant} has an echo"
        # The breath of a formant voice is noise that no seed governs; klatt voices repeat theirs.
        quiet = set(settings.get("breath", ["0"])) == {"0"}
        assert quiet or "klatt" in settings, f"{variant} has breath"


@given(st.integers(0, 2**32 - 1), st.sampled_from(sorted(SHIFTS)))
def test_manners_stay_within_limits(seed, label):
    rng = np.random.default_rng(seed)
    speaker = make_speaker("x", "train", rng)
    for manner in (speaker.manner, manner_of(label, speaker.manner, rng)):
        assert manner == clip(manner)
        for value, (low, high) in zip(manner, LIMITS, strict=True):
            assert low <= value <= high


def test_sentiment_in_the_voice_changes_pitch_and_rate():
    """The median of a plain autocorrelation pitch, and the length, follow the label."""
    text, rng = "this is one of the more usual things that they do", np.random.default_rng(0)
    pitch, length = {}, {}
    for label in SHIFTS:
        samples, _ = speak(text, "gmw/en-US+m3", manner_of(label, Prosody(50, 50, 165), rng))
        pitch[label], length[label] = median_pitch(samples), len(samples)
    assert pitch["Negative"] < 0.85 * pitch["Neutral"] < 0.75 * pitch["Positive"]
    assert length["Negative"] > 1.1 * length["Neutral"] > 1.2 * length["Positive"]


def median_pitch(samples):
    found, frame = [], 1024
    for at in range(0, len(samples) - frame, 512):
        x = samples[at : at + frame].astype(float)
        if np.abs(x).max() < 2000:
            continue
        lags = np.correlate(x, x, "full")[frame - 1 :]
        best = np.argmax(lags[55:400]) + 55  # 400 down to 55 Hz
        if lags[best] > 0.5 * lags[0]:
            found.append(espeak.RATE / best)
    return np.median(found)


def plan(**changes):
    made = Plan("k", "k.flac", "well, this is it", "gmw/en-US+m1", OWN, seed=7)
    return made._replace(**changes)


def test_an_utterance_has_silence_level_and_noise_around_its_words():
    audio, spoken = speak_plan(plan())
    assert audio.dtype == np.int16 and spoken.samples == len(audio) == spoken.end
    assert [word for word, _, _ in spoken.words] == ["well", "this", "is", "it"]
    first, last = spoken.words[0][1], spoken.words[-1][2]
    assert 0.1 * SAMPLE_RATE <= first <= 0.6 * SAMPLE_RATE
    assert 0.1 * SAMPLE_RATE <= len(audio) - last <= 0.8 * SAMPLE_RATE
    speech = np.mean(audio[first:last].astype(float) ** 2)
    noise = np.mean(audio[: first - 80].astype(float) ** 2)
    assert noise > 0 and 10 * np.log10(speech / noise) > 20


def test_a_noisy_utterance_is_noisier():
    def ratio(audio, spoken):
        first = spoken.words[0][1] - 80
        return np.std(audio[first:].astype(float)) / np.std(audio[:first].astype(float))

    assert ratio(*speak_plan(plan(noisy=True))) < ratio(*speak_plan(plan()))


def test_context_lies_outside_the_utterance():
    text = "well, this is it"
    audio, spoken = speak_plan(plan(before="something came before", after="and after it too"))
    assert 0 < spoken.start < spoken.words[0][1] and spoken.words[-1][2] < spoken.end < len(audio)
    assert [word for word, _, _ in spoken.words] == text.replace(",", "").split()
