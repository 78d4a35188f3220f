"""Align a transcript that begins or ends with other words than the recording.

An alignment puts every word somewhere: words that are not said push the others away, and speech
without a transcript draws them to it. For a transcript in doubt, the letters that the CTC head
reads tell which words and which frames have no partner at the ends; the rest is aligned alone.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from espnet_wabert.alignment.aligner import Alignment, WordAlignment
from espnet_wabert.alignment.ctc_confidence import topology_of
from espnet_wabert.alignment.long_transcript import (
    Cut,
    Heard,
    Parts,
    agreements,
    heard_words,
    join,
)
from espnet_wabert.formats.word import Word
from espnet_wabert.modules.forward_sum import HMMTopology, best_path
from espnet_wabert.text.wordpiece import Encoded

ANCHOR = 2  # words in sequence that agree; one alone may be chance
FEWEST = 4  # words that are left
MISREAD = 3  # letters that may be heard less than they are said
OTHER_SPEECH = 0.1  # by which speech without a transcript is less likely than the best symbol


class Common(NamedTuple):
    """What recording and transcript have in common."""

    aligned: Alignment  # of the whole transcript; words that are not heard have no duration
    unheard: int  # words of the transcript before and after it
    start: float  # seconds of speech without a transcript before it
    end: float  # ... and after it


def heard_part(heard: Sequence[Heard], said: Sequence[str]) -> range | None:
    """Return the words of a transcript without those at its ends that are not heard.

    Letters are counted, not words: what is misread is often cut in other places.

    Args:
        heard: what was read.
        said: the spoken form of each word of the transcript.

    Returns:
        None: nowhere do `ANCHOR` words in sequence agree.
    """
    blocks, owners = agreements(heard, said)
    anchors = [block for block in blocks if block.size >= ANCHOR]
    if not anchors:
        return None
    sizes = [len("".join(words.split())) for words in said]
    read = [len(one.word) for one in heard]
    first, last = anchors[0], anchors[-1]
    a, b = owners[first.a], last.a + last.size
    start = _unheard_words(sizes[:a], sum(read[: first.b]))
    rest = sizes[owners[b - 1] + 1 :]
    stop = len(said) - _unheard_words(rest[::-1], sum(read[last.b + last.size :]))
    return range(start, stop)


def _unheard_words(sizes: Sequence[int], heard: int) -> int:
    """Return how many words, from the end inwards, have the letters that are not heard there."""
    missing = sum(sizes) - heard
    if missing <= MISREAD:
        return 0
    return int(np.abs(np.cumsum([0, *sizes]) - missing).argmin())


def find_frames(log_p: np.ndarray, words: Sequence[str]) -> tuple[int, int] | None:
    """Return the first frame and the end of words that are a part of what is said.

    A state before and one after the letters take speech without a transcript: in each frame they
    are a little less likely than the best symbol.

    Args:
        log_p: log-probabilities of the letters (T, V).
        words: the spoken form of each word.

    Returns:
        None: more letters than frames.
    """
    letters, other = topology_of(words), log_p.shape[1]
    topology = HMMTopology(
        np.concatenate([[other], letters.symbols, [other]]),
        np.concatenate([[True], letters.optional, [True]]),
        np.concatenate([[0], letters.tokens, [len(words) - 1]]),
    )
    if len(log_p) < topology.shortest():
        return None
    ratios = log_p - log_p.max(axis=1, keepdims=True)
    free = np.full((len(log_p), 1), -OTHER_SPEECH)
    begins = best_path(np.hstack([ratios, free]).astype(np.float64), topology)
    return int(begins[1]), int(begins[-1])


def align_common(parts: Parts) -> Common | None:
    """Align what a recording and its transcript have in common.

    Returns:
        None: their ends agree, or what they have in common is in doubt, too.
    """
    method, (first, last), said = parts.method, parts.whole, parts.transcript.said
    log_p = parts.letters()
    words = heard_part(heard_words(log_p), said)
    frames = words and find_frames(log_p, said[words.start : words.stop])
    if not words or len(words) < FEWEST or frames is None:
        return None
    start, stop = Cut(words.start, frames[0]), Cut(words.stop, frames[1])
    if (start, stop) == parts.whole:
        return None
    inner = parts.align(start, stop)
    if inner is None or method not in inner.by_method:
        return None
    confidence = inner.by_method[method].by_ctc
    if confidence is None or confidence < parts.aligner.min_confidence(method):
        return None
    before, after = parts.tokens(first, start), parts.tokens(stop, last)
    rows = [
        (_unheard(before, method), parts.seconds(start)),
        (inner, parts.seconds(start)),
        (_unheard(after, method), parts.seconds(stop)),
    ]
    joined = join([row for row in rows if row[0].by_method[method].words])
    timed = joined.by_method[method]._replace(by_ctc=confidence)
    return Common(
        joined._replace(by_method={method: timed}),
        len(before.words) + len(after.words),
        parts.seconds(start),
        parts.seconds(last) - parts.seconds(stop),
    )


def _unheard(part: Encoded, method: str) -> Alignment:
    """Return words without a duration and with a confidence of 0."""
    zeros = [0.0] * len(part.ids)
    words = [Word(word, 0.0, 0.0) for word in part.words]
    timed = WordAlignment(words, zeros, zeros, zeros, [0.0] * len(words), 0.0)
    return Alignment({method: timed}, part.pieces, None, None, len(part.ids))
