"""How sure a sentiment score is: bootstrap over utterances, and a paired test of two systems.

A resample of utterances only matters through how many fall into each cell of the confusion matrix,
so all resamples are drawn at once as multinomial counts: exact, and no loop over them. The macro F1
of a resample is over the classes of the whole set: a rare class that it happens to lack counts as 0
there, since a mean over fewer classes would be another score.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from espnet_wabert.constants import LABELS
from espnet_wabert.errors import UserError
from espnet_wabert.formats.labels import require_same_ids
from espnet_wabert.scoring.sentiment import METRICS, confusion_scores

RESAMPLES = 10_000
LEVEL = 0.95


class Interval(NamedTuple):
    """The percentile interval of a score over the resamples."""

    low: float
    high: float


class PairedTest(NamedTuple):
    """System A against system B on the same utterances, for one metric."""

    difference: float  # A's score minus B's
    interval: Interval  # of the difference, paired bootstrap
    better: float  # share of the resamples in which A is above B, a tie counting half
    p_value: float  # two-sided, paired permutation test: labels swapped between A and B


def bootstrap_intervals(
    confusion: np.ndarray,
    classes: Sequence[str] = LABELS,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[str, Interval]:
    """The interval of every metric of `METRICS`, from a confusion matrix (C, C) of one system."""
    drawn = _resample(confusion.ravel(), resamples, np.random.default_rng(seed))
    counted = confusion.sum(axis=1) > 0
    figures, _ = confusion_scores(drawn.reshape(-1, *confusion.shape), classes, counted)
    return {name: _percentiles(values) for name, values in figures.items()}


def paired_test(
    reference: Mapping[str, str],
    system_a: Mapping[str, str],
    system_b: Mapping[str, str],
    metric: str = "macro_f1",
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> PairedTest:
    """Compare two systems' labels of `LABELS`, joined with the reference by utterance id.

    The p-value counts the observed labeling among the permutations, so that it is never 0.
    """
    if metric not in METRICS:
        raise UserError(f"metric '{metric}' is not one of {', '.join(METRICS)}")
    require_same_ids(reference, system_a, "system A")
    require_same_ids(reference, system_b, "system B")
    triples = _count_triples(reference, system_a, system_b)
    rng = np.random.default_rng(seed)
    counted = triples.sum(axis=(1, 2)) > 0
    observed = _difference(triples, metric, counted)
    drawn = _resample(triples.ravel(), resamples, rng).reshape(-1, *triples.shape)
    differences = _difference(drawn, metric, counted)
    # Under the null hypothesis each utterance's two answers could as well be the other way round.
    swapped = rng.binomial(triples, 0.5, size=(resamples, *triples.shape))
    shuffled = triples - swapped + swapped.swapaxes(-1, -2)
    extreme = np.abs(_difference(shuffled, metric, counted)) >= abs(observed) - 1e-12
    return PairedTest(
        difference=float(observed),
        interval=_percentiles(differences),
        better=float((differences > 0).mean() + (differences == 0).mean() / 2),
        p_value=float((extreme.sum() + 1) / (resamples + 1)),
    )


def _count_triples(
    reference: Mapping[str, str], system_a: Mapping[str, str], system_b: Mapping[str, str]
) -> np.ndarray:
    """Utterances by (reference, A's label, B's label): (C, C, C)."""
    index = {label: place for place, label in enumerate(LABELS)}
    triples = np.zeros((len(LABELS),) * 3, dtype=np.int64)
    for utt_id, label in reference.items():
        triples[index[label], index[system_a[utt_id]], index[system_b[utt_id]]] += 1
    return triples


def _difference(triples: np.ndarray, metric: str, counted: np.ndarray) -> np.ndarray:
    """A's score minus B's of (..., C, C, C) counts."""
    score_a = confusion_scores(triples.sum(axis=-1), LABELS, counted)[0][metric]
    score_b = confusion_scores(triples.sum(axis=-2), LABELS, counted)[0][metric]
    return score_a - score_b


def _resample(cells: np.ndarray, resamples: int, rng: np.random.Generator) -> np.ndarray:
    """Draw as many utterances as there are, with replacement: (resamples, cells)."""
    if resamples < 1:
        raise UserError(f"resamples is {resamples}; it must be at least 1")
    total = cells.sum()
    if not total:
        raise UserError("there is no utterance to resample")
    return rng.multinomial(total, cells / total, size=resamples)


def _percentiles(values: np.ndarray) -> Interval:
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(low), float(high))
