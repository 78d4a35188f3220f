"""The spoken form of written words, for alignment; results keep the written form.

Transcripts in training have no punctuation, and it is not spoken: a comma must not get frames.
Apostrophes are parts of words (don't). Hyphens between letters split words (well-known). Numbers,
amounts and titles are written out (`numbers.py`), and what stays of the symbols that are spoken has
word pieces of BERT. HTML and notes such as "[laughs]" (`markup.py`) are not spoken. Addresses
(`addresses.py`) are.
"""

import itertools
import unicodedata
from collections.abc import Sequence

from espnet_wabert.text.addresses import spelled_out
from espnet_wabert.text.markup import without_markup
from espnet_wabert.text.numbers import APOSTROPHES, read_aloud, read_amount, without_clock
from espnet_wabert.text.wordpiece import Encoded, WordPieceTokenizer

SAID = frozenset("&%@#'")
UNSAID = frozenset("<>|~\u2190\u2192")  # of the signs of mathematics; captions have >> and arrows


def as_said(word: str) -> str:
    """Return the words that a written word is read as; empty for punctuation."""
    parts = (read_aloud(part) or spoken(part) for part in spelled_out(word).split())
    return " ".join(filter(None, parts))


def all_as_said(words: Sequence[str]) -> list[str]:
    """Return what each written word is read as; amounts and times depend on the word after it.

    HTML and notes on sounds are not said.
    """
    words = without_markup(words)
    said = [as_said(word) for word in words]
    for at, (word, following) in enumerate(itertools.pairwise(words)):
        alone = without_clock(said[at], following), said[at + 1]
        said[at : at + 2] = read_amount(word, following) or alone
    return said


def encode_transcript(tokenizer: WordPieceTokenizer, text: str) -> Encoded:
    """Return the word pieces of the spoken form of a transcript, with its words as written."""
    words = text.split()
    return tokenizer.encode_words(all_as_said(words))._replace(words=words)


def spoken(word: str) -> str:
    """Return a word without what is not spoken; empty for punctuation."""
    said = unicodedata.normalize("NFC", word).translate(APOSTROPHES)
    kept = "".join(c if _is_said(c) else " " for c in said)
    parts = (part.strip("'") if set(part) == {"'"} else part for part in kept.split())
    return " ".join(part for part in parts if part)


def _is_said(character: str) -> bool:
    """Return whether a character may be spoken; an emoji or a note of music is not."""
    kind = unicodedata.category(character)
    is_sign = kind in ("Sc", "Sm") and character not in UNSAID
    return character in SAID or kind[0] in "LMN" or is_sign
