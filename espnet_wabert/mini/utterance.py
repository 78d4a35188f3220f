"""One utterance of the embedded corpus: its plan, its synthesis and its audio file."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from espnet_wabert.alignment.chunking import SILENCE
from espnet_wabert.constants import SAMPLE_RATE
from espnet_wabert.mini.conditions import Conditions, record
from espnet_wabert.mini.speech import Manner, Speech, Voice, audible


class Plan(NamedTuple):
    """The plan of an utterance."""

    key: str  # unique within the embedded corpus
    path: str  # audio file, relative to the corpus folder
    text: str  # lower-case words; commas are pauses
    voice: Voice
    manner: Manner
    conditions: Conditions
    before: str = ""  # other words of the same voice around the utterance
    after: str = ""
    cut: bool = False  # close to its words


class Spoken(NamedTuple):
    """The annotation of a synthesized utterance; times in samples at `SAMPLE_RATE`."""

    key: str
    samples: int  # length of the file
    start: int  # the utterance in the file, with the silence around its words
    end: int
    words: list[tuple[str, int, int]]  # word, start and end in the file; empty: not known


PAUSE = (0.05, 0.50)  # s before and after the words
TIGHT = (-0.01, 0.02)  # s before and after the words of an utterance that is cut at them


def speak(plan: Plan) -> tuple[np.ndarray, Spoken] | None:
    """Synthesize an utterance and record it under its conditions.

    Returns:
        The samples (samples,) int16 at `SAMPLE_RATE` and their annotation, or None if the
        synthesizer did not map the words, or gave a word no duration.
    """
    rng = np.random.default_rng(plan.conditions.seed)
    texts = {"before": plan.before, "text": plan.text, "after": plan.after}
    pieces, at, marks, sound, words = [], 0, {}, (0, 0), []
    for role, text in texts.items():
        if not text:
            continue
        speech = plan.voice.speak(text, plan.manner, int(rng.integers(2**32)))
        if speech is None:
            return None
        lead, tail = (int(rng.uniform(*PAUSE) * SAMPLE_RATE) for _ in range(2))
        samples, sounds, times = _trim(speech)
        if any(end <= start for start, end in times):
            return None
        begin = at + lead
        if role == "text":
            marks = {"start": at, "end": begin + len(samples) + tail}
            sound = begin + sounds[0], begin + sounds[1]
            names = [word.rstrip(",") for word in text.split()] if times else []
            words = [
                (word, begin + start, begin + end)
                for word, (start, end) in zip(names, times, strict=True)
            ]
        pieces.append(np.pad(samples, (lead, tail)))
        at = begin + len(samples) + tail
    audio = record(np.concatenate(pieces), plan.conditions)
    spoken = Spoken(plan.key, len(audio), words=words, **marks)
    if plan.cut:
        audio, spoken = cut_at_words(audio, spoken, sound, rng)
    return to_int16(audio), spoken


def cut_at_words(
    audio: np.ndarray, spoken: Spoken, sound: tuple[int, int], rng
) -> tuple[np.ndarray, Spoken]:
    """Cut a recording close to its words, with silence around it as the aligner adds it.

    Args:
        sound: first sample of the words, and the end of the last one.
    """
    early, late = (round(rng.uniform(*TIGHT) * SAMPLE_RATE) for _ in range(2))
    first, last = max(0, sound[0] - early), min(len(audio), sound[1] + late)
    silence = round(SILENCE * SAMPLE_RATE)
    audio = np.pad(audio[first:last], silence)
    words = [
        (word, *(min(max(at, first), last) - first + silence for at in edges))
        for word, *edges in spoken.words
    ]
    return audio, Spoken(spoken.key, len(audio), 0, len(audio), words)


def _trim(speech: Speech) -> tuple[np.ndarray, tuple[int, int], list[tuple[int, int]]]:
    """Cut the synthesizer's silence at both ends and convert to `SAMPLE_RATE`.

    Returns:
        The samples, the first of the words and the end of the last one, and the times of the words
        if they are known.
    """
    import soxr

    if speech.words is None:
        heard = audible(speech.samples)
        edges = [(int(heard[0]), int(heard[-1]) + 1)]
    else:
        edges = speech.words
    margin = speech.rate // 50  # 20 ms, for what is too soft to be an edge
    first = max(0, edges[0][0] - margin)
    samples = speech.samples[first : edges[-1][1] + margin]
    cut = soxr.resample(samples, speech.rate, SAMPLE_RATE, quality="HQ")
    scale = SAMPLE_RATE / speech.rate
    times = [
        (round((start - first) * scale), min(round((end - first) * scale), len(cut)))
        for start, end in edges
    ]
    return cut, (times[0][0], times[-1][1]), [] if speech.words is None else times


def to_int16(audio: np.ndarray) -> np.ndarray:
    """Convert samples in -1..1 to 16-bit integers; what is larger is clipped."""
    return np.clip(np.round(audio * 2**15), -(2**15), 2**15 - 1).astype(np.int16)


def write_audio(path: Path, audio: np.ndarray) -> None:
    """Write FLAC, or NIST SPHERE (16-bit PCM) where the name ends in .wav, as TIMIT's do."""
    import soundfile

    path.parent.mkdir(parents=True, exist_ok=True)
    kind = "FLAC" if path.suffix.lower() == ".flac" else "NIST"
    soundfile.write(path, audio, SAMPLE_RATE, format=kind, subtype="PCM_16")
