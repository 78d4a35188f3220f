"""Recordings under worse conditions, and transcripts that are wrong: what a model makes of them."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from espnet_wabert.alignment.aligner import Alignment
from espnet_wabert.constants import SAMPLE_RATE
from espnet_wabert.formats.word import Word
from espnet_wabert.inference.api import WaBERTInference
from espnet_wabert.mini.conditions import BABBLE, add_noise, add_room, through
from espnet_wabert.scoring.boundaries import BoundaryScores, score_boundaries
from espnet_wabert.scoring.tokens import word_error_rate

BATCH = 8  # utterances
EVERY = "cif"  # the method that aligns every utterance


class Spoken(NamedTuple):
    """An utterance with its transcript, and its word times if they are known."""

    audio: np.ndarray  # (S,) float32 at `SAMPLE_RATE`
    text: str
    words: Sequence[Word] | None


class Result(NamedTuple):
    """What a model makes of utterances under one condition."""

    condition: str
    boundaries: dict[str, BoundaryScores]  # by method; empty without word times
    error_rate: float  # of reading without a transcript, by letters
    checked_rate: float | None  # of reading with a recognizer and letters
    doubted_right: float  # fraction of right transcripts that are called doubtful
    found_wrong: float  # fraction of transcripts of other utterances that are called doubtful


def soften(audio: np.ndarray) -> np.ndarray:
    """Return audio 30 dB softer, in 16 bits."""
    return np.round(audio * 10 ** (-30 / 20) * 2**15).astype(np.float32) / 2**15


def change_tempo(audio: np.ndarray, rate: float) -> np.ndarray:
    """Return audio that is spoken `rate` times as fast, with the same pitch."""
    from audiomentations import TimeStretch

    return TimeStretch(rate, rate, leave_length_unchanged=False, p=1.0)(audio, SAMPLE_RATE)


CONDITIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "clean": lambda audio: audio,
    **{
        f"{noise} noise, {snr} dB": partial(add_noise, noise=noise, snr=float(snr), seed=1)
        for noise in ("white", "pink", BABBLE)
        for snr in (20, 10, 5)
    },
    "telephone": partial(through, channel="telephone"),
    "tempo 0.8": partial(change_tempo, rate=0.8),
    "tempo 1.25": partial(change_tempo, rate=1.25),
    "room, 0.5 s": partial(add_room, reverberation=0.5, seed=1),
    "room, 0.8 s": partial(add_room, reverberation=0.8, seed=1),
    "30 dB softer": soften,
}


PAUSE = 25.0  # seconds


def under(spoken: Spoken, condition: str) -> Spoken:
    """Return an utterance under one of `CONDITIONS`, or of `BY_WORDS`, which need its words."""
    if condition in BY_WORDS:
        return BY_WORDS[condition](spoken)
    heard = CONDITIONS[condition](spoken.audio)
    factor = len(heard) / len(spoken.audio)
    words = [
        w._replace(start=w.start * factor, end=w.end * factor) for w in spoken.words or ()
    ] or None
    return spoken._replace(audio=heard, words=words)


def cut(spoken: Spoken) -> Spoken:
    """Return an utterance from the start of its first word to the end of its last one."""
    assert spoken.words
    first, last = (
        round(t * SAMPLE_RATE) for t in (max(0.0, spoken.words[0].start), spoken.words[-1].end)
    )
    start = first / SAMPLE_RATE
    words = [w._replace(start=w.start - start, end=w.end - start) for w in spoken.words]
    return spoken._replace(audio=spoken.audio[first:last], words=words)


def pause(spoken: Spoken) -> Spoken:
    """Return an utterance with a long pause before its middle word, as loud as its background."""
    assert spoken.words
    middle = spoken.words[len(spoken.words) // 2].start
    frames = spoken.audio[: len(spoken.audio) // 320 * 320].reshape(-1, 320)
    background = np.quantile(frames.std(axis=1), 0.1)
    noise = np.random.default_rng(1).normal(size=round(PAUSE * SAMPLE_RATE)) * background
    words = [
        w if w.start < middle else w._replace(start=w.start + PAUSE, end=w.end + PAUSE)
        for w in spoken.words
    ]
    audio = np.insert(spoken.audio, round(middle * SAMPLE_RATE), noise.astype(np.float32))
    return spoken._replace(audio=audio, words=words)


BY_WORDS: dict[str, Callable[[Spoken], Spoken]] = {
    "cut at the words": cut,  # nothing before the first word and after the last one
    f"pause of {PAUSE:g} s": pause,
}


def measure(
    inference: WaBERTInference,
    utterances: Sequence[Spoken],
    condition: str,
    reader: Callable[[Sequence[np.ndarray]], list[str]] | None = None,
) -> Result:
    """Align and read utterances under a condition, with right and with exchanged transcripts.

    Args:
        inference: an aligned model.
        utterances: what is said, without the condition.
        condition: one of `CONDITIONS` or `BY_WORDS`.
        reader: reads too, such as `JointReader`; None: letters alone.
    """
    heard = [under(spoken, condition) for spoken in utterances]
    texts = [spoken.text for spoken in heard]
    wrong = texts[1:] + texts[:1]
    limit = inference.aligner.min_confidence(EVERY)
    hypothesis: dict[str, dict[str, list[Word]]] = {}
    read: dict[str, str] = {}
    checked: dict[str, str] = {}
    right_low, wrong_low = [], []
    for first in range(0, len(heard), BATCH):
        part = slice(first, first + BATCH)
        audio = [spoken.audio for spoken in heard[part]]
        aligned, transcribed = inference.align_and_transcribe(audio, texts[part])
        exchanged = inference.align(audio, wrong[part])
        if reader is not None:
            checked |= {str(at): text for at, text in enumerate(reader(audio), start=first)}
        for at, (found, other, text) in enumerate(
            zip(aligned, exchanged, transcribed, strict=True), start=first
        ):
            read[str(at)] = text.text
            right_low.append(_doubted(found, limit))
            wrong_low.append(_doubted(other, limit))
            for name, words in found.words_by_method.items():
                hypothesis.setdefault(name, {})[str(at)] = words
    reference = {str(at): spoken.words for at, spoken in enumerate(heard) if spoken.words}
    boundaries = {
        name: score_boundaries(reference, {u: w for u, w in words.items() if u in reference})
        for name, words in hypothesis.items()
        if reference
    }
    said = {str(at): text for at, text in enumerate(texts)}
    return Result(
        condition, boundaries,
        word_error_rate(said, read), word_error_rate(said, checked) if checked else None,
        float(np.mean(right_low)), float(np.mean(wrong_low)),
    )  # fmt: skip


def _doubted(aligned: Alignment, limit: float) -> bool:
    confidence = aligned.by_method[EVERY].confidence
    return confidence is not None and confidence < limit
