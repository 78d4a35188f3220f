"""How well a recognizer that was trained on people understands the voices."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import jiwer
import numpy as np

from espnet_wabert.mini.actors import ActorVoice, lines_by_actor
from espnet_wabert.mini.conditions import Conditions
from espnet_wabert.mini.corpus import read_pools
from espnet_wabert.mini.espeak import EspeakVoice
from espnet_wabert.mini.hibari import HibariVoice
from espnet_wabert.mini.sentences import words
from espnet_wabert.mini.speech import Manner, Voice
from espnet_wabert.mini.utterance import Plan, speak
from espnet_wabert.mini.voices import VARIANTS, flite_voice, natural_voice

DRAWN = 4  # derived voices of each sex and split
# Variants of espeak-ng that are not understood, and are no speakers.
LEFT_OUT = (
    "m1 m5 m6 michel miguel Diogo Gene Gene2 Michael Mario Mike mike2 benjamin edward edward2 "
    "klatt klatt2 klatt3 klatt6 gustave robert marcelo iven iven2 iven4 travis david Jacky "
    "Alex Storm fast f1 steph3 linda belinda grandma zac max klatt5 ed Annie m4 antonio Reed "
    "klatt4 paul john grandpa aunty anika shelby"
).split()


class Heard(NamedTuple):
    """The word error rate of a voice."""

    group: str
    name: str
    rate: float


def voices_to_hear(seed: int) -> list[tuple[str, Voice]]:
    """Return voices with the name of their group."""
    rng = np.random.default_rng(seed)
    found: list[tuple[str, Voice]] = [("hibari, recorded", HibariVoice())]
    for split in ("train", "dev", "test"):
        for sex in ("M", "F"):
            drawn = [natural_voice(split, sex, rng) for _ in range(DRAWN)]
            found += [(f"hibari, {split} {sex}", voice) for voice in drawn]
    for sex in ("M", "F"):
        found += [(f"flite, train {sex}", flite_voice(sex, rng)) for _ in range(DRAWN)]
    for split, variants in VARIANTS.items():
        for sex, names in variants.items():
            found += [
                (f"espeak, {split} {sex}", EspeakVoice(f"gmw/en-US+{name}")) for name in names
            ]
    return found + [("espeak, left out", EspeakVoice(f"gmw/en-US+{name}")) for name in LEFT_OUT]


def error_rates(
    voices: Iterable[tuple[str, Voice]],
    recognizer: Callable[[Sequence[np.ndarray]], list[str]],
    sentences: int,
    seed: int,
) -> list[Heard]:
    """Return the word error rate of each voice; all read the same sentences."""
    texts = read_pools("full", np.random.default_rng(seed)).splits["test"].open[:sentences]
    found = []
    for group, voice in voices:
        rate = error_rate([(text, voice) for text in texts], recognizer)
        found.append(Heard(group, voice.name, rate))
    return found


def actors_error_rates(
    recognizer: Callable[[Sequence[np.ndarray]], list[str]],
    lines: int,
    seed: int,
    sources: Path | None = None,
) -> list[Heard]:
    """Return the word error rate of actors who have that many lines, with lines of each drawn."""
    rng = np.random.default_rng(seed)
    found = []
    for actor, said in lines_by_actor(sources).items():
        if len(said) >= lines:
            drawn = [said[index] for index in rng.choice(len(said), lines, replace=False)]
            recorded = [
                (line.text, ActorVoice(actor, clip=line.clip, sources=sources)) for line in drawn
            ]
            rate = error_rate(recorded, recognizer)
            found.append(Heard("actors", ActorVoice(actor).name, rate))
    return found


def error_rate(
    texts: Sequence[tuple[str, Voice]], recognizer: Callable[[Sequence[np.ndarray]], list[str]]
) -> float:
    """Return the word error rate of texts that are said with little noise."""
    plans = [
        Plan("", "", text, voice, Manner(), Conditions(snr=40.0, seed=number))
        for number, (text, voice) in enumerate(texts)
    ]
    spoken = [(plan, done) for plan in plans if (done := speak(plan)) is not None]
    heard = recognizer([audio.astype(np.float32) / 2**15 for _, (audio, _) in spoken])
    right = [" ".join(words(plan.text)) for plan, _ in spoken]
    return float(jiwer.wer(right, [text.lower() for text in heard]))
