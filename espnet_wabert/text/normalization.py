"""Normalization of transcripts."""

import unicodedata


def normalize(text: str) -> str:
    """Convert to lower case, NFC, straight apostrophes and single spaces.

    The transcripts of the corpora have no digits or punctuation. This form makes the words of text
    and of words.ctm equal.
    """
    text = unicodedata.normalize("NFC", text.lower()).replace("\u2019", "'")
    return " ".join(text.split())


def plain_text(text: str) -> str:
    """Convert a hypothesis to the form of SLUE's transcripts: lower case, no punctuation.

    Apostrophes are kept, as in the transcripts that the text classifier is trained on.
    """
    text = text.lower().replace("\u2019", "'")
    kept = "".join(c if c.isalnum() or c == "'" else " " for c in text)
    return " ".join(word.strip("'") for word in kept.split() if word.strip("'"))
