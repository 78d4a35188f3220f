"""SVOX Pico's English voices: two more recorded speakers, both women, and many derived from them.

The engine has a pitch and a speed of its own. A longer or shorter vocal tract is speech at another
sampling rate, which moves resonances, pitch and speed alike; the engine's pitch and speed then take
their part back. It does not give the times of the words, so these voices are for training only.
"""

from typing import NamedTuple

import numpy as np

from espnet_wabert.mini.packages import check_package
from espnet_wabert.mini.speech import Manner, Speech, audible

PACKAGE = "ttspico", "0.3.2", "voices of SVOX Pico; needs a C compiler"  # name, version, what
RATE = 16000  # Hz
LANGUAGES = "en-US", "en-GB"
PERCENT = {"pitch": (50, 200), "rate": (20, 500)}  # limits of the engine


class PicoVoice(NamedTuple):
    """A speaker that is derived from one of the recorded ones."""

    language: str = "en-US"
    pitch: float = 1.0  # factor
    tract: float = 1.0  # factor of the resonances: below 1 a longer vocal tract

    @property
    def name(self) -> str:
        """Return the numbers that make the voice."""
        return f"pico-{self.language}+pitch{self.pitch:.2f}+tract{self.tract:.2f}"

    def speak(self, text: str, manner: Manner, seed: int) -> Speech | None:
        """Synthesize words, without their times; None if nothing is heard.

        Args:
            manner: without `range` and `effort`, which the engine does not have.
        """
        rng = np.random.default_rng(seed)
        engine = _new_engine(self.language)  # a used one goes on with other random numbers
        wanted = {"pitch": self.pitch * 2 ** (manner.pitch / 12), "rate": manner.rate}
        for name, factor in wanted.items():
            engine.set_property(name, round(np.clip(100 * factor / self.tract, *PERCENT[name])))
        # How a sentence ends changes its melody; a stretch from its middle has no stop.
        data = engine.speak(text + str(rng.choice([".", ".", "", ",", "?", "!"])))
        samples = np.frombuffer(data or b"", np.int16).astype(np.float32) / 2**15
        return Speech(samples, round(RATE * self.tract), None) if len(audible(samples)) else None


def _new_engine(language: str):
    check_package(*PACKAGE)
    from ttspico import TtsEngine

    return TtsEngine(language)
