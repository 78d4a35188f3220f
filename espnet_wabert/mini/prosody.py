"""Prosody of sentiments in the voice part of the embedded SLUE set.

The numbers shift the speaker's manner in espeak-ng's units: pitch and range from 0 to 99, where 50
steps are about an octave (twice the range), and a factor of words per minute. They follow reports
of listeners: a positive voice is higher, wider and faster, a negative one lower, narrower and
slower. Each utterance has random jitter, and the speaker's own pitch is unknown, so that the label
cannot always be recovered from the voice.
"""

from typing import NamedTuple

from espnet_wabert.mini.espeak import Prosody
from espnet_wabert.mini.voices import clip, jitter


class Shift(NamedTuple):
    """Change of the manner of speaking by a sentiment."""

    pitch: float  # added
    range: float  # added
    rate: float  # factor


SHIFTS = {
    "Negative": Shift(pitch=-26, range=-36, rate=0.76),
    "Neutral": Shift(pitch=0, range=0, rate=1.0),
    "Positive": Shift(pitch=26, range=36, rate=1.24),
}


def manner_of(label: str, manner: Prosody, rng) -> Prosody:
    """Return the manner of a speaker in one utterance with a sentiment in the voice."""
    shift = SHIFTS[label]
    shifted = Prosody(
        manner.pitch + shift.pitch, manner.range + shift.range, manner.rate * shift.rate
    )
    return clip(jitter(shifted, rng))
