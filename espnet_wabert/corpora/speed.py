"""Speed perturbation of a data folder: copies of every utterance with a speed factor.

The factors are written to utt2speed; `format_wav` resamples the audio.
"""

from collections.abc import Iterable
from typing import Any

from espnet_wabert.corpora.combine import combine
from espnet_wabert.errors import UserError
from espnet_wabert.formats.kaldi import DataFolder
from espnet_wabert.formats.word import Word

FACTOR_RANGE = (0.5, 2.0)


def parse_factors(text: str, option: str = "--factors") -> list[float]:
    """Parse factors separated by spaces or commas, such as "0.9 1.0 1.1"; `option` has them."""
    factors = []
    low, high = FACTOR_RANGE
    for field in text.replace(",", " ").split():
        try:
            factor = float(field)
        except ValueError:
            factor = 0.0
        if not low <= factor <= high:
            raise UserError(f"{option}: {field!r} is not a number from {low} to {high}")
        if factor in factors:
            raise UserError(f"{option}: {field!r} occurs twice")
        factors.append(factor)
    if not factors:
        raise UserError(f"{option}: no factor given, such as '0.9 1.0 1.1'")
    return factors


def perturb(folder: DataFolder, factors: Iterable[float], name: str = "") -> DataFolder:
    """Return all utterances of `folder` once per factor; ids and speakers get a prefix `sp0.9-`.

    The factor 1 has no prefix. Durations and word times are divided by the factor. `name` is the
    folder in errors.
    """
    if folder.speed is not None:
        raise UserError(f"{name}/utt2speed: this folder is already speed-perturbed")
    copies = [(f"{name} at {factor:g}", _copy(folder, factor)) for factor in factors]
    return combine(copies)


def _copy(folder: DataFolder, factor: float) -> DataFolder:
    prefix = "" if factor == 1 else f"sp{factor:g}-"

    def renamed(table: dict | None, change=lambda value: value) -> Any:
        return table and {prefix + key: change(value) for key, value in table.items()}

    def faster_words(words):
        return tuple(Word(word, start / factor, end / factor) for word, start, end in words)

    # Segments refer to the original recordings, which are shared and not renamed.
    keep_recordings = folder.segments is not None
    return DataFolder(
        wav=dict(folder.wav) if keep_recordings else renamed(folder.wav),
        utt2spk=renamed(folder.utt2spk, lambda speaker: prefix + speaker),
        text=renamed(folder.text),
        sentiment=renamed(folder.sentiment),
        segments=renamed(folder.segments),
        words=renamed(folder.words, faster_words),
        speed={prefix + utt: factor for utt in folder.utt2spk},
        seconds=renamed(folder.seconds, lambda seconds: seconds / factor),
    )
