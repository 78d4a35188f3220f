"""Sentiment scores: weighted recall and F1 (the paper), macro F1 (SLUE's leaderboard)."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from espnet_wabert.constants import LABELS
from espnet_wabert.errors import UserError
from espnet_wabert.formats.labels import require_same_ids

METRICS = ("weighted_recall", "weighted_f1", "macro_f1", "neutral_positive_f1")


class ClassScores(NamedTuple):
    """Scores of one class, from 0 to 1."""

    label: str
    precision: float
    recall: float
    f1: float
    support: int  # utterances of the class in the reference


class SentimentScores(NamedTuple):
    """All scores of one system on one set, from 0 to 1.

    An undefined precision or recall counts as 0. The macro F1 is the mean over the classes of the
    reference; `absent` names the others. So every system is averaged over the same classes.
    """

    weighted_recall: float  # the paper's recall, equal to the accuracy
    weighted_f1: float
    macro_f1: float
    neutral_positive_f1: float  # ESPnet's recipe: the mean F1 of Neutral and Positive alone
    per_class: tuple[ClassScores, ...]
    confusion: np.ndarray  # (classes, classes) utterances; rows: reference, columns: hypothesis
    absent: tuple[str, ...]  # classes without utterances in the reference

    def as_dict(self) -> dict:
        """Return numbers, lists and strings for a JSON file."""
        return {
            **{name: getattr(self, name) for name in METRICS},
            "utterances": int(self.confusion.sum()),
            "classes": {scores.label: scores._asdict() for scores in self.per_class},
            "confusion": self.confusion.tolist(),
            "absent": list(self.absent),
        }


def score_sentiment(
    reference: Mapping[str, str],
    hypothesis: Mapping[str, str],
    classes: Sequence[str] = LABELS,
) -> SentimentScores:
    """Score predicted labels against reference labels, joined by utterance id.

    Raises a `UserError` that names ids which only one of the two has.
    """
    require_same_ids(reference, hypothesis)
    if not reference:
        raise UserError("there is no utterance to score")
    confusion = confusion_matrix(
        [(reference[utt_id], hypothesis[utt_id]) for utt_id in reference], classes
    )
    figures, (precision, recall, f1) = confusion_scores(confusion, classes)
    support = confusion.sum(axis=1)
    per_class = zip(classes, precision, recall, f1, support, strict=True)
    return SentimentScores(
        **{name: float(value) for name, value in figures.items()},
        per_class=tuple(
            ClassScores(label, float(p), float(r), float(f), int(n))
            for label, p, r, f, n in per_class
        ),
        confusion=confusion,
        absent=tuple(label for label, count in zip(classes, support, strict=True) if not count),
    )


def confusion_matrix(pairs: Iterable[tuple[str, str]], classes: Sequence[str]) -> np.ndarray:
    """Count (reference, hypothesis) pairs of labels: (classes, classes) integers."""
    index = {label: place for place, label in enumerate(classes)}
    cells = [index[expected] * len(classes) + index[found] for expected, found in pairs]
    counts = np.bincount(cells, minlength=len(classes) ** 2)
    return counts.reshape(len(classes), len(classes))


def confusion_scores(
    confusion: np.ndarray, classes: Sequence[str] = LABELS, counted: np.ndarray | None = None
) -> tuple[dict[str, np.ndarray], tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Return the figures of `METRICS`, and precision, recall and F1 per class.

    `confusion` is (..., C, C), rows: reference; the figures are (...), the class scores (..., C).
    Leading axes are resamples of the bootstrap. `counted` (C,) marks the classes of the macro F1;
    default: those in the matrix.
    """
    hits = np.diagonal(confusion, axis1=-2, axis2=-1).astype(np.float64)  # (..., C)
    support, found = confusion.sum(axis=-1), confusion.sum(axis=-2)
    precision, recall = hits / np.maximum(found, 1), hits / np.maximum(support, 1)
    f1 = 2 * hits / np.maximum(found + support, 1)
    total = np.maximum(support.sum(axis=-1), 1)
    present = support > 0 if counted is None else np.broadcast_to(counted, support.shape)
    named = [place for place, label in enumerate(classes) if label in ("Neutral", "Positive")]
    figures = {
        "weighted_recall": hits.sum(axis=-1) / total,
        "weighted_f1": (f1 * support).sum(axis=-1) / total,
        "macro_f1": (f1 * present).sum(axis=-1) / np.maximum(present.sum(axis=-1), 1),
        "neutral_positive_f1": f1[..., named].sum(axis=-1) / max(len(named), 1),
    }
    return figures, (precision, recall, f1)


def majority_label(labels: Iterable[str], classes: Sequence[str] = LABELS) -> str:
    """Return the most frequent label; of equal ones, the first in the order of the classes."""
    counts = Counter(labels)
    return max(classes, key=lambda label: (counts[label], -classes.index(label)))


def score_majority(
    reference: Mapping[str, str],
    train: Mapping[str, str] | None = None,
    classes: Sequence[str] = LABELS,
) -> tuple[str, SentimentScores]:
    """Return the majority label (of `train`, else of the reference) and its scores."""
    label = majority_label((train or reference).values(), classes)
    return label, score_sentiment(reference, dict.fromkeys(reference, label), classes)
