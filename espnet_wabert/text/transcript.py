"""The spoken form of written words, for alignment; results keep the written form.

Transcripts in training have no punctuation, and it is not spoken: a comma must not get frames.
Apostrophes are parts of words (don't). Hyphens between letters split words (well-known). Symbols
that are spoken stay, because BERT has word pieces for them, and so do digits; models without digits
in training align a number by the length of its spoken form.
"""

import unicodedata

SAID = frozenset("&%@#'")
APOSTROPHES = str.maketrans({"\u2019": "'", "\u02bc": "'"})


def spoken(word: str) -> str:
    """Return the spoken form of a word; empty for punctuation."""
    said = unicodedata.normalize("NFC", word).translate(APOSTROPHES)
    kept = "".join(c if c in SAID or unicodedata.category(c)[0] in "LMNS" else " " for c in said)
    parts = (part.strip("'") if set(part) == {"'"} else part for part in kept.split())
    return " ".join(part for part in parts if part)
