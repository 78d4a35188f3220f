"""Recordings without speech: a model should read no words in them, and doubt each transcript."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from espnet_wabert.constants import SAMPLE_RATE
from espnet_wabert.inference.api import WaBERTInference

LETTERS_PER_SECOND = 14  # of speech
NOTES, NOTE = (220, 262, 330, 392, 440, 523), 0.25  # Hz; seconds


def _white(samples: int, rng: np.random.Generator) -> np.ndarray:
    return 0.02 * rng.normal(size=samples)


def _pink(samples: int, rng: np.random.Generator) -> np.ndarray:
    spectrum = np.fft.rfft(rng.normal(size=samples))
    spectrum /= np.sqrt(np.arange(len(spectrum)).clip(1))
    noise = np.fft.irfft(spectrum, samples)
    return 0.3 * noise / np.abs(noise).max()


def _hum(samples: int, rng: np.random.Generator) -> np.ndarray:
    return 0.1 * np.sin(2 * np.pi * 50 * np.arange(samples) / SAMPLE_RATE)


def _melody(samples: int, rng: np.random.Generator) -> np.ndarray:
    notes = rng.choice(NOTES, int(samples / SAMPLE_RATE / NOTE) + 1)
    hertz = np.repeat(notes, int(NOTE * SAMPLE_RATE))[:samples]
    return 0.2 * np.sin(2 * np.pi * np.cumsum(hertz) / SAMPLE_RATE)


KINDS: dict[str, Callable[[int, np.random.Generator], np.ndarray]] = {
    "silence": lambda samples, rng: np.zeros(samples),
    "dither of 16 bits": lambda samples, rng: rng.integers(-1, 2, samples) / 2**15,
    "white noise": _white,
    "pink noise": _pink,
    "hum of 50 Hz": _hum,
    "melody": _melody,
}


class Heard(NamedTuple):
    """What a model makes of recordings without speech."""

    words: int  # that it reads
    minutes: float
    doubted: float  # fraction of the transcripts


def listen(inference: WaBERTInference, texts: Sequence[str], kind: str, seed: int = 0) -> Heard:
    """Read recordings without speech, each as long as a transcript is, and align them with it."""
    rng = np.random.default_rng(seed)
    limit = inference.aligner.min_confidence("cif")
    words, total, doubted = 0, 0, []
    for text in texts:
        samples = int(SAMPLE_RATE * max(1.0, len(text) / LETTERS_PER_SECOND))
        audio = KINDS[kind](samples, rng).astype(np.float32)
        (read,), (aligned,) = inference.read([audio]), inference.align([audio], [text])
        words += len(read.split())
        total += samples
        confidence = aligned.by_method["cif"].confidence
        doubted.append(confidence is not None and confidence < limit)
    return Heard(words, total / SAMPLE_RATE / 60, float(np.mean(doubted)))
