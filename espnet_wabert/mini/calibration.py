"""Is the confidence of a transcript what it says? Right, slightly wrong and wholly wrong ones.

From each transcript five are made: as it is; with one word exchanged, dropped or added; and that of
another recording. The area under the curve is that of utterances (right against wrong); the word of
least confidence should be the wrong one.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from espnet_wabert.alignment.ctc_confidence import WORST, ctc_scores, probability
from espnet_wabert.inference.api import WaBERTInference

CHANGES = ("exchanged", "dropped", "added", "other")
BATCH = 16  # utterances
BINS = np.linspace(0, 1, 11)  # of confidence, for the reliability


class Judged(NamedTuple):
    """The scores of transcripts of the same recordings."""

    right: np.ndarray  # (U,) of utterances
    wrong: dict[str, np.ndarray]  # change -> (U,)
    word_scores: np.ndarray  # of all words of right and exchanged transcripts
    word_right: np.ndarray  # bool, whether each is what was said
    hits: dict[str, float]  # change -> share of utterances whose worst word is the wrong one

    def area(self, change: str) -> float:
        """Return the area under the curve of right and changed transcripts."""
        other = self.wrong[change]
        labels = np.r_[np.ones(len(self.right)), np.zeros(len(other))]
        return float(roc_auc_score(labels, np.r_[self.right, other]))

    def false_alarms(self, limit: float) -> float:
        """Return the share of right transcripts below a confidence."""
        return float(np.mean(probability(self.right) < limit))

    def found(self, limit: float, change: str = "other") -> float:
        """Return the share of changed transcripts below a confidence."""
        return float(np.mean(probability(self.wrong[change]) < limit))

    def limits(self) -> tuple[float, float]:
        """Return the confidence below which 2 % of the right and 98 % of the other ones are."""
        right, other = probability(self.right), probability(self.wrong["other"])
        return float(np.quantile(right, 0.02)), float(np.quantile(other, 0.98))

    def reliability(self) -> list[tuple[float, float, int]]:
        """Return mean confidence, share of right words and number of words of each bin."""
        p = probability(self.word_scores)
        places = np.clip(np.digitize(p, BINS) - 1, 0, len(BINS) - 2)
        rows = [(p[places == at], self.word_right[places == at]) for at in range(len(BINS) - 1)]
        return [(float(q.mean()), float(r.mean()), len(q)) for q, r in rows if len(q)]

    def fit(self) -> tuple[float, float]:
        """Return the slope and the offset of the logistic function that fits the words best."""
        scores = np.maximum(self.word_scores, WORST)[:, None]
        model = LogisticRegression(C=1e6).fit(scores, self.word_right)
        return float(model.coef_[0, 0]), float(model.intercept_[0])


def change(words: list[str], kind: str, others: Sequence[str], rng) -> tuple[list[str], int]:
    """Return changed words and the place of the change; of a dropped word the place after it."""
    at = int(rng.integers(len(words)))
    stranger = str(rng.choice([w for w in others if w != words[at]]))
    if kind == "exchanged":
        return [*words[:at], stranger, *words[at + 1 :]], at
    if kind == "added":
        return [*words[:at], stranger, *words[at:]], at
    return [*words[:at], *words[at + 1 :]], min(at, len(words) - 2)


def judge(
    inference: WaBERTInference,
    speech: Sequence[np.ndarray],
    texts: Sequence[str],
    condition: Callable[[np.ndarray], np.ndarray],
    seed: int = 0,
) -> Judged:
    """Score right and changed transcripts of recordings under a condition.

    Texts need two words or more.
    """
    rng = np.random.default_rng(seed)
    vocabulary = sorted({word for text in texts for word in text.split()})
    log_ps: list[np.ndarray] = []
    for first in range(0, len(speech), BATCH):
        log_ps += inference.reader.letters([condition(x) for x in speech[first : first + BATCH]])
    right, word_scores, word_right = [], [], []
    wrong: dict[str, list[float]] = {kind: [] for kind in CHANGES}
    hits: dict[str, list[bool]] = {kind: [] for kind in CHANGES}
    for at, (log_p, text) in enumerate(zip(log_ps, texts, strict=True)):
        words = text.split()
        own = ctc_scores(log_p, words)
        if own is None:
            continue
        right.append(own.utterance)
        word_scores.append(own.words)
        word_right.append(np.ones(len(words), bool))
        for kind in CHANGES[:-1]:
            changed, place = change(words, kind, vocabulary, rng)
            scores = ctc_scores(log_p, changed)
            wrong[kind].append(WORST if scores is None else scores.utterance)
            if scores is None:
                continue
            worst = int(np.nanargmin(scores.words))
            hits[kind].append(worst == place or (kind == "dropped" and worst == place - 1))
            if kind == "exchanged":
                word_scores.append(scores.words)
                word_right.append(np.arange(len(changed)) != place)
        scores = ctc_scores(log_p, texts[(at + 1) % len(texts)].split())
        wrong["other"].append(WORST if scores is None else scores.utterance)
    known = np.isfinite(np.concatenate(word_scores))
    return Judged(
        np.array(right), {kind: np.array(found) for kind, found in wrong.items()},
        np.concatenate(word_scores)[known], np.concatenate(word_right)[known],
        {kind: float(np.mean(found)) for kind, found in hits.items() if found},
    )  # fmt: skip
