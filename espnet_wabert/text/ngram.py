"""N-grams of words as ARPA files, for reading by letters.

Interpolated absolute discounting (Ney et al. 1994) estimates them from text: each seen n-gram gives
`DISCOUNT` of its count to the next shorter order, and each seen word to all words of the
vocabulary. Two models can be interpolated, and the n-grams that change least can be left out. KenLM
reads the file; its own estimator is not in its packages.

Shapes: V words, n words of an n-gram, K n-grams of one order, M questions.
"""

import gzip
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from espnet_wabert.errors import UserError

ORDER = 3
DISCOUNT = 0.75
BEGIN, END, UNKNOWN = "<s>", "</s>", "<unk>"
WHOLE_WORD = re.compile(r"[a-z]{3,}\Z")  # a word piece that is a word
NEVER = 1e-10  # probability of <s>, which is never predicted
SMALLEST = 1e-9  # part of a history's probability that is left for other words
DIGITS = 2  # of the file's base-10 logarithms; more change no text, and make it a third larger


class Entries(NamedTuple):
    """The n-grams of one order."""

    ids: np.ndarray  # (K, n) indices of their words
    p: np.ndarray  # (K,) probability of the last word after the others


class NGram:
    """Probabilities of words after the words before them; an n-gram without an entry backs off.

    Args:
        words: sorted; with <s>, whose probability is 0, and </s>.
        orders: the entries of order 1 (all words, in their order), 2, ...; the history of an entry,
            which is all of its words but the last, has an entry too.
    """

    def __init__(self, words: Sequence[str], orders: Iterable[Entries]):
        self.words = list(words)
        self.orders: list[Entries] = []  # sorted by their keys
        self.backoffs: list[np.ndarray] = []  # (K,) of all orders but the last
        self._keys: list[np.ndarray] = []  # (K,)
        for ids, p in orders:
            keys = self.keys(ids)
            sorting = np.argsort(keys)
            self.orders.append(Entries(ids[sorting], p[sorting]))
            self._keys.append(keys[sorting])
            if len(self.orders) > 1:
                self.backoffs.append(self._backoff(*self.orders[-1]))

    @property
    def entries(self) -> int:
        """The number of n-grams of two words or more."""
        return sum(len(p) for _, p in self.orders[1:])

    def after(self, ids: np.ndarray) -> np.ndarray:
        """Return the probability (M,) of the last of n words (M, n) after the others."""
        ids = ids[:, -len(self.orders) :]
        if ids.shape[1] == 1:
            return self.orders[0].p[ids[:, 0]]
        found = self.without_entry(ids)
        places, known = self.find(ids)
        found[known] = self.orders[ids.shape[1] - 1].p[places[known]]
        return found

    def find(self, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the places (M,) of n-grams (M, n) among the entries, and which are there."""
        keys, asked = self._keys[ids.shape[1] - 1], self.keys(ids)
        places = np.minimum(np.searchsorted(keys, asked), max(len(keys) - 1, 0))
        known = keys[places] == asked if len(keys) else np.zeros(len(asked), dtype=bool)
        return places, known

    def keys(self, ids: np.ndarray) -> np.ndarray:
        """Return a number (M,) for each n-gram (M, n), in the order of its words."""
        keys = np.zeros(len(ids), dtype=np.int64)
        for column in ids.T:
            keys = keys * len(self.words) + column
        return keys

    def without_entry(self, ids: np.ndarray) -> np.ndarray:
        """Return the probability (M,) of n-grams (M, n) as if they had no entry."""
        return self.after(ids[:, 1:]) * self._weights(ids[:, :-1])

    def _weights(self, histories: np.ndarray) -> np.ndarray:
        """Return the weight of the shorter histories after histories (M, n)."""
        places, known = self.find(histories)
        weights = np.ones(len(histories))
        weights[known] = self.backoffs[histories.shape[1] - 1][places[known]]
        return weights

    def _backoff(self, ids: np.ndarray, p: np.ndarray) -> np.ndarray:
        """Return the weight of each history of new entries: its probabilities sum to 1."""
        places, known = self.find(ids[:, :-1])
        assert known.all(), "the history of an n-gram has no entry"
        count = len(self.orders[-2].p)
        seen = np.bincount(places, p, count)
        shorter = np.bincount(places, self.after(ids[:, 1:]), count)
        return np.maximum(1 - seen, SMALLEST) / np.maximum(1 - shorter, SMALLEST)


def estimate(texts: Iterable[str], words: Iterable[str] = (), order: int = ORDER) -> NGram:
    """Estimate an n-gram.

    Args:
        texts: sentences of words that are parted by spaces.
        words: more words of the vocabulary, which occur as seldom as an unseen word.
        order: the number of words of its longest n-grams.
    """
    counters: list[Counter] = [Counter() for _ in range(order)]
    for text in texts:
        said = [BEGIN, *text.split(), END]
        for n, counter in enumerate(counters, 1):
            counter.update(zip(*(said[start:] for start in range(n)), strict=False))
    vocabulary = sorted({word for (word,) in counters[0]} | {*words, UNKNOWN, BEGIN, END})
    index = {word: place for place, word in enumerate(vocabulary)}
    orders = [_single_words(np.array([counters[0][word,] for word in vocabulary], float), index)]
    for n, counter in enumerate(counters[1:], 2):
        shorter = NGram(vocabulary, orders)
        ids = np.array([index[word] for words in counter for word in words], int).reshape(-1, n)
        counts = np.array(list(counter.values()), float)
        places, _ = shorter.find(ids[:, :-1])
        total, kinds = np.bincount(places, counts)[places], np.bincount(places)[places]
        given = DISCOUNT * kinds / total * shorter.after(ids[:, 1:])
        orders.append(Entries(ids, (counts - DISCOUNT) / total + given))
    return NGram(vocabulary, orders)


def _single_words(counts: np.ndarray, index: dict[str, int]) -> Entries:
    counts[index[BEGIN]] = 0
    if not counts.any():
        raise UserError("an n-gram of no text")
    shared = DISCOUNT * (counts > 0).sum() / (len(index) - 1)  # not to <s>
    p = (np.maximum(counts - DISCOUNT, 0) + shared) / counts.sum()
    p[index[BEGIN]] = 0.0
    return Entries(np.arange(len(index))[:, None], p)


def interpolate(one: NGram, other: NGram, weight: float) -> NGram:
    """Return `weight` x `one` + (1 - `weight`) x `other`, exact for the n-grams of both."""
    words = sorted({*one.words, *other.words})
    one, other = _renumber(one, words), _renumber(other, words)
    orders = []
    for (ids, _), (more, _) in zip(one.orders, other.orders, strict=True):
        both = np.concatenate([ids, more])
        _, first = np.unique(one.keys(both), return_index=True)
        ids = both[first]
        orders.append(Entries(ids, weight * one.after(ids) + (1 - weight) * other.after(ids)))
    return NGram(words, orders)


def prune(ngram: NGram, count: int) -> NGram:
    """Keep the `count` n-grams whose backoff would change the model most, and their histories.

    The measure is that of Stolcke 1998 without its normalization: how often the n-gram occurs, with
    or without backoff, times the change of its log-probability.
    """
    often = ngram.orders[0].p.copy()
    often[ngram.words.index(BEGIN)] = often[ngram.words.index(END)]
    changes = []
    for ids, p in ngram.orders[1:]:
        places, _ = ngram.find(ids[:, :-1])
        alone = ngram.without_entry(ids)
        ratio = np.log(np.maximum(p, NEVER) / np.maximum(alone, NEVER))
        changes.append(often[places] * np.maximum(p, alone) * np.abs(ratio))
        often = often[places] * p
    largest = np.argsort(-np.concatenate(changes), kind="stable")[:count]
    chosen = np.zeros(ngram.entries, dtype=bool)
    chosen[largest] = True
    wanted = np.split(chosen, np.cumsum([len(change) for change in changes[:-1]]))
    kept: list[Entries] = []
    for (ids, p), own in reversed(list(zip(ngram.orders[1:], wanted, strict=True))):
        if kept:
            own[ngram.find(kept[0].ids[:, :-1])[0]] = True  # the histories of longer n-grams
        kept.insert(0, Entries(ids[own], p[own]))
    return NGram(ngram.words, [ngram.orders[0], *kept])


def write_arpa(ngram: NGram, path: Path, digits: int = DIGITS) -> None:
    """Write an ARPA file, .arpa or .arpa.gz, with `digits` decimals."""
    words = np.array(ngram.words)
    lines = ["\\data\\"]
    lines += [f"ngram {n}={len(p)}" for n, (_, p) in enumerate(ngram.orders, 1)]
    for n, (ids, p) in enumerate(ngram.orders, 1):
        columns = [_logarithms(p, digits), [" ".join(row) for row in words[ids].tolist()]]
        if n < len(ngram.orders):
            columns.append(_logarithms(ngram.backoffs[n - 1], digits))
        lines += ["", f"\\{n}-grams:", *map("\t".join, zip(*columns, strict=True))]
    data = "\n".join([*lines, "", "\\end\\", ""]).encode()
    # Without a time in the header, so that the same text gives the same file.
    path.write_bytes(gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)


def _logarithms(values: np.ndarray, digits: int) -> list[str]:
    rounded = np.log10(np.maximum(values, NEVER)).round(digits)
    return [f"{value:g}" for value in (rounded + 0.0).tolist()]  # + 0: no "-0"


def _renumber(ngram: NGram, words: Sequence[str]) -> NGram:
    """Return the n-gram with the indices of a larger vocabulary."""
    index = {word: place for place, word in enumerate(words)}
    new = np.array([index[word] for word in ngram.words])
    single = np.zeros(len(words))
    single[new] = ngram.orders[0].p
    longer = (Entries(new[ids], p) for ids, p in ngram.orders[1:])
    return NGram(words, [Entries(np.arange(len(words))[:, None], single), *longer])
