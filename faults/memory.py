"""Alignment and classification in a loop: the memory of the process stays flat."""

import ctypes
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
from tiny import arguments, save, text_arguments

from espnet_wabert.inference.api import WaBERTInference
from espnet_wabert.inference.pipeline import WaBERT
from espnet_wabert.models.checkpoint import pack
from faults.outcomes import Outcome, Verdict

WARM_UP = 0.4  # of the time: what is compiled and cached once
LENGTHS = range(4000, 64001)  # samples
GROWTH = 32.0  # MB that the later part may grow, which is noise of the allocator
TEXTS = ("the good film", "a bad film and not the good", "good")


def loop(minutes: float, work: Path) -> Iterator[float]:
    """Align and classify recordings of random lengths; yield the memory in MB after each round."""
    tiny = pack(save(arguments(), work / "aligner"), work / "aligner.zip", with_teacher=True)
    aligner = WaBERT.from_pretrained(tiny)
    classifiers = [
        WaBERTInference.from_pretrained(save(args, work / name))
        for name, args in (("speech", arguments("wabert_sentiment")), ("text", text_arguments()))
    ]
    process, rng = psutil.Process(), np.random.default_rng(0)
    end = time.monotonic() + 60 * minutes
    while time.monotonic() < end:
        speech = [
            (rng.normal(size=int(rng.choice(LENGTHS))) * 0.1).astype(np.float32) for _ in TEXTS
        ]
        aligner.align(speech, list(TEXTS))
        classifiers[0].classify(speech)
        classifiers[1].classify(list(TEXTS))
        give_back()
        yield process.memory_info().rss / 1e6


def give_back() -> None:
    """Give freed memory back to the system, which glibc would keep for the next allocation.

    Of many different sizes it keeps more and more, which is no leak.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def verdict(minutes: float, work: Path) -> tuple[Verdict, dict[str, float]]:
    """Return whether the memory stays flat, and the figures."""
    sizes = list(loop(minutes, work))
    kept = sizes[int(WARM_UP * len(sizes)) :]
    third = max(1, len(kept) // 3)
    growth = float(np.median(kept[-third:]) - np.median(kept[:third]))
    figures = {
        "minutes": minutes,
        "rounds": len(sizes),
        "recordings": 3 * len(sizes),
        "megabytes": round(sizes[-1]),
        "growth_megabytes": round(growth, 1),
    }
    outcome = Outcome.RIGHT if growth < GROWTH else Outcome.WRONG
    return Verdict(outcome, f"memory grows by {growth:.1f} MB"), figures
