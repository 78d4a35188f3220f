"""espeak-ng through its C library: speech with the exact time of every word.

Three properties of the library: it keeps state between calls (noise, flutter), so only a new
process with the same calls in the same order gives the same audio; its dictionary joins pairs such
as "of the" to one word, which a word joiner between the words prevents; and the reported onset of a
word after a pause is 0 to 50 ms early, depending on the phoneme.
"""

import ctypes
import functools
from typing import NamedTuple

import numpy as np

from espnet_wabert.mini.speech import Manner, Speech, audible, sound_end, sound_start

RATE = 22050  # Hz, of every formant voice
EVENT_END, EVENT_WORD, EVENT_PHONEME = 0, 1, 7
RETRIEVAL, PHONEME_EVENTS, UTF8 = 1, 1, 1
PARAMETERS = {"rate": 1, "volume": 2, "pitch": 3, "range": 4}
JOINER = " \u2060"  # a space and U+2060, which no dictionary entry contains
BUFFER_MS = 200

REACH = int(0.060 * RATE)  # search range for the edge of the sound around the reported time
STEPS = 50 / 12  # of the parameter `pitch` in a semitone: 50 are about an octave
SPEED = 165  # words per minute
LIMITS = {"pitch": (2, 98), "range": (2, 98), "rate": (95, 300)}


class EspeakVoice(NamedTuple):
    """A language and a variant of espeak-ng, such as "gmw/en-US+m3"."""

    name: str

    def speak(self, text: str, manner: Manner, seed: int) -> Speech | None:
        """Synthesize words; commas are pauses.

        Args:
            text: lower-case words parted by single spaces, some with a comma after them.
            manner: without `effort`, which espeak-ng does not have.
            seed: not used: espeak-ng's random numbers cannot be set.

        Returns:
            The speech and the times of its words, or None if espeak did not report one event per
            word (about one sentence in a thousand).
        """
        return speak(text, self.name, parameters(manner))


def parameters(manner: Manner) -> dict[str, int]:
    """Return a manner in espeak's units, whole numbers within the limits of the voices."""
    values = {
        "pitch": 50 + STEPS * manner.pitch,  # 0 to 99; 50 is the voice's own
        "range": 50 * manner.range,  # 0 to 99; 0 is monotone, 50 the voice's own
        "rate": SPEED * manner.rate,  # words per minute, 80 to 450
    }
    return {
        name: int(min(max(round(value), LIMITS[name][0]), LIMITS[name][1]))
        for name, value in values.items()
    }


class _Event(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),  # whole milliseconds: too coarse
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("name", ctypes.c_char * 8),
    ]


_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


class _Library:
    """The loaded library and the data of its callback."""

    def __init__(self):
        import espeakng_loader

        self.lib = ctypes.CDLL(espeakng_loader.get_library_path())
        data = espeakng_loader.get_data_path().encode()
        rate = self.lib.espeak_Initialize(RETRIEVAL, BUFFER_MS, data, PHONEME_EVENTS)
        if rate != RATE:
            raise RuntimeError(f"espeak-ng gives {rate} Hz instead of {RATE}")
        self.chunks, self.events = [], []
        self.voice = None
        self.callback = _Callback(self._receive)  # a reference, so that Python does not free it
        self.lib.espeak_SetSynthCallback(self.callback)

    def _receive(self, wave, count, events):
        if count > 0:
            self.chunks.append(np.ctypeslib.as_array(wave, (count,)).copy())
        index = 0
        while events[index].type != EVENT_END:
            event = events[index]
            self.events.append((event.type, event.sample, event.name))
            index += 1
        return 0

    def choose(self, voice: str) -> None:
        if voice != self.voice and self.lib.espeak_SetVoiceByName(voice.encode()) != 0:
            raise ValueError(f"espeak-ng has no voice {voice!r}")
        self.voice = voice


@functools.cache
def _library() -> _Library:
    return _Library()


def speak(text: str, voice: str, settings: dict[str, int]) -> Speech | None:
    """Synthesize words with a voice and parameters in espeak's units."""
    library = _library()
    library.choose(voice)
    for name, value in settings.items():
        library.lib.espeak_SetParameter(PARAMETERS[name], value, 0)
    library.chunks.clear()
    library.events.clear()
    words = text.split()
    data = JOINER.join(words).encode() + b"\0"
    if library.lib.espeak_Synth(data, len(data), 0, 1, 0, UTF8, None, None) != 0:
        raise RuntimeError(f"espeak-ng could not speak {text!r}")
    library.lib.espeak_Synchronize()
    samples = np.concatenate(library.chunks) if library.chunks else np.zeros(0, np.int16)
    speech = samples.astype(np.float32) / 2**15
    times = word_times(library.events, speech)
    return Speech(speech, RATE, times) if len(times) == len(words) else None


def word_times(events: list[tuple], samples: np.ndarray) -> list[tuple[int, int]]:
    """Start and end of each word from the events `(type, sample, phoneme)`, in order of time.

    Two words without a pause share a boundary, the event of the second. Next to a pause (a phoneme
    whose name begins with "_") the boundary is the edge of the sound.
    """
    heard = audible(samples)
    starts = [at for kind, at, _ in events if kind == EVENT_WORD]
    pauses = [at for kind, at, name in events if kind == EVENT_PHONEME and name[:1] == b"_"]
    times, after_pause = [], True
    for start, following in zip(starts, [*starts[1:], len(samples)], strict=True):
        pause = next((at for at in pauses if start < at <= following), None)
        end = following if pause is None else max(start, sound_end(heard, pause, REACH))
        times.append((min(sound_start(heard, start, REACH), end) if after_pause else start, end))
        after_pause = pause is not None
    return times
