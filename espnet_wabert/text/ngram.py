"""A bigram of words as an ARPA file, for reading by letters.

Interpolated absolute discounting (Ney et al. 1994) estimates it from text: each seen pair of words
gives `DISCOUNT` of its count to the single words, and each seen word to all words of the
vocabulary. Two bigrams can be interpolated, and the pairs that change least can be left out. KenLM
reads the file; its own estimator is not in its packages.

Shapes: V words, K pairs.
"""

import gzip
import itertools
import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

DISCOUNT = 0.75
BEGIN, END, UNKNOWN = "<s>", "</s>", "<unk>"
WHOLE_WORD = re.compile(r"[a-z]{3,}\Z")  # a word piece that is a word
NEVER = 1e-10  # probability of <s>, which is never predicted
SMALLEST = 1e-9  # part of a history's probability that is left for other words


class Bigram(NamedTuple):
    """Probabilities of words and of words after words; what is not a pair backs off."""

    words: list[str]  # sorted; with <s>, whose probability is 0, and </s>
    single: np.ndarray  # (V,)
    first: np.ndarray  # (K,) index of the word before
    second: np.ndarray  # (K,) index of the word
    conditional: np.ndarray  # (K,) probability of the second word after the first

    def backoff(self) -> np.ndarray:
        """Return the weight (V,) of single words after each word: all probabilities sum to 1."""
        seen = np.bincount(self.first, self.conditional, len(self.words))
        single = np.bincount(self.first, self.single[self.second], len(self.words))
        return np.maximum(1 - seen, SMALLEST) / np.maximum(1 - single, SMALLEST)

    def after(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Return the probability of each second word after the first, with backoff."""
        found = self.backoff()[first] * self.single[second]
        own = self.first * len(self.words) + self.second
        asked = first * len(self.words) + second
        order = np.argsort(own)
        place = np.minimum(np.searchsorted(own[order], asked), len(own) - 1)
        known = own[order[place]] == asked
        found[known] = self.conditional[order[place[known]]]
        return found


def estimate(texts: Iterable[str], words: Iterable[str] = ()) -> Bigram:
    """Estimate a bigram.

    Args:
        texts: sentences of words that are parted by spaces.
        words: more words of the vocabulary, which occur as seldom as an unseen word.
    """
    pairs: Counter[tuple[str, str]] = Counter()
    for text in texts:
        pairs.update(itertools.pairwise([BEGIN, *text.split(), END]))
    vocabulary = sorted({word for pair in pairs for word in pair} | {*words, UNKNOWN, BEGIN, END})
    index = {word: place for place, word in enumerate(vocabulary)}
    first, second = np.array([[index[word] for word in pair] for pair in sorted(pairs)]).T
    counts = np.array([count for _, count in sorted(pairs.items())], dtype=float)
    single = np.bincount(second, counts, len(index))
    shared = DISCOUNT * (single > 0).sum() / (len(index) - 1)  # not to <s>
    single = (np.maximum(single - DISCOUNT, 0) + shared) / counts.sum()
    single[index[BEGIN]] = 0.0
    total = np.bincount(first, counts, len(index))[first]
    kinds = np.bincount(first, minlength=len(index))[first]
    conditional = (counts - DISCOUNT) / total + DISCOUNT * kinds / total * single[second]
    return Bigram(vocabulary, single, first, second, conditional)


def interpolate(one: Bigram, other: Bigram, weight: float) -> Bigram:
    """Return `weight` x `one` + (1 - `weight`) x `other`, exact for the pairs of both."""
    words = sorted({*one.words, *other.words})
    one, other = _renumber(one, words), _renumber(other, words)
    pairs = np.union1d(one.first * len(words) + one.second, other.first * len(words) + other.second)
    first, second = np.divmod(pairs, len(words))
    return Bigram(
        words,
        weight * one.single + (1 - weight) * other.single,
        first,
        second,
        weight * one.after(first, second) + (1 - weight) * other.after(first, second),
    )


def prune(bigram: Bigram, count: int) -> Bigram:
    """Keep the `count` pairs whose backoff would change the model most.

    The measure is that of Stolcke 1998 without its normalization: how often the pair occurs, with
    or without backoff, times the change of its log-probability.
    """
    often = bigram.single.copy()
    often[bigram.words.index(BEGIN)] = bigram.single[bigram.words.index(END)]
    alone = bigram.backoff()[bigram.first] * bigram.single[bigram.second]
    ratio = np.log(np.maximum(bigram.conditional, NEVER) / np.maximum(alone, NEVER))
    largest = np.maximum(bigram.conditional, alone)
    change = often[bigram.first] * largest * np.abs(ratio)
    keep = np.sort(np.argsort(-change, kind="stable")[:count])
    return bigram._replace(
        first=bigram.first[keep],
        second=bigram.second[keep],
        conditional=bigram.conditional[keep],
    )


def write_arpa(bigram: Bigram, path: Path) -> None:
    """Write an ARPA file, .arpa or .arpa.gz."""
    words = bigram.words
    lines = ["\\data\\", f"ngram 1={len(words)}", f"ngram 2={len(bigram.first)}", ""]
    lines.append("\\1-grams:")
    single = np.maximum(bigram.single, NEVER)
    for word, p, backoff in zip(words, single, bigram.backoff(), strict=True):
        lines.append(f"{math.log10(p):.4f}\t{word}\t{math.log10(backoff):.4f}")
    lines += ["", "\\2-grams:"]
    order = np.lexsort((bigram.second, bigram.first))
    for a, b, p in zip(
        bigram.first[order], bigram.second[order], bigram.conditional[order], strict=True
    ):
        lines.append(f"{math.log10(max(p, NEVER)):.4f}\t{words[a]} {words[b]}")
    data = "\n".join([*lines, "", "\\end\\", ""]).encode()
    # Without a time in the header, so that the same text gives the same file.
    path.write_bytes(gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)


def _renumber(bigram: Bigram, words: Sequence[str]) -> Bigram:
    """Return the bigram with the indices of a larger vocabulary."""
    index = {word: place for place, word in enumerate(words)}
    new = np.array([index[word] for word in bigram.words])
    single = np.zeros(len(words))
    single[new] = bigram.single
    return Bigram(list(words), single, new[bigram.first], new[bigram.second], bigram.conditional)
