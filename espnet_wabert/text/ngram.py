"""A bigram of words as an ARPA file, for reading by letters.

Interpolated absolute discounting (Ney et al. 1994): each seen bigram gives `DISCOUNT` of its count
to the unigrams, and each seen word to all words of the vocabulary. KenLM reads the file; its own
estimator is not in its packages. A bigram of 250,000 words is enough to choose between words that
sound alike, and is small.
"""

import gzip
import itertools
import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path

DISCOUNT = 0.75
BEGIN, END, UNKNOWN = "<s>", "</s>", "<unk>"
WHOLE_WORD = re.compile(r"[a-z]{3,}\Z")  # a word piece that is a word
NEVER = 1e-10  # probability of <s>, which is never predicted


def write_bigram(texts: Iterable[str], words: Iterable[str], path: Path) -> int:
    """Write a bigram; return the number of words of its vocabulary.

    Args:
        texts: sentences of words that are parted by spaces.
        words: more words of the vocabulary, which occur as seldom as an unseen word.
        path: .arpa or .arpa.gz.
    """
    unigrams, bigrams = _count(texts)
    vocabulary = sorted({*unigrams, *words, UNKNOWN, END})
    total = sum(unigrams.values())
    shared = DISCOUNT * len(unigrams) / total / len(vocabulary)
    single = {w: max(unigrams[w] - DISCOUNT, 0) / total + shared for w in vocabulary}
    backoff = {a: DISCOUNT * len(after) / after.total() for a, after in bigrams.items()}
    lines = ["\\data\\", f"ngram 1={len(single) + 1}"]
    lines += [f"ngram 2={sum(map(len, bigrams.values()))}", "", "\\1-grams:"]
    lines.append(_line(NEVER, BEGIN, backoff[BEGIN]))
    lines += [_line(single[w], w, backoff.get(w, 1.0)) for w in vocabulary]
    lines += ["", "\\2-grams:"]
    for first, after in sorted(bigrams.items()):
        for second, count in sorted(after.items()):
            p = (count - DISCOUNT) / after.total() + backoff[first] * single[second]
            lines.append(f"{math.log10(p):.4f}\t{first} {second}")
    data = "\n".join([*lines, "", "\\end\\", ""]).encode()
    # Without a time in the header, so that the same text gives the same file.
    path.write_bytes(gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)
    return len(vocabulary)


def _count(texts: Iterable[str]) -> tuple[Counter[str], dict[str, Counter[str]]]:
    """Count the words, with the end of a sentence, and what follows each."""
    unigrams: Counter[str] = Counter()
    bigrams: dict[str, Counter[str]] = defaultdict(Counter)
    for text in texts:
        words = [BEGIN, *text.split(), END]
        unigrams.update(words[1:])
        for first, second in itertools.pairwise(words):
            bigrams[first][second] += 1
    return unigrams, bigrams


def _line(p: float, word: str, backoff: float) -> str:
    return f"{math.log10(p):.4f}\t{word}\t{math.log10(backoff):.4f}"
