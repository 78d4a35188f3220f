"""Text with an open vocabulary: all that the rated snippets say, and words that they lack.

Contained text (`pools.py`) has 800 words, so that a model of minutes can learn them all. A model
that reads people's speech must know more: here the snippets are cut into stretches without a limit
of the vocabulary, and more sentences are made in which words are exchanged for those of BERT's
vocabulary that the snippets have seldom or never.
"""

import itertools
from collections import Counter
from collections.abc import Iterable

from espnet_wabert.mini.sentences import Snippet, words
from espnet_wabert.text.ngram import WHOLE_WORD

SHORTEST, LONGEST = 3, 16  # words of a stretch
HEARD = 3  # how often a model should hear a word
EXCHANGED = 4  # words per sentence, at most


def cut(snippet: Snippet, longest: int) -> list[str]:
    """Cut a snippet into stretches of at most `longest` words; nothing is in two of them.

    Stretches end at punctuation marks where they can; shorter ones than `SHORTEST` are left out.
    """
    found: list[list[list[str]]] = []
    for chunk in snippet.chunks:
        current: list[list[str]] = []
        for piece in (part for whole in chunk for part in _parts(whole, longest)):
            if current and sum(map(len, current)) + len(piece) > longest:
                found.append(current)
                current = []
            current = [*current, piece]
        if current:
            found.append(current)
    return [
        ", ".join(" ".join(piece) for piece in pieces)
        for pieces in found
        if sum(map(len, pieces)) >= SHORTEST
    ]


def _parts(piece: list[str], longest: int) -> list[list[str]]:
    """Cut words into parts of nearly the same length."""
    count = -(-len(piece) // longest)
    ends = [round(len(piece) * number / count) for number in range(count + 1)]
    return [piece[a:b] for a, b in itertools.pairwise(ends)]


def stretches(snippets: Iterable[Snippet], rng) -> list[str]:
    """Return the stretches of snippets, each text once, of different lengths."""
    found = (text for s in snippets for text in cut(s, int(rng.integers(7, LONGEST + 1))))
    return list(dict.fromkeys(found))


def with_rare_words(texts: list[str], vocabulary: Iterable[str], rng) -> list[str]:
    """Return more sentences, in which every word of a vocabulary is heard often enough.

    Args:
        texts: the sentences whose words are exchanged, and which count.
        vocabulary: words that a voice can pronounce, in an order that does not change.
    """
    heard = Counter(word for text in texts for word in words(text))
    wanted = [
        word for word in vocabulary if WHOLE_WORD.match(word) for _ in range(HEARD - heard[word])
    ]
    wanted = [wanted[i] for i in rng.permutation(len(wanted))]
    made: list[str] = []
    order: list[int] = []
    while wanted:
        order = order or rng.permutation(len(texts)).tolist()
        tokens = texts[order.pop()].split()
        # Longer words are those with meaning; what stays gives the sentence its form.
        places = sorted(range(len(tokens)), key=lambda at: -len(tokens[at]))[:EXCHANGED]
        for at in sorted(places[: len(tokens) // 2]):
            if wanted:
                tokens[at] = wanted.pop() + ("," if tokens[at].endswith(",") else "")
        made.append(" ".join(tokens))
    return made


TEENS = ("ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen").split()
TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
DIGITS = "one two three four five six seven eight nine".split()
ORDINALS = (
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth "
    "fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth twentieth thirtieth"
).split()
MONTHS = (
    "january february march april may june july august september october november december"
).split()
LETTERS = "bcdefghijklmnopqrstuvwxyz"  # "a" alone is read as the article


def spelled(count: int, rng) -> list[str]:
    """Return utterances of numbers, dates and spelled words, which the snippets do not have."""
    return [" ".join(_KINDS[rng.integers(len(_KINDS))](rng)) for _ in range(count)]


def _number(rng) -> list[str]:
    """Return a number below 100."""
    if rng.random() < 0.4:
        return [str(rng.choice([*DIGITS, *TEENS, "zero", "oh"]))]
    unit = [str(rng.choice(DIGITS))] if rng.random() < 0.8 else []
    return [str(rng.choice(TENS)), *unit]


def _numbers(rng) -> list[str]:
    found = [word for _ in range(rng.integers(1, 5)) for word in _number(rng)]
    if rng.random() < 0.3:
        found += [str(rng.choice(["hundred", "thousand", "million", "dollars", "percent"]))]
    return found


def _date(rng) -> list[str]:
    day = [str(rng.choice(ORDINALS))]
    if rng.random() < 0.3:
        day = [str(rng.choice(TENS[:1])), str(rng.choice(ORDINALS[:9]))]
    year = ["nineteen", *_number(rng)] if rng.random() < 0.7 else ["two", "thousand", *_number(rng)]
    return [str(rng.choice(MONTHS)), *day, *year]


def _letters(rng) -> list[str]:
    found = [str(rng.choice(list(LETTERS))) for _ in range(rng.integers(2, 9))]
    return found + (_number(rng) if rng.random() < 0.3 else [])


_KINDS = [_numbers, _date, _letters]
