"""Under which conditions a voice is recorded: room, microphone, noise, and the channel's codec.

Rooms are image-source models (pyroomacoustics), microphones and noises are transforms of
audiomentations, codecs are those of libsndfile. No condition moves the speech in time.
"""

import functools
import io
import random
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np

from espnet_wabert.constants import SAMPLE_RATE

# libsndfile's format and subtype, and the sampling rate in Hz, of each channel.
CHANNELS = {
    "telephone": ("WAV", "ULAW", 8000),
    "mobile": ("WAV", "GSM610", 8000),
    "mp3": ("MP3", "MPEG_LAYER_III", SAMPLE_RATE),
    "vorbis": ("OGG", "VORBIS", SAMPLE_RATE),
}
# Slope of the noise's spectrum in dB per octave.
NOISES = {"white": 0.0, "pink": -3.01, "brown": -6.02}
BABBLE = "babble"
LARGEST_ORDER = 40  # of the reflections
WALL = 0.5  # m, smallest distance from the walls


class Conditions(NamedTuple):
    """The conditions of one recording."""

    level: float = -24.0  # dB below full scale, root mean square of the speech
    noise: str = "white"  # a key of `NOISES`, or babble
    snr: float = 60.0  # dB
    reverberation: float = 0.0  # s until -60 dB; 0: no room
    room: int = 0  # seed of the room and the places of speaker and microphone
    microphone: int | None = None  # seed of its frequency response; None: flat
    channel: str = ""  # a key of `CHANNELS`; "": none
    seed: int = 0  # of the noise


def record(speech: np.ndarray, conditions: Conditions) -> np.ndarray:
    """Return the recording (S,) float32 of speech (S,) at `SAMPLE_RATE`."""
    import audiomentations as transforms

    found = speech.astype(np.float32)
    if conditions.reverberation:
        found = add_room(found, conditions.reverberation, conditions.room)
    if conditions.microphone is not None:
        with seeded(conditions.microphone):
            found = transforms.SevenBandParametricEQ(-9.0, 9.0, p=1.0)(found, SAMPLE_RATE)
    found = at_level(found, conditions.level)
    found = add_noise(found, conditions.noise, conditions.snr, conditions.seed)
    if conditions.channel:
        found = through(found, conditions.channel)
    return found


def at_level(speech: np.ndarray, level: float) -> np.ndarray:
    """Scale speech so that its sound, without the silence, has a level in dB."""
    sound = speech[np.abs(speech) > 1e-3 * np.abs(speech).max(initial=0)]
    size = np.sqrt(np.mean(sound.astype(np.float64) ** 2)) if len(sound) else 1.0
    return speech * np.float32(10 ** (level / 20) / size)


def add_room(speech: np.ndarray, reverberation: float, seed: int) -> np.ndarray:
    """Let speech sound in a room; the direct sound keeps its time."""
    from scipy.signal import fftconvolve

    return fftconvolve(speech, room_response(reverberation, seed))[: len(speech)].astype(np.float32)


@functools.lru_cache(maxsize=64)
def room_response(reverberation: float, seed: int) -> np.ndarray:
    """Return the impulse response of a room, from its direct sound on, which has size 1."""
    import pyroomacoustics as rooms

    rng = np.random.default_rng(seed)
    # A room too small for its reverberation would need walls without absorption.
    size = np.array([rng.uniform(3, 8), rng.uniform(3, 6), rng.uniform(2.4, 3.5)])
    absorption, order = rooms.inverse_sabine(reverberation, size)
    room = rooms.ShoeBox(
        size,
        SAMPLE_RATE,
        materials=rooms.Material(absorption),
        max_order=min(order, LARGEST_ORDER),
    )
    speaker = rng.uniform(WALL, size - WALL)
    direction = rng.standard_normal(3)
    distance = rng.uniform(0.3, 1.5)  # m
    microphone = speaker + distance * direction / np.linalg.norm(direction)
    room.add_source(speaker)
    room.add_microphone(np.clip(microphone, WALL / 2, size - WALL / 2))
    room.compute_rir()
    response = room.rir[0][0]
    direct = int(np.abs(response).argmax())
    return (response[direct:] / np.abs(response[direct])).astype(np.float32)


def add_noise(speech: np.ndarray, noise: str, snr: float, seed: int) -> np.ndarray:
    """Add noise that is `snr` dB below the speech."""
    import audiomentations as transforms

    if noise == BABBLE:
        other = babble(len(speech), seed)
        size, wanted = (np.sqrt(np.mean(x.astype(np.float64) ** 2)) for x in (other, speech))
        return speech + other * np.float32(wanted / max(size, 1e-9) * 10 ** (-snr / 20))
    decay = NOISES[noise]
    with seeded(seed):
        return transforms.AddColorNoise(snr, snr, decay, decay, p=1.0)(speech, SAMPLE_RATE)


def babble(length: int, seed: int, voices: int = 6) -> np.ndarray:
    """Return several voices that speak at the same time (length,)."""
    rng = np.random.default_rng(seed)
    pool, total = _babblers(), np.zeros(length, np.float32)
    for index in rng.permutation(len(pool))[:voices]:
        voice = np.roll(pool[index], int(rng.integers(len(pool[index]))))
        total += np.resize(voice, length)
    return total


@functools.cache
def _babblers() -> list[np.ndarray]:
    """Return the speech of voices that no corpus has, at `SAMPLE_RATE`."""
    import soxr

    from espnet_wabert.mini.hibari import HibariVoice
    from espnet_wabert.mini.speech import Manner

    texts = (
        "some people say that the weather will be better at the end of the week",
        "could you pass me the salt, and then tell me what happened to your brother",
        "he went to the market, bought a basket of apples, and walked home along the river",
        "there is nothing on the radio tonight but the music of the old days",
    )
    found = []
    for number in range(12):
        voice = HibariVoice(0.5 + 0.06 * number, 0.86 + 0.025 * number)
        manner = Manner(rate=0.9 + 0.03 * number)
        speech = voice.speak(texts[number % len(texts)], manner, number)
        assert speech is not None  # these words and phonemes map
        found.append(at_level(soxr.resample(speech.samples, speech.rate, SAMPLE_RATE), -24.0))
    return found


def through(speech: np.ndarray, channel: str) -> np.ndarray:
    """Encode and decode speech with the codec of a channel."""
    import soundfile
    import soxr

    kind, subtype, rate = CHANNELS[channel]
    sent = soxr.resample(speech, SAMPLE_RATE, rate) if rate != SAMPLE_RATE else speech
    file = io.BytesIO()
    soundfile.write(file, np.clip(sent, -1, 1), rate, format=kind, subtype=subtype)
    file.seek(0)
    heard, _ = soundfile.read(file, dtype="float32")
    if rate != SAMPLE_RATE:
        heard = soxr.resample(heard, rate, SAMPLE_RATE)
    # Codecs add or drop some samples at the end.
    return np.pad(heard, (0, max(0, len(speech) - len(heard))))[: len(speech)].astype(np.float32)


@contextmanager
def seeded(seed: int):
    """Let the global random numbers, which the transforms use, depend on a seed; restore them."""
    kept = random.getstate(), np.random.get_state()
    random.seed(seed)
    np.random.seed(seed % 2**32)
    try:
        yield
    finally:
        random.setstate(kept[0])
        np.random.set_state(kept[1])
