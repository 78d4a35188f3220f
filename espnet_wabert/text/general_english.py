"""A trigram of general English, read from the language model that pocketsphinx ships.

The model (CMU Sphinx, BSD license) has 72,000 words, 2.1 million pairs and 1.7 million triples.
pocketsphinx can tell a probability, but not which n-grams there are, and its own conversion to ARPA
crashes at the triples (5.0.4), so its file is read here. That is KenLM's trie (Heafield 2011) with
16-bit quantization: the n-grams of an order are packed bits, grouped by their words from the last
to the first, and each has the place of its first longer n-gram. Probabilities are integer
logarithms to the base 1.0001. A test compares them with those that pocketsphinx tells.
"""

import itertools
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np

from espnet_wabert.errors import UserError
from espnet_wabert.text.ngram import BEGIN, END, UNKNOWN, Entries, NGram

WORD = re.compile(r"[a-z]+(?:'[a-z]+)*\Z")
MAGIC, QUANTIZED = b"Trie Language Model\x03", 1
BASE = 1.0001
TABLE = 1 << 16  # values of a quantized number
NODE = np.dtype([("p", "<f4"), ("backoff", "<f4"), ("next", "<u4")])  # of a word


class Packed(NamedTuple):
    """The n-grams of one order as bits; the first field is a word."""

    data: bytes
    start: int  # octet
    fields: tuple[int, ...]  # their number of bits, at most 32

    def size(self, count: int) -> int:
        """Return the octets of `count` n-grams and of the one that ends them."""
        return ((1 + count) * sum(self.fields) + 7) // 8 + 8

    def read(self, field: int, count: int) -> np.ndarray:
        """Return a field (count,) of the first n-grams."""
        octets = np.frombuffer(self.data, np.uint8, offset=self.start)
        bits = np.arange(count, dtype=np.int64) * sum(self.fields) + sum(self.fields[:field])
        value = np.zeros(count, np.uint64)
        for octet in range(5):  # 32 bits that begin within an octet
            value |= octets[(bits >> 3) + octet].astype(np.uint64) << np.uint64(8 * octet)
        value >>= (bits & 7).astype(np.uint64)
        return (value & np.uint64((1 << self.fields[field]) - 1)).astype(np.int64)


class Trie(NamedTuple):
    """What the file has, words as their indices; V words."""

    words: list[str]  # V
    single: np.ndarray  # (V,) probabilities
    pairs: Entries
    triples: Entries


def read_general_english() -> NGram:
    """Return pocketsphinx's n-grams of those of its words that have letters and apostrophes only.

    Raises:
        UserError: pocketsphinx is not installed, or its model is of another kind.
    """
    try:
        import pocketsphinx
    except ImportError as error:
        raise UserError(
            'general English needs pocketsphinx: pip install -e ".[reference]"'
        ) from error
    trie = read_trie(Path(pocketsphinx.get_model_path("en-us")) / "en-us.lm.bin")
    kept = [bool(WORD.match(word)) or word in (BEGIN, END) for word in trie.words]
    words = sorted({UNKNOWN, *itertools.compress(trie.words, kept)})
    index = {word: place for place, word in enumerate(words)}
    new = np.array([index.get(word, -1) for word in trie.words])
    single = np.zeros(len(words))
    single[new[kept]] = trie.single[kept]
    single[index[BEGIN]] = 0.0
    longer = []
    for ids, p in (trie.pairs, trie.triples):
        ids = new[ids]
        inside = (ids >= 0).all(axis=1)
        longer.append(Entries(ids[inside], p[inside]))
    return NGram(words, [Entries(np.arange(len(words))[:, None], single / single.sum()), *longer])


def read_trie(path: Path) -> Trie:
    """Read a trigram in pocketsphinx's binary format.

    Raises:
        UserError: the file is of another kind.
    """
    data = path.read_bytes()
    numbers = np.frombuffer(data, "<u4", 4, len(MAGIC)) if data.startswith(MAGIC) else [0] * 4
    if numbers[3] != QUANTIZED:
        raise UserError(f"{path}: no quantized trigram of pocketsphinx 5")
    count, most_pairs, most_triples = (int(number) for number in numbers[:3])
    tables = np.frombuffer(data, "<f4", 3 * TABLE, len(MAGIC) + 16).reshape(3, TABLE)
    at = len(MAGIC) + 16 + tables.nbytes
    nodes = np.frombuffer(data, NODE, count + 1, at)
    at += nodes.nbytes
    first = Packed(data, at, (count.bit_length(), 16, 16, most_triples.bit_length()))
    at += first.size(most_pairs)
    second = Packed(data, at, (count.bit_length(), 16))
    at += second.size(most_triples)
    words = data[at + 4 :].decode().split("\0")[:-1]
    if len(words) != count:
        raise UserError(f"{path}: {len(words)} of its {count} words were found")
    # The last word of each pair, the word before it, and the pair that ends each triple.
    last = np.repeat(np.arange(count), nodes["next"][1:] - nodes["next"][:-1])
    before, following = first.read(0, len(last)), first.read(3, len(last) + 1)
    ending = np.repeat(np.arange(len(last)), np.diff(following))
    before_it = second.read(0, len(ending))
    return Trie(
        words,
        _probability(nodes["p"][:-1]),
        Entries(
            np.stack([before, last], axis=1), _probability(tables[0][first.read(2, len(last))])
        ),
        Entries(
            np.stack([before_it, before[ending], last[ending]], axis=1),
            _probability(tables[2][second.read(1, len(ending))]),
        ),
    )


def _probability(logarithm: np.ndarray) -> np.ndarray:
    return np.power(BASE, logarithm.astype(np.float64))
