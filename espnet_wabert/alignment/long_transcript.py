"""Align a long recording with a long transcript, in parts that are found by reading it.

Time and memory of an alignment grow with frames times tokens: an hour with 9,000 words has two
billion pairs. The letters that the CTC head reads are compared with the transcript. Where several
words in sequence agree, recording and transcript are cut between two of them.
"""

import itertools
from collections.abc import Iterable, Sequence
from difflib import Match, SequenceMatcher
from typing import NamedTuple

import numpy as np
import torch

from espnet_wabert.alignment.aligner import Aligner, Alignment, EncodedSpeech, WordAlignment
from espnet_wabert.formats.word import Word
from espnet_wabert.modules.ctc_head import BLANK, SYMBOLS, spelling
from espnet_wabert.text.wordpiece import Encoded

PART = 60.0  # seconds of a part, at least
AGREED = 6  # words in sequence: with fewer, a phrase that occurs twice could be taken for another


class Heard(NamedTuple):
    """A word that the letters spell, and its frames."""

    word: str
    first: int
    last: int


class Cut(NamedTuple):
    """A place between two words of the transcript, and its frame."""

    word: int
    frame: int


def heard_words(log_p: np.ndarray) -> list[Heard]:
    """Return the words that the most likely symbols of frames (T, V) spell."""
    best = log_p.argmax(axis=1)
    found: list[Heard] = []
    word, first, last = "", 0, 0
    for frame in np.flatnonzero(best != BLANK).tolist():
        letter = SYMBOLS[best[frame]]
        new = frame == 0 or best[frame - 1] != best[frame]
        if letter == " " and word:
            found.append(Heard(word, first, last))
            word = ""
        elif letter != " ":
            first = first if word else frame
            last = frame
            word += letter if new else ""
    return [*found, Heard(word, first, last)] if word else found


def agreements(heard: Sequence[Heard], said: Sequence[str]) -> tuple[list[Match], list[int]]:
    """Return the sequences of words on which recording and transcript agree.

    Args:
        heard: what was read.
        said: the spoken form of each word of the transcript, one or more words or none.

    Returns:
        Blocks `a`, `b`, `size` of spoken and heard words, and the index of each spoken word in
        `said`.
    """
    spoken, owners = [], []
    for index, words in enumerate(said):
        for word in words.split():
            spoken.append(spelling(word))
            owners.append(index)
    matcher = SequenceMatcher(None, spoken, [one.word for one in heard], autojunk=False)
    return matcher.get_matching_blocks(), owners


def find_cuts(heard: Sequence[Heard], said: Sequence[str], shortest: int) -> list[Cut]:
    """Return cuts that are at least `shortest` frames apart, in the order of time.

    Args:
        heard: what was read.
        said: the spoken form of each word of the transcript, one or more words or none.
        shortest: in frames.
    """
    blocks, owners = agreements(heard, said)
    cuts, before = [], 0
    for block in blocks:
        for place in range(AGREED // 2, block.size - AGREED // 2 + 1):
            here, there = block.a + place, block.b + place
            frame = (heard[there - 1].last + heard[there].first + 1) // 2
            if owners[here] != owners[here - 1] and frame - before >= shortest:
                cuts.append(Cut(owners[here], frame))
                before = frame
    return cuts


class Parts:
    """A recording and its transcript, of which parts are aligned.

    Args:
        aligner: of a model with a CTC head.
        speech: samples (S,) or features (T, W).
        transcript: its N tokens.
        method: one of the aligner's.
        cells: frames times tokens of a part, at most.
    """

    def __init__(
        self, aligner: Aligner, speech: np.ndarray, transcript: Encoded, method: str, cells: int
    ):
        self.aligner, self.transcript, self.method = aligner, transcript, method
        self.cells = cells
        encoded = aligner.encode([speech])
        silence = int(encoded.silence[0])
        own = slice(silence, int(encoded.lengths[0]) - silence)
        self.features, self.adapted = encoded.features[:, own], encoded.adapted[:, own]
        self.paused = encoded.paused[:, own]
        self.whole = Cut(0, 0), Cut(len(transcript.words), own.stop - own.start)

    @torch.inference_mode()
    def letters(self) -> np.ndarray:
        """Return the log-probabilities of the letters that are read (T, V)."""
        assert self.aligner.model.ctc_head is not None
        return self.aligner.model.ctc_head(self.adapted)[0].cpu().numpy()

    def tokens(self, start: Cut, stop: Cut) -> Encoded:
        """Return the tokens of the words between two cuts."""
        words = slice(start.word, stop.word)
        part = self.aligner.tokenizer.encode_words(self.transcript.said[words])
        return part._replace(words=self.transcript.words[words])

    @torch.inference_mode()
    def align(self, start: Cut, stop: Cut) -> Alignment | None:
        """Align what is between two cuts; None: it is too large."""
        part, frames = self.tokens(start, stop), slice(start.frame, stop.frame)
        count = stop.frame - start.frame
        if count * len(part.ids) > self.cells:
            return None
        length = torch.tensor([count], device=self.features.device)
        encoded = EncodedSpeech(
            self.features[:, frames], self.adapted[:, frames], length, torch.zeros_like(length),
            self.paused[:, frames],
        )  # fmt: skip
        (aligned,) = self.aligner.align_encoded(encoded, [part], [self.method], predictions=False)
        return aligned

    def seconds(self, cut: Cut) -> float:
        """Return the time of a cut."""
        return cut.frame * self.aligner.hop


def align_in_parts(parts: Parts) -> Alignment | None:
    """Align a long recording; None: a part is too large, because too little of it is heard."""
    shortest = round(PART / parts.aligner.hop)
    cuts = find_cuts(heard_words(parts.letters()), parts.transcript.said, shortest)
    first, last = parts.whole
    found = []
    for start, stop in itertools.pairwise([first, *cuts, last]):
        aligned = parts.align(start, stop)
        if aligned is None:
            return None
        found.append((aligned, parts.seconds(start)))
    return join(found)


def join(parts: Sequence[tuple[Alignment, float]]) -> Alignment:
    """Join alignments of parts, each with its start in seconds."""
    names = [n for n in parts[0][0].by_method if all(n in part.by_method for part, _ in parts)]
    return Alignment(
        {name: _join([(part.by_method[name], at) for part, at in parts]) for name in names},
        _inner([part.tokens for part, _ in parts]),
        None,
        None,
        sum(part.predicted_length - 2 for part, _ in parts) + 2,
    )


def _join(parts: Sequence[tuple[WordAlignment, float]]) -> WordAlignment:
    rows = [part for part, _ in parts]
    of_tokens = _all(part.confidences for part in rows)
    of_words = _all(part.word_confidences for part in rows)
    by_ctc = _all(part.by_ctc for part in rows)
    counts = [len(part.words) for part in rows]
    return WordAlignment(
        [Word(w.word, w.start + at, w.end + at) for part, at in parts for w in part.words],
        _inner([[time + at for time in part.starts] for part, at in parts]),
        _inner([[time + at for time in part.ends] for part, at in parts]),
        None if of_tokens is None else _inner(of_tokens),
        None if of_words is None else list(itertools.chain.from_iterable(of_words)),
        None if by_ctc is None else float(np.average(by_ctc, weights=counts)),
    )


def _all[T](values: Iterable[T | None]) -> list[T] | None:
    """Return the values; None if one of them is missing."""
    found = list(values)
    known = [value for value in found if value is not None]
    return known if len(known) == len(found) else None


def _inner[T](rows: Sequence[Sequence[T]]) -> list[T]:
    """Join rows of tokens; the first keeps its [CLS], and the last its [SEP]."""
    ends = len(rows) - 1
    return [
        value
        for at, row in enumerate(rows)
        for value in row[0 if at == 0 else 1 : None if at == ends else -1]
    ]
