"""What a voice of the embedded corpus gets and gives."""

from typing import NamedTuple, Protocol

import numpy as np


class Manner(NamedTuple):
    """How a speaker speaks, relative to the voice's own manner."""

    pitch: float = 0.0  # semitones above the voice's own pitch
    range: float = 1.0  # factor of the deviations from the mean pitch; 0 is monotone
    rate: float = 1.0  # factor of the speed
    effort: float = 0.0  # dB per octave added to the spectrum: a raised voice has a flatter one


class Speech(NamedTuple):
    """One spoken text."""

    samples: np.ndarray  # (S,) float32 in -1..1
    rate: int  # Hz
    words: list[tuple[int, int]]  # start and end sample of each word; empty: not known


class Voice(Protocol):
    """A voice of a synthesizer, or a recorded one; its values are all that it depends on."""

    @property
    def name(self) -> str:
        """Return a name without spaces, for lists of speakers."""

    def speak(self, text: str, manner: Manner, seed: int) -> Speech | None:
        """Say words; None if a synthesizer does not give the time of every word.

        Args:
            text: lower-case words parted by single spaces, some with a comma after them.
            seed: of the voice's noise.
        """


# An edge next to silence is the first (last) sample above this fraction of the level.
AUDIBLE = 0.01


def audible(samples: np.ndarray) -> np.ndarray:
    """Return the indices of the samples that are not silence."""
    sizes = np.abs(samples)
    level = np.percentile(sizes, 99) if len(sizes) else 0.0
    return np.flatnonzero(sizes > AUDIBLE * level)


def sound_start(heard: np.ndarray, at: int, reach: int) -> int:
    """Return the first audible sample after `at`; `at` if there is none within `reach`."""
    later = heard[np.searchsorted(heard, at) :]
    return int(later[0]) if len(later) and later[0] - at <= reach else at


def sound_end(heard: np.ndarray, at: int, reach: int) -> int:
    """Return the end of the last audible sample before `at`; `at` if none is within `reach`."""
    earlier = heard[: np.searchsorted(heard, at)]
    return int(earlier[-1]) + 1 if len(earlier) and at - earlier[-1] <= reach else at
