"""The speakers of the embedded corpus: no variant of a voice is in two splits.

A speaker has an accent, one of espeak-ng's voice variants and a manner of speaking. Excluded are
variants with an echo (it shifts the word times), with breath (its noise is not reproducible),
whispers, and those with a word error rate of Whisper tiny.en above one third.
"""

from typing import NamedTuple

from espnet_wabert.mini.espeak import Prosody

# Without en-US-nyc, which gives no event for words such as "humor".
ACCENTS = (
    "gmw/en-US",
    "gmw/en-US",  # twice, to be more frequent than the others
    "gmw/en",
    "gmw/en-GB-x-rp",
    "gmw/en-GB-x-gbclan",
    "gmw/en-GB-scotland",
    "gmw/en-029",
)
VARIANTS = {
    "train": {
        "M": (
            "m1 m3 m5 m6 m7 Henrique Hugo michel miguel Diogo Gene Gene2 Michael Mario Mike mike2 "
            "Nguyen adam benjamin edward edward2 klatt klatt2 klatt3 klatt6 gustave robert "
            "rob marcelo iven iven2 iven3 iven4 travis david Jacky Alex Storm fast"
        ).split(),
        "F": "f1 steph steph2 steph3 linda belinda grandma zac".split(),
    },
    "dev": {"M": "max Denis m8 klatt5 ed".split(), "F": ["Annie"]},
    "test": {
        "M": "croak m4 antonio pedro Reed klatt4 paul quincy john grandpa".split(),
        "F": "aunty anika shelby".split(),
    },
}
WOMEN = 0.35  # fraction of the speakers: there are fewer variants

# Manner of a speaker in espeak's units: mean and standard deviation of a normal distribution.
PITCH, RANGE, RATE = (50, 6), (50, 6), (165, 12)
# Variation between the utterances of a speaker.
JITTER = Prosody(pitch=3, range=6, rate=7)
LIMITS = ((2, 98), (2, 98), (95, 300))  # of pitch, range and rate


class Speaker(NamedTuple):
    """One speaker."""

    name: str  # as its corpus names it
    sex: str  # "M" or "F"
    voice: str  # accent and variant for espeak-ng
    manner: Prosody


def make_speaker(name: str, split: str, rng, sex: str | None = None) -> Speaker:
    """Draw a speaker of a split ("train", "dev", "test")."""
    sex = sex or ("F" if rng.random() < WOMEN else "M")
    variant = rng.choice(VARIANTS[split][sex])
    accent = rng.choice(ACCENTS)
    manner = Prosody(*(rng.normal(*of) for of in (PITCH, RANGE, RATE)))
    return Speaker(name, sex, f"{accent}+{variant}", clip(manner))


def clip(prosody: Prosody) -> Prosody:
    """Round to integers within the limits of the voices."""
    return Prosody(
        *(
            int(min(max(round(value), low), high))
            for value, (low, high) in zip(prosody, LIMITS, strict=True)
        )
    )


def jitter(manner: Prosody, rng) -> Prosody:
    """A speaker's manner in one utterance, before `clip`."""
    return Prosody(*(value + rng.normal(0, sd) for value, sd in zip(manner, JITTER, strict=True)))
