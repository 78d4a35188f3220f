"""One spoken word with its times, when two words are the same, and what is no word."""

import functools
import re
import unicodedata
from typing import NamedTuple

from espnet_wabert.errors import UserError

# Labels without a word behind them: Kaldi's <eps>, pocketsphinx' <s>, <sil> and [NOISE], MFA's
# [bracketed], HTK's !SIL, TIMIT's h#. <unk> stands for a word that was said.
_NO_WORD = re.compile(r"|!SIL|h#|(?!.unk.)(<[^<>]*>|\[[^\[\]]*\])", re.IGNORECASE)
# Also names of silence in TextGrids; in a CTM they might as well be words of the text.
_TIER_SILENCES = frozenset(("sil", "sp", "spn", "pau"))
_VARIANT = re.compile(r"\(\d+\)$")


class Word(NamedTuple):
    """A word and its boundaries, in seconds from the start of its utterance."""

    word: str
    start: float
    end: float


WordTimes = dict[str, list[Word]]  # utterance id -> its words in the order spoken


@functools.lru_cache(maxsize=1 << 18)
def normalize_word(label: str) -> str:
    """The form in which two words are compared: letters and digits only, without case.

    Case, apostrophes, hyphens and punctuation are dropped and so is the mark of a pronunciation
    variant, so that `Don't`, `DONT` and `don't(2)` are the same word. A label with nothing left
    (`--`) is no word.
    """
    label = unicodedata.normalize("NFKC", _VARIANT.sub("", label)).casefold()
    return "".join(character for character in label if character.isalnum())


def is_silence(label: str, in_tier: bool = False) -> bool:
    """Whether an aligner's label says that no word is spoken; `in_tier` for those of a TextGrid."""
    label = label.strip()
    return bool(_NO_WORD.fullmatch(label)) or (in_tier and label.lower() in _TIER_SILENCES)


def checked_word(label: str, start: float, end: float, where: str) -> Word:
    """A `Word`, or a `UserError` at `where` (file:line) when its times are impossible."""
    if start < 0:
        raise UserError(f"{where}: word '{label}' starts at {start:g} s; times begin at 0")
    if end < start:
        raise UserError(f"{where}: word '{label}' ends ({end:g} s) before it starts ({start:g} s)")
    return Word(label, start, end)
