"""The one form of a transcript in this project."""

import unicodedata


def normalize(text: str) -> str:
    """Lower case, NFC, straight apostrophes, single spaces; nothing else is changed.

    The corpora's transcripts are normalized by their makers (no digits or punctuation), and BERT
    uncased lowers case itself; this form makes the words of text and of words.ctm the same.
    """
    text = unicodedata.normalize("NFC", text.lower()).replace("\u2019", "'")
    return " ".join(text.split())
