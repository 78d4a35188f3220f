"""A spoken word with its times, comparison of words, and labels of silence."""

import functools
import re
import unicodedata
from typing import NamedTuple

from espnet_wabert.errors import UserError

# Labels of silence and noise: Kaldi's <eps>, pocketsphinx' <s>, <sil> and [NOISE], MFA's
# [bracketed], HTK's !SIL, TIMIT's h#. <unk> is a spoken word.
_NO_WORD = re.compile(r"|!SIL|h#|(?!.unk.)(<[^<>]*>|\[[^\[\]]*\])", re.IGNORECASE)
# Labels of silence in TextGrids only: in a CTM they may be words.
_TIER_SILENCES = frozenset(("sil", "sp", "spn", "pau"))
_VARIANT = re.compile(r"\(\d+\)$")


class Word(NamedTuple):
    """A word and its boundaries, in seconds from the start of its utterance.

    Attributes:
        word: as written.
        start: seconds.
        end: seconds.
    """

    word: str
    start: float
    end: float


WordTimes = dict[str, list[Word]]  # utterance id -> its words in the order spoken


@functools.lru_cache(maxsize=1 << 18)
def normalize_word(label: str) -> str:
    """Return the form in which words are compared: letters and digits only, without case.

    Case, apostrophes, hyphens, punctuation and the mark of a pronunciation variant are removed:
    `Don't`, `DONT` and `don't(2)` are the same word. The result is empty for a label such as `--`.
    """
    label = unicodedata.normalize("NFKC", _VARIANT.sub("", label)).casefold()
    return "".join(character for character in label if character.isalnum())


def is_silence(label: str, in_tier: bool = False) -> bool:
    """Return whether a label means silence or noise; `in_tier`: in a TextGrid."""
    label = label.strip(" \t\r\n\v\f")
    return bool(_NO_WORD.fullmatch(label)) or (in_tier and label.lower() in _TIER_SILENCES)


def checked_word(label: str, start: float, end: float, where: str) -> Word:
    """Return a `Word`; raise a `UserError` with `where` (file:line) for impossible times."""
    if start < 0:
        raise UserError(f"{where}: word '{label}' starts at {start:g} s; times begin at 0")
    if end < start:
        raise UserError(f"{where}: word '{label}' ends ({end:g} s) before it starts ({start:g} s)")
    return Word(label, start, end)
