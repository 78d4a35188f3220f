"""How well the letters that a model reads agree with a transcript: confidence by CTC.

The transcript's letters get their frames by the best path through CTC's topology. In each frame the
path's symbol is compared with the most likely one: the log of the ratio of their probabilities, 0
where they agree. The score of a word is the sum over its frames, per letter (a goodness of
pronunciation, Witt & Young 2000, with CTC's symbols). A short word says less: it counts as if it
had `MORE` more letters, which agree. A word's frames begin where the word before it ends, so that
speech between them that is not in the transcript counts, too.

The score of a transcript is half that of all its letters and half that of its worst word: the mean
finds a wholly wrong transcript, the worst word finds one wrong word. Scores become probabilities by
a logistic function, whose two numbers were fitted on development voices (RESULTS.md).

The method needs the CTC head alone: no teacher, and no boundaries of another method.
Shapes: T frames, V symbols, S states.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from espnet_wabert.modules.ctc_head import BLANK, LETTERS, SPACE, spelling
from espnet_wabert.modules.forward_sum import HMMTopology, best_path

# Probability that a word is right: logistic(SLOPE * score + OFFSET).
SLOPE, OFFSET = 1.95, 6.65
DOUBT = 0.55  # transcripts with less may be of another recording; chosen on people (RESULTS.md)
DOUBTFUL_WORD = 0.74  # words with less may not have been said; chosen on development voices
WORST = -7.0  # score per letter from which a word is as wrong as it can be
MORE = 2.0  # letters; of 0 to 3, chosen on the same voices
# In silence, noise and music few letters are heard and no frame is sure: no transcript gets a bad
# score. If the letters that are heard are a smaller share of the transcript's than this one, the
# confidence is reduced in proportion. Right transcripts of the same voices had a share of at least
# .48, whatever the noise; music and hum at most .36.
HEARD = 0.45


class CTCConfidence(NamedTuple):
    """The confidence of one transcript."""

    words: list[float]  # probability that each word is right
    utterance: float  # the same, of the transcript's score


def topology_of(words: Sequence[str]) -> HMMTopology:
    """Return CTC's states for the letters of words: blanks may be skipped, but not between twins.

    `tokens` has the index of each state's word; blanks and spaces belong to the word after them.
    """
    symbols, optional, owners = [BLANK], [True], [0]
    for index, word in enumerate(words):
        letters = spelling(word)
        for letter in (" " if len(symbols) > 1 and letters else "") + letters:
            symbol = 1 + LETTERS.index(letter)
            if len(symbols) > 1 and symbols[-2] == symbol:
                optional[-1] = False
            symbols += [symbol, BLANK]
            optional += [False, True]
            owners += [index, index]
    return HMMTopology(np.array(symbols), np.array(optional), np.array(owners))


class CTCScores(NamedTuple):
    """Log-ratios per letter of the transcript's path and the most likely one, at most 0."""

    words: np.ndarray  # (W,); NaN for a word without a letter
    utterance: float
    letters: int  # of the transcript
    starts: np.ndarray  # (W,) first frame; a word without a letter has none


def ctc_confidence(log_p: np.ndarray, words: Sequence[str]) -> CTCConfidence:
    """Compare a transcript with what was read.

    Args:
        log_p: log-probabilities of the letters (T, V).
        words: the transcript's words as they are said; one without a letter (punctuation) is not
            judged and gets the utterance's confidence.
    """
    scores = ctc_scores(log_p, words)
    if scores is None:
        return CTCConfidence([0.0] * len(words), 0.0)
    judged = np.where(np.isnan(scores.words), scores.utterance, scores.words)
    evidence = min(1.0, _heard(log_p) / (HEARD * scores.letters))
    return CTCConfidence(
        (evidence * probability(judged)).tolist(), float(evidence * probability(scores.utterance))
    )


def _heard(log_p: np.ndarray) -> int:
    """Return the number of letters that are more likely than all other symbols (T, V) of frames."""
    best = np.where(log_p.max(axis=1) > np.log(0.4), log_p.argmax(axis=1), BLANK)
    return int((best[np.flatnonzero(np.diff(best, prepend=BLANK))] > SPACE).sum())


def ctc_scores(log_p: np.ndarray, words: Sequence[str]) -> CTCScores | None:
    """Return the scores of a transcript; None: no letters, or fewer frames than letters."""
    topology = topology_of(words)
    counts = np.bincount(
        topology.tokens[topology.symbols > 1], minlength=len(words)
    )  # letters without spaces
    if not counts.sum() or len(log_p) < topology.shortest():
        return None
    begins = best_path(log_p.astype(np.float64), topology)
    states = np.searchsorted(begins, np.arange(len(log_p)), side="right") - 1
    ratios = log_p[np.arange(len(log_p)), topology.symbols[states]] - log_p.max(axis=1)
    sums = np.bincount(topology.tokens[states], weights=ratios, minlength=len(words))
    own = np.where(counts > 0, sums / (counts + MORE), np.nan)
    letters = int(counts.sum())
    starts = np.append(begins, len(log_p))[np.searchsorted(topology.tokens, range(len(words)))]
    return CTCScores(own, float(sums.sum() / letters + np.nanmin(own)) / 2, letters, starts)


def probability(score: np.ndarray | float) -> np.ndarray:
    """Return the probability that a word with a score per letter is right."""
    return 1.0 / (1.0 + np.exp(-(SLOPE * np.maximum(score, WORST) + OFFSET)))
