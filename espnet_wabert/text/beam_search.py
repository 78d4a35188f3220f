"""Beam search over the symbols of a CTC model, with an n-gram of words."""

import gzip
import os
import sys
import zlib
from contextlib import contextmanager
from pathlib import Path

from espnet_wabert.errors import UserError, first_line

LM_WEIGHT, WORD_BONUS = 0.5, 1.5  # the defaults of the package
EXTRA = "pip install 'espnet_wabert[pipeline]'"


def read_unigrams(path: str | Path) -> list[str]:
    """Return the words of an ARPA file (.arpa or .arpa.gz)."""
    words, inside = [], False
    opened = gzip.open if str(path).endswith(".gz") else open
    try:
        with opened(path, "rt", encoding="utf-8") as lines:
            for line in lines:
                if line.startswith("\\"):
                    if inside:
                        break
                    inside = line.startswith("\\1-grams")
                elif inside and line.strip():
                    words.append(line.split()[1])
    except (OSError, EOFError, UnicodeDecodeError, IndexError, zlib.error) as error:
        raise UserError(f"{path}: not an ARPA file: {first_line(error)}") from error
    words = [word for word in words if word not in ("<s>", "</s>", "<unk>", "<UNK>")]
    if not words:
        raise UserError(f"{path}: no words under \\1-grams: not an ARPA file")
    return words


def load_beam_search(
    labels: list[str],
    blank: int,
    ngram: str,
    lm_weight: float = LM_WEIGHT,
    word_bonus: float = WORD_BONUS,
):
    """Return a beam search decoder with an n-gram, in the letter case of the n-gram."""
    try:
        from ctc_beam_decoder import build_ctcdecoder
    except ImportError as error:
        raise UserError(f"decoding with an n-gram needs the pipeline extra: {EXTRA}") from error
    words = read_unigrams(ngram)
    lower = sum(word.islower() for word in words) > len(words) / 2
    alphabet = [label.lower() if lower else label.upper() for label in labels]
    # The decoder confuses symbols with equal text: only the blank may be empty.
    alphabet = [
        label if label or index == blank else f"<{index}>" for index, label in enumerate(alphabet)
    ]
    try:
        with no_stderr():
            return build_ctcdecoder(
                alphabet,
                kenlm_model_path=str(ngram),
                unigrams=words,
                alpha=lm_weight,
                beta=word_bonus,
            )
    except (OSError, ValueError) as error:  # of KenLM
        raise UserError(f"{ngram}: not an ARPA file: {first_line(error)}") from error


@contextmanager
def no_stderr():
    """Silence what C code writes: KenLM draws a progress bar."""
    sys.stderr.flush()
    kept = os.dup(2)
    with open(os.devnull, "w") as null:
        os.dup2(null.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
