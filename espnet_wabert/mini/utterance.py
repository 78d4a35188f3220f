"""One utterance of the embedded corpus: its plan, its synthesis and its audio file."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from espnet_wabert.constants import SAMPLE_RATE
from espnet_wabert.mini import espeak
from espnet_wabert.mini.espeak import Prosody


class Plan(NamedTuple):
    """The plan of an utterance."""

    key: str  # unique within the embedded corpus
    path: str  # audio file, relative to the corpus folder
    text: str  # lower-case words; commas are pauses
    voice: str
    prosody: Prosody
    seed: int  # of the noise
    before: str = ""  # other words of the same voice around the utterance
    after: str = ""
    noisy: bool = False


class Spoken(NamedTuple):
    """The annotation of a synthesized utterance; times in samples at `SAMPLE_RATE`."""

    key: str
    samples: int  # length of the file
    start: int  # the utterance in the file, with the silence around its words
    end: int
    words: list[tuple[str, int, int]]  # word, start and end in the file


LEVEL = (-29.0, -18.0)  # dB below full scale, root mean square of the speech
SILENCE = (0.10, 0.50)  # s before and after the words
NOISE = (25.0, 45.0)  # dB below the speech; the noise floor of the silence too
NOISY = (12.0, 25.0)
COLOUR = (0.0, 0.9)  # pole of the low-pass filter of the noise


def speak(plan: Plan) -> tuple[np.ndarray, Spoken] | None:
    """Synthesize an utterance and add silence, level and noise.

    Returns:
        The samples (samples,) int16 at `SAMPLE_RATE` and their annotation, or None if espeak-ng did
        not give the time of every word.
    """
    rng = np.random.default_rng(plan.seed)
    texts = {"before": plan.before, "text": plan.text, "after": plan.after}
    pieces, at, marks, words = [], 0, {}, []
    for role, text in texts.items():
        if not text:
            continue
        speech = espeak.speak(text, plan.voice, plan.prosody)
        if speech is None:
            return None
        lead, tail = (int(rng.uniform(*SILENCE) * SAMPLE_RATE) for _ in range(2))
        samples = _resample(speech.samples)
        begin = at + lead
        if role == "text":
            marks = {"start": at, "end": begin + len(samples) + tail}
            words = _place(text, speech.words, begin)
        pieces.append(np.pad(samples, (lead, tail)))
        at = begin + len(samples) + tail
    audio = _record(np.concatenate(pieces), plan.noisy, rng)
    return audio, Spoken(plan.key, len(audio), words=words, **marks)


def _resample(samples: np.ndarray) -> np.ndarray:
    import soxr

    return soxr.resample(samples.astype(np.float32) / 2**15, espeak.RATE, SAMPLE_RATE, quality="HQ")


def _place(text: str, times: list[tuple[int, int]], begin: int) -> list[tuple[str, int, int]]:
    scale = SAMPLE_RATE / espeak.RATE
    return [
        (word.rstrip(","), begin + round(start * scale), begin + round(end * scale))
        for word, (start, end) in zip(text.split(), times, strict=True)
    ]


def _record(speech: np.ndarray, noisy: bool, rng) -> np.ndarray:
    """Add level and noise, and convert to int16."""
    active = speech[np.abs(speech) > 0]
    level = np.sqrt(np.mean(active.astype(np.float64) ** 2)) if len(active) else 1.0
    target = 10 ** (rng.uniform(*LEVEL) / 20)
    filtered = rng.uniform(*COLOUR) ** np.arange(64)  # truncated response of a one-pole filter
    noise = np.convolve(rng.standard_normal(len(speech)), filtered)[: len(speech)]
    below = 10 ** (-rng.uniform(*(NOISY if noisy else NOISE)) / 20)
    noise *= target * below / np.sqrt(np.mean(noise**2))
    mixed = speech * (target / level) + noise
    return np.clip(np.round(mixed * 2**15), -(2**15), 2**15 - 1).astype(np.int16)


def write_audio(path: Path, audio: np.ndarray) -> None:
    """Write FLAC, or NIST SPHERE (16-bit PCM) where the name ends in .wav, as TIMIT's do."""
    import soundfile

    path.parent.mkdir(parents=True, exist_ok=True)
    kind = "FLAC" if path.suffix.lower() == ".flac" else "NIST"
    soundfile.write(path, audio, SAMPLE_RATE, format=kind, subtype="PCM_16")
