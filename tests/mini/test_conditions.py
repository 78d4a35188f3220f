"""Rooms, microphones, noises and codecs of the embedded corpus."""

import random

import numpy as np
import pytest

from espnet_wabert.constants import SAMPLE_RATE
from espnet_wabert.mini.conditions import (
    BABBLE,
    CHANNELS,
    NOISES,
    Conditions,
    add_noise,
    add_room,
    at_level,
    babble,
    record,
    room_response,
    through,
)


def tone(seconds=1.0, hertz=440.0):
    times = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return (0.3 * np.sin(2 * np.pi * hertz * times)).astype(np.float32)


def click(at=4000, length=SAMPLE_RATE):
    samples = np.zeros(length, np.float32)
    samples[at : at + 40] = 0.5
    return samples


@pytest.mark.parametrize("noise", [*NOISES, BABBLE])
@pytest.mark.parametrize("snr", [20.0, 5.0])
def test_noise_is_as_loud_as_asked(noise, snr):
    speech = tone()
    added = add_noise(speech, noise, snr, 3) - speech
    ratio = 20 * np.log10(np.std(speech) / np.std(added))
    assert ratio == pytest.approx(snr, abs=0.5)


def test_pink_noise_has_less_energy_at_high_frequencies_than_white():
    def share_above(noise, hertz):
        added = add_noise(tone(4.0), noise, 0.0, 3) - tone(4.0)
        power = np.abs(np.fft.rfft(added)) ** 2
        edge = int(hertz * len(added) / SAMPLE_RATE)
        return power[edge:].sum() / power.sum()

    assert share_above("white", 4000) > 0.4 > 0.15 > share_above("pink", 4000)
    assert share_above("brown", 4000) < 0.05


@pytest.mark.parametrize("seconds", [0.2, 0.5, 0.8])
def test_a_room_reverberates_as_long_as_asked(seconds):
    """Measured by Schroeder's backward integration between -5 and -25 dB."""
    times = []
    for seed in range(4):
        energy = np.cumsum(room_response(seconds, seed)[::-1].astype(float) ** 2)[::-1]
        decibels = 10 * np.log10(energy / energy[0] + 1e-12)
        times.append(3 * (np.argmax(decibels < -25) - np.argmax(decibels < -5)) / SAMPLE_RATE)
    assert np.mean(times) == pytest.approx(seconds, rel=0.4)


def test_the_direct_sound_keeps_its_time():
    heard = add_room(click(), 0.4, 1)
    assert np.argmax(np.abs(heard) > 0.2) == 4000 and len(heard) == SAMPLE_RATE


@pytest.mark.parametrize("channel", CHANNELS)
def test_a_codec_keeps_length_and_time(channel):
    speech = at_level(babble(2 * SAMPLE_RATE, 1, voices=1), -24.0)
    heard = through(speech, channel)
    assert len(heard) == len(speech) and heard.dtype == np.float32
    # The lag of the largest correlation, of at most 50 ms.
    lags = np.arange(-800, 801)
    likeness = [
        np.dot(heard[800:-800], speech[800 - lag : len(speech) - 800 - lag]) for lag in lags
    ]
    assert abs(lags[int(np.argmax(likeness))]) < 0.002 * SAMPLE_RATE
    assert np.max(likeness) > 0.5 * np.dot(speech, speech)


def test_a_telephone_has_nothing_above_4_khz():
    heard = through(tone(hertz=6000.0), "telephone")
    assert np.std(heard) < 0.02 * np.std(tone(hertz=6000.0))


def test_recordings_depend_on_their_conditions_alone_and_leave_the_global_random_numbers():
    conditions = Conditions(-20.0, "pink", 15.0, 0.3, 4, 9, "mp3", 11)
    random.seed(1)
    np.random.seed(1)
    state = random.getstate(), np.random.get_state()[1].copy()
    first = record(tone(), conditions)
    assert random.getstate() == state[0] and np.array_equal(np.random.get_state()[1], state[1])
    np.random.seed(2)
    np.testing.assert_array_equal(first, record(tone(), conditions))
    assert not np.array_equal(first, record(tone(), conditions._replace(seed=12)))


@pytest.mark.parametrize("level", [-20.0, -40.0])
def test_the_level_is_that_of_the_sound_without_its_silence(level):
    padded = np.concatenate([np.zeros(SAMPLE_RATE, np.float32), tone()])
    heard = at_level(padded, level)[SAMPLE_RATE:]
    assert 20 * np.log10(np.sqrt(np.mean(heard**2))) == pytest.approx(level, abs=0.2)


def test_silence_stays_silence():
    assert not at_level(np.zeros(100, np.float32), -20.0).any()
