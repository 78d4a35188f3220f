"""Distribute sentences to splits, with a limited vocabulary and without shared texts.

Whole texts are distributed, so that two splits never share a text. The vocabularies are those of
the training texts. All words of a sentence for alignment are in the small vocabulary; a sentiment
sentence has at most one word outside the large one.
"""

import heapq
from collections import Counter
from typing import NamedTuple

import numpy as np

from espnet_wabert.constants import LABELS
from espnet_wabert.mini import open_text
from espnet_wabert.mini.sentences import Snippet, runs, spans, words

READ_VOCABULARY = 800  # words
SENTIMENT_VOCABULARY = 1200  # words, with those of the small vocabulary
SHORTEST_READ = 5  # words of a sentence for alignment
LEAST_KNOWN = 3  # frequency from which a word outside the vocabulary is allowed
CHARGED = 0.5  # absolute lexicon rating from which a word has sentiment


class Pool(NamedTuple):
    """The sentences of one split, each list shuffled and without repetition."""

    open: list[str]  # cut at punctuation marks, without a limit of the vocabulary
    read: list[str]  # between punctuation marks, within the small vocabulary
    stretches: list[str]  # cut anywhere, within the small vocabulary
    sentiment: dict[str, list[str]]  # label -> sentences; a key of `LABELS`
    unclear: list[str]  # rated neither neutral nor clearly positive or negative

    @property
    def contained(self) -> list[str]:
        """Return all sentences within the small vocabulary."""
        return self.read + self.stretches


class Pools(NamedTuple):
    """The pools of all splits."""

    vocabulary: set[str]  # the small one
    splits: dict[str, Pool]  # "train", "dev", "test"


def make_pools(
    snippets: list[Snippet],
    lexicon: dict[str, float],
    shares: dict[str, float],
    open_vocabulary: bool,
    rng,
) -> Pools:
    """Divide the snippets and build each split's pool.

    Args:
        snippets: rated texts.
        lexicon: rating of each word that carries sentiment.
        shares: fraction of the texts of each split.
        open_vocabulary: whether sentiment sentences may have any words.
        rng: numpy Generator; the same state gives the same pools.
    """
    divided = divide(snippets, shares, rng)
    counts = Counter(
        word for s in snippets for chunk in s.chunks for piece in chunk for word in piece
    )
    known = {word for word, count in counts.items() if count >= LEAST_KNOWN and len(word) > 2}
    ranked = rank_words(divided["train"], lexicon)
    small = set(ranked[:READ_VOCABULARY])
    large = None if open_vocabulary else set(ranked[:SENTIMENT_VOCABULARY])
    seen: set[tuple] = set()
    pools = {}
    for split in ("test", "dev", "train"):  # a repeated sentence stays in the smallest split
        pools[split] = _pool(divided[split], (small, large, known), lexicon, seen, rng)
    return Pools(small, {split: pools[split] for split in shares})


def divide(snippets: list[Snippet], shares: dict[str, float], rng) -> dict[str, list[Snippet]]:
    """Return the snippets of each split, drawn from the generator."""
    order = rng.permutation(len(snippets))
    ends = np.cumsum([round(share * len(snippets)) for share in shares.values()])
    parts = np.split(order, ends[:-1])
    return {split: [snippets[i] for i in part] for split, part in zip(shares, parts, strict=True)}


def rank_words(snippets: list[Snippet], lexicon: dict[str, float]) -> list[str]:
    """Return words by the number of sentiment sentences that have them, then alphabetically."""
    counts = Counter(
        word
        for snippet in snippets
        for text in _sentiment(snippet, lexicon)
        if snippet.label
        for word in set(words(text))
    )
    return sorted(counts, key=lambda word: (-counts[word], word))


def _sentiment(snippet: Snippet, lexicon: dict[str, float]) -> list[str]:
    """Return the sentences that have the rating of a snippet.

    That is the whole text if it is one sentence; of a longer neutral text also its parts without
    words of the lexicon.
    """
    if snippet.whole:
        return [snippet.whole]
    if snippet.label != "Neutral":
        return []
    plain = [
        text
        for text in spans(snippet)
        if not any(abs(lexicon.get(word, 0.0)) >= CHARGED for word in words(text))
    ]
    return sorted(plain, key=len, reverse=True)


def _pool(snippets, vocabularies, lexicon, seen: set[tuple], rng) -> Pool:
    small, large, known = vocabularies
    read: list[str] = []
    stretches: list[str] = []
    unclear: list[str] = []
    sentiment: dict[str, list[str]] = {label: [] for label in LABELS}

    def add(target: list[str], texts: list[str], most: int | None = None) -> None:
        for text in texts[:most]:
            key = tuple(words(text))
            if key not in seen:
                seen.add(key)
                target.append(text)

    for snippet in snippets:
        near = [
            text
            for text in _sentiment(snippet, lexicon)
            if large is None or _near(text, large, known)
        ]
        add(sentiment.get(snippet.label, unclear), near, most=1)
    for snippet in snippets:
        inside = [
            text
            for text in spans(snippet)
            if small.issuperset(words(text)) and len(words(text)) >= SHORTEST_READ
        ]
        add(read, sorted(inside, key=len, reverse=True))
        add(stretches, [t for t in runs(snippet, small) if len(words(t)) >= SHORTEST_READ])
    shuffled = {label: _shuffle(texts, rng) for label, texts in sentiment.items()}
    texts = [text for text in open_text.stretches(snippets, rng) if ("open", text) not in seen]
    seen.update(("open", text) for text in texts)
    texts = _shuffle(texts, rng)
    return Pool(
        texts, _shuffle(read, rng), _shuffle(stretches, rng), shuffled, _shuffle(unclear, rng)
    )


def _near(text: str, vocabulary: set[str], known: set[str]) -> bool:
    outside = [word for word in words(text) if word not in vocabulary]
    return not outside or (len(outside) == 1 and outside[0] in known)


def _shuffle(texts: list[str], rng) -> list[str]:
    return [texts[i] for i in rng.permutation(len(texts))]


def contained_texts(pools: Pools, count: int) -> list[str]:
    """Return `count` training sentences with a contained vocabulary, as balanced as they can be.

    All sentiment sentences are among them, so that the aligner knows the words of fine-tuning.
    """
    pool = pools.splits["train"]
    texts = pool.read + [text for texts in pool.sentiment.values() for text in texts]
    return (texts + cover(pool.stretches, pools.vocabulary, texts, count - len(texts)))[:count]


def cover(texts: list[str], vocabulary: set[str], begin: list[str], count: int) -> list[str]:
    """Choose `count` of `texts` with balanced word frequencies.

    Args:
        texts: the texts to choose from.
        vocabulary: the words to balance.
        begin: sentences that are used in any case; their words are counted first.
        count: number of texts to choose.

    Returns:
        The chosen texts. Each step takes the text with the largest gain: a word that occurs n times
        adds 1 / (1 + n)^2; ties go to the first text.
    """
    have = Counter(word for text in begin for word in words(text))

    def gain(text: str) -> float:
        inside = vocabulary.intersection(words(text))
        return sum((1 + have[word]) ** -2.0 for word in sorted(inside))

    heap = [(-gain(text), index) for index, text in enumerate(texts)]
    heapq.heapify(heap)
    chosen: list[str] = []
    while heap and len(chosen) < count:
        _, index = heapq.heappop(heap)
        now = (-gain(texts[index]), index)
        if heap and now > heap[0]:  # gains only decrease: push an outdated one back
            heapq.heappush(heap, now)
            continue
        chosen.append(texts[index])
        have.update(words(texts[index]))
    return chosen
