"""Flite's English voices: three recorded speakers of CMU ARCTIC, and many derived from them.

They are statistical voices: a Scottish man (awb), an American man (rms) and an American woman
(slt). The engine has a pitch and a speed of its own. A longer or shorter vocal tract is speech at
another sampling rate, which moves resonances, pitch and speed alike; the engine's pitch and speed
then take their part back (rms has no pitch of its own to set). Each phoneme has its times.
"""

import ctypes
import functools
import shutil
import subprocess
from typing import NamedTuple

import numpy as np

from espnet_wabert.errors import UserError
from espnet_wabert.mini.speech import Manner, Speech, audible, sound_end, sound_start

VERSION = "flite-2.2"  # other versions sound differently
RATE = 16000  # Hz
NAMES = {"M": ("awb", "rms"), "F": ("slt",)}
REACH = int(0.080 * RATE)  # search range for the edge of the sound around a phoneme's time
FIRST = b"daughter1.R:SylStructure.daughter1.daughter1.R:Segment.p.end"  # of a token, in s
LAST = b"daughtern.R:SylStructure.daughtern.daughtern.R:Segment.end"


class FliteVoice(NamedTuple):
    """A speaker that is derived from one of the recorded ones."""

    speaker: str = "slt"
    pitch: float = 1.0  # factor
    tract: float = 1.0  # factor of the resonances: below 1 a longer vocal tract

    @property
    def name(self) -> str:
        """Return the numbers that make the voice."""
        return f"flite-{self.speaker}+pitch{self.pitch:.2f}+tract{self.tract:.2f}"

    def speak(self, text: str, manner: Manner, seed: int) -> Speech | None:
        """Synthesize words; None if words and tokens do not map one to one.

        Args:
            manner: without `range` and `effort`, which the engine does not have.
        """
        # How a sentence ends changes its melody; a stretch from its middle has no stop.
        end = str(np.random.default_rng(seed).choice([".", ".", "", ",", "?", "!"]))
        library = _library()
        library.clib.srand(seed)  # the voices' noise comes from the C library
        pitch = self.pitch * 2 ** (manner.pitch / 12) / self.tract
        samples, times = library.speak(self.speaker, text + end, pitch, self.tract / manner.rate)
        heard = audible(samples)
        if len(times) != len(text.split()) or not len(heard):
            return None
        return Speech(samples, round(RATE * self.tract), word_times(heard, times, text.split()))


def word_times(
    heard: np.ndarray, times: list[tuple[float, float]], words: list[str]
) -> list[tuple[int, int]]:
    """Start and end sample of each word; next to a pause they are the edges of the sound.

    Args:
        heard: the audible samples.
        times: start and end of each word's phonemes in seconds.
        words: a comma after a word is a pause.
    """
    edges = [[round(start * RATE), round(end * RATE)] for start, end in times]
    for index, word in enumerate(words):
        if index == 0 or words[index - 1].endswith(","):
            edges[index][0] = sound_start(heard, max(0, edges[index][0] - REACH // 2), REACH)
        if index == len(words) - 1 or word.endswith(","):
            edges[index][1] = sound_end(heard, edges[index][1] + REACH // 2, REACH)
    return [(start, max(start, end)) for start, end in edges]


def check_flite() -> None:
    """Raise an error that names the command if Flite is missing or of another version."""
    program = shutil.which("flite")
    said = ""
    if program:
        command = [program, "--version"]
        said = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    if VERSION not in said:
        found = "of another version" if program else "not installed"
        raise UserError(
            f"flite (voices of CMU ARCTIC): {found}, needed is {VERSION}: apt install flite"
        )


class _Wave(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_char_p),
        ("rate", ctypes.c_int),
        ("count", ctypes.c_int),
        ("channels", ctypes.c_int),
        ("samples", ctypes.POINTER(ctypes.c_short)),
    ]


class _Voice(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("features", ctypes.c_void_p)]


class _Library:
    """The loaded library and its voices."""

    def __init__(self):
        check_flite()
        self.clib = ctypes.CDLL(None)
        self.lib = _load("libflite.so.1")
        for name in ("libflite_cmulex.so.1", "libflite_usenglish.so.1"):
            _load(name)  # the voices take their symbols from these
        pointer, text = ctypes.c_void_p, ctypes.c_char_p
        for function, result, arguments in (
            ("flite_synth_text", pointer, [text, pointer]),
            ("utt_wave", ctypes.POINTER(_Wave), [pointer]),
            ("utt_relation", pointer, [pointer, text]),
            ("relation_head", pointer, [pointer]),
            ("item_next", pointer, [pointer]),
            ("ffeature_float", ctypes.c_float, [pointer, text]),
            ("feat_set_float", None, [pointer, text, ctypes.c_float]),
            ("delete_utterance", None, [pointer]),
        ):
            found = getattr(self.lib, function)
            found.restype, found.argtypes = result, arguments
        self.lib.flite_init()
        self.voices = {name: _register(name) for names in NAMES.values() for name in names}

    def speak(
        self, speaker: str, text: str, pitch: float, duration: float
    ) -> tuple[np.ndarray, list[tuple[float, float]]]:
        """Return the samples and the start and end of each token in seconds."""
        voice, lib = self.voices[speaker], self.lib
        lib.feat_set_float(voice.contents.features, b"f0_shift", pitch)
        lib.feat_set_float(voice.contents.features, b"duration_stretch", duration)
        spoken = lib.flite_synth_text(text.encode(), voice)
        wave = lib.utt_wave(spoken).contents
        data = np.ctypeslib.as_array(wave.samples, (wave.count,)).astype(np.float32) / 2**15
        times, token = [], lib.relation_head(lib.utt_relation(spoken, b"Token"))
        while token:
            times.append((lib.ffeature_float(token, FIRST), lib.ffeature_float(token, LAST)))
            token = lib.item_next(token)
        lib.delete_utterance(spoken)
        return data, times


def _load(name: str) -> ctypes.CDLL:
    try:
        return ctypes.CDLL(name, mode=ctypes.RTLD_GLOBAL)
    except OSError as error:
        raise UserError(f"flite (voices of CMU ARCTIC): {error}: apt install flite") from error


def _register(name: str):
    register = getattr(_load(f"libflite_cmu_us_{name}.so.1"), f"register_cmu_us_{name}")
    register.restype, register.argtypes = ctypes.POINTER(_Voice), [ctypes.c_char_p]
    return register(None)


@functools.cache
def _library() -> _Library:
    return _Library()
