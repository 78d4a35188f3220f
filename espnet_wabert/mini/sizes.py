"""Sizes of the embedded corpus: `full` for results, `box` for its model, `tiny` for tests."""

from typing import NamedTuple


class Part(NamedTuple):
    """One part of the LibriSpeech layout."""

    split: str  # its sentences and voices
    speakers: int
    utterances: int  # of each speaker
    noisy: bool  # "other" parts have more noise


class Set(NamedTuple):
    """One split of the SLUE layout."""

    split: str
    speakers: int
    utterances: int  # with a usable label
    mixed: int  # additional ones with the label <mixed>
    disagreement: int  # additional ones with the label Disagreement
    empty: int  # additional ones without a label


class Timit(NamedTuple):
    """The TIMIT layout."""

    core: int  # speakers of the core test set, 24 in all
    others: int  # further test speakers
    train: int  # training speakers
    utterances: int  # of each speaker
    dialect: int  # number of test speakers with the two SA sentences
    sentences: int  # different test sentences


# Of the texts, of each split. Test sets of a contained vocabulary need many texts.
SHARES = {"train": 0.58, "dev": 0.14, "test": 0.28}


RATE = 0.78, 1.35  # limits of a speaker's speed, relative to the voice's own


class Size(NamedTuple):
    """The embedded corpus."""

    librispeech: dict[str, Part]
    slue: dict[str, Set]
    timit: Timit
    shares: dict[str, float] = SHARES
    open: bool = False  # whether the training text has an open vocabulary
    robots: float = 0.1  # fraction of the speakers with a voice of espeak-ng
    # Of the training part in the LibriSpeech layout:
    flite: float = 0.0  # fraction of the speakers with a voice of Flite
    rates: tuple[float, float] = RATE  # limits of the speakers' speed
    cut: float = 0.0  # fraction of the utterances that are cut at their words
    actors: int = 0  # copies of each recording of the game's actors, half of them noisy

    def read(self, split: str) -> int:
        """Return how many sentences the speakers of a split read in the LibriSpeech layout."""
        parts = self.librispeech.values()
        return sum(part.speakers * part.utterances for part in parts if part.split == split)


def _librispeech(
    train: tuple[int, int], dev: tuple[int, int], test: tuple[int, int]
) -> dict[str, Part]:
    return {
        "train-clean-100": Part("train", *train, False),
        "train-clean-360": Part("train", *train, False),
        "train-other-500": Part("train", *train, True),
        "dev-clean": Part("dev", *dev, False),
        "dev-other": Part("dev", *dev, True),
        "test-clean": Part("test", *test, False),
        "test-other": Part("test", *test, True),
    }


DEV_AND_TEST = {
    "dev": Set("dev", 10, 200, mixed=2, disagreement=3, empty=1),
    "test": Set("test", 20, 300, mixed=4, disagreement=6, empty=2),
}
TIMIT = Timit(core=24, others=6, train=4, utterances=4, dialect=6, sentences=40)

SIZES = {
    "full": Size(
        _librispeech(train=(20, 45), dev=(6, 10), test=(10, 10)),
        {
            "fine-tune": Set("train", 50, 1500, mixed=12, disagreement=0, empty=3),
            **DEV_AND_TEST,
        },
        TIMIT,
    ),
    "box": Size(
        _librispeech(train=(115, 125), dev=(6, 20), test=(10, 10)),
        {
            "fine-tune": Set("train", 100, 4000, mixed=0, disagreement=0, empty=0),
            **DEV_AND_TEST,
        },
        TIMIT._replace(sentences=120),
        shares={"train": 0.86, "dev": 0.04, "test": 0.10},
        open=True,
        robots=0.0,
        flite=0.35,
        rates=(0.78, 1.6),
        cut=0.3,
        actors=4,
    ),
    "tiny": Size(
        _librispeech(train=(2, 3), dev=(2, 3), test=(2, 3)),
        {
            "fine-tune": Set("train", 4, 24, mixed=1, disagreement=0, empty=1),
            "dev": Set("dev", 2, 9, mixed=1, disagreement=1, empty=0),
            "test": Set("test", 3, 9, mixed=1, disagreement=1, empty=1),
        },
        Timit(core=2, others=1, train=1, utterances=2, dialect=1, sentences=4),
    ),
}
