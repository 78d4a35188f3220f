"""The manner of a speaker in one utterance, and how a sentiment changes it.

In the voice part of the embedded SLUE set the words are neutral and the label is in the manner:
pitch, its range, speed and vocal effort. The shifts follow reports of listeners (Scherer 2003,
Speech Communication 40; Juslin & Laukka 2003, Psychological Bulletin 129): a positive voice is
higher, wider, faster and stronger, a negative one (sad, tired) lower, narrower, slower and weaker.
They are changes of a natural voice's own contours, of the size that such reports measure. Each
utterance has random jitter, and the speaker's own pitch is unknown, so the label cannot always be
recovered from the voice. Anger, which is negative and high, does not occur: such a label means
arousal more than sentiment, and a model of people must not be trained on it.
"""

from espnet_wabert.mini.speech import Manner

# Added to pitch and effort; factors of range and rate.
SHIFTS = {
    "Negative": Manner(pitch=-3.0, range=0.5, rate=0.82, effort=-2.0),
    "Neutral": Manner(),
    "Positive": Manner(pitch=3.0, range=1.6, rate=1.15, effort=2.0),
}
# Standard deviation between the utterances of a speaker.
JITTER = Manner(pitch=0.7, range=0.12, rate=0.05, effort=0.5)


def manner_of(label: str, manner: Manner, rng) -> Manner:
    """Return the manner of a speaker in one utterance with a sentiment in the voice."""
    shift = SHIFTS[label]
    return jitter(
        Manner(
            manner.pitch + shift.pitch,
            manner.range * shift.range,
            manner.rate * shift.rate,
            manner.effort + shift.effort,
        ),
        rng,
    )


def jitter(manner: Manner, rng) -> Manner:
    """Vary a speaker's manner as between utterances."""
    drawn = (value + rng.normal(0, sd) for value, sd in zip(manner, JITTER, strict=True))
    pitch, spread, rate, effort = (round(float(value), 3) for value in drawn)
    return Manner(pitch, max(spread, 0.1), min(max(rate, 0.6), 1.6), effort)
