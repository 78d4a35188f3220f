"""One utterance of the embedded corpus: its plan, its synthesis and its audio file."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from espnet_wabert.alignment.chunking import SILENCE
from espnet_wabert.constants import SAMPLE_RATE
from espnet_wabert.formats.audio import to_int16
from espnet_wabert.mini.conditions import Conditions, record
from espnet_wabert.mini.speech import Manner, Voice


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
        synthesizer did not give the time of every word, or gave a word no duration.
    """
    rng = np.random.default_rng(plan.conditions.seed)
    texts = {"before": plan.before, "text": plan.text, "after": plan.after}
    pieces, at, marks, words = [], 0, {}, []
    for role, text in texts.items():
        if not text:
            continue
        speech = plan.voice.speak(text, plan.manner, int(rng.integers(2**32)))
        if speech is None:
            return None
        lead, tail = (int(rng.uniform(*PAUSE) * SAMPLE_RATE) for _ in range(2))
        samples, times = _trim(speech.samples, speech.rate, speech.words)
        if any(end <= start for start, end in times):
            return None
        begin = at + lead
        if role == "text":
            marks = {"start": at, "end": begin + len(samples) + tail}
            words = [
                (word.rstrip(","), begin + start, begin + end)
                for word, (start, end) in zip(text.split() if times else (), times, strict=True)
            ]
        pieces.append(np.pad(samples, (lead, tail)))
        at = begin + len(samples) + tail
    audio = record(np.concatenate(pieces), plan.conditions)
    spoken = Spoken(plan.key, len(audio), words=words, **marks)
    if plan.cut:
        audio, spoken = cut_at_words(audio, spoken, rng)
    return to_int16(audio), spoken


def cut_at_words(audio: np.ndarray, spoken: Spoken, rng) -> tuple[np.ndarray, Spoken]:
    """Cut a recording close to its words, with silence around it as the aligner adds it."""
    early, late = (round(rng.uniform(*TIGHT) * SAMPLE_RATE) for _ in range(2))
    first = max(0, spoken.words[0][1] - early)
    last = min(len(audio), spoken.words[-1][2] + late)
    silence = round(SILENCE * SAMPLE_RATE)
    audio = np.pad(audio[first:last], silence)
    words = [
        (word, *(min(max(at, first), last) - first + silence for at in edges))
        for word, *edges in spoken.words
    ]
    return audio, Spoken(spoken.key, len(audio), 0, len(audio), words)


def _trim(
    samples: np.ndarray, rate: int, words: list[tuple[int, int]]
) -> tuple[np.ndarray, list[tuple[int, int]]]:
    """Cut the silence at both ends and convert to `SAMPLE_RATE`, with the times of the words."""
    import soxr

    margin = rate // 50  # 20 ms, for what is too soft to be an edge
    first = max(0, words[0][0] - margin) if words else 0
    last = words[-1][1] + margin if words else len(samples)
    cut = soxr.resample(samples[first:last], rate, SAMPLE_RATE, quality="HQ")
    scale = SAMPLE_RATE / rate
    times = [(round((s - first) * scale), round((e - first) * scale)) for s, e in words]
    return cut, [(s, min(e, len(cut))) for s, e in times]


def write_audio(path: Path, audio: np.ndarray) -> None:
    """Write FLAC, or NIST SPHERE (16-bit PCM) where the name ends in .wav, as TIMIT's do."""
    import soundfile

    path.parent.mkdir(parents=True, exist_ok=True)
    kind = "FLAC" if path.suffix.lower() == ".flac" else "NIST"
    soundfile.write(path, audio, SAMPLE_RATE, format=kind, subtype="PCM_16")
