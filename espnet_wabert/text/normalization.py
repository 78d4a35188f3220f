"""Normalization of transcripts."""

import unicodedata


def normalize(text: str) -> str:
    """Convert to lower case, NFC, straight apostrophes and single spaces.

    The transcripts of the corpora have no digits or punctuation. This form makes the words of text
    and of words.ctm equal.
    """
    text = unicodedata.normalize("NFC", text.lower()).replace("\u2019", "'")
    return " ".join(text.split())
