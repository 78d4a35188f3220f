"""espeak-ng's speech and its word times."""

import itertools
from pathlib import Path

import espeakng_loader
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from espnet_wabert.mini import espeak
from espnet_wabert.mini.espeak import (
    EVENT_PHONEME,
    EVENT_WORD,
    LIMITS,
    EspeakVoice,
    parameters,
    word_times,
)
from espnet_wabert.mini.speech import AUDIBLE, Manner
from espnet_wabert.mini.voices import ACCENTS, VARIANTS

OWN = Manner()
VOICES = sorted(set(ACCENTS))


@pytest.mark.parametrize("accent", VOICES)
def test_one_time_a_word_even_where_the_dictionary_joins_two(accent):
    text = "it is one of the best, and in the end I am glad that it has been made".lower()
    speech = EspeakVoice(f"{accent}+m3").speak(text, OWN, 0)
    assert speech is not None and len(speech.words) == len(text.split())
    bounds = [edge for word in speech.words for edge in word]
    assert bounds == sorted(bounds)
    assert all(end > start for start, end in speech.words)
    assert bounds[-1] <= len(speech.samples)


@pytest.mark.parametrize("variant", ["m3", "f1", "klatt4", "aunty"])
def test_words_beside_a_pause_begin_and_end_with_their_sound(variant):
    text = "so far so good, then some more of it, and all is well"
    samples, _, times = EspeakVoice(f"gmw/en-US+{variant}").speak(text, OWN, 0)
    sound = np.abs(samples)
    audible = AUDIBLE * np.percentile(sound, 99)
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
        EspeakVoice("gmw/en-XX").speak("hello", OWN, 0)


@st.composite
def heard(draw):
    """Events of words, some followed by a pause, and samples that are silent in the pauses."""
    at, events, samples = 0, [], []
    for _ in range(draw(st.integers(1, 6))):
        length = draw(st.integers(100, 4000))
        events.append((EVENT_WORD, at, b""))
        events.append((EVENT_PHONEME, at, b"a"))
        quiet = draw(st.integers(0, 200))
        samples.append(np.r_[np.zeros(min(quiet, length - 1)), np.ones(length)][:length])
        at += length
        if draw(st.booleans()):
            pause = draw(st.integers(500, 3000))
            events.append((EVENT_PHONEME, at, b"_:"))
            samples.append(np.zeros(pause))
            at += pause
    return events, np.concatenate(samples).astype(np.float32)


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


@given(st.floats(-40, 40), st.floats(0, 9), st.floats(0.1, 9))
def test_parameters_stay_within_the_limits_of_the_voices(pitch, spread, rate):
    for name, value in parameters(Manner(pitch, spread, rate)).items():
        assert isinstance(value, int) and LIMITS[name][0] <= value <= LIMITS[name][1]
