"""What of a written word is said: the words that are aligned keep the form they were written in.

The corpora's transcripts, which models are trained on, have no punctuation, and nobody says it: a
comma must not be given frames. Apostrophes belong to words (don't). What stands between letters
parts them (well-known). Signs that are read out stay: BERT has pieces for them. Digits stay, too;
models that never saw one place a number by the length of what is said for it.
"""

import unicodedata

SAID = frozenset("&%@#'")
APOSTROPHES = str.maketrans({"\u2019": "'", "\u02bc": "'"})


def spoken(word: str) -> str:
    """Return what is said of a word; empty for punctuation alone."""
    said = unicodedata.normalize("NFC", word).translate(APOSTROPHES)
    kept = "".join(c if c in SAID or unicodedata.category(c)[0] in "LMNS" else " " for c in said)
    parts = (part.strip("'") if set(part) == {"'"} else part for part in kept.split())
    return " ".join(part for part in parts if part)
