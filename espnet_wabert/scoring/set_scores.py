"""Scores of a system on a set and its parts, with intervals and the majority baseline."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from espnet_wabert.formats.labels import require_same_ids
from espnet_wabert.scoring.intervals import (
    RESAMPLES,
    Interval,
    bootstrap_intervals,
    paired_test,
)
from espnet_wabert.scoring.results import mean_and_sd
from espnet_wabert.scoring.sentiment import (
    METRICS,
    SentimentScores,
    score_majority,
    score_sentiment,
)
from espnet_wabert.scoring.tokens import word_error_rate

WHOLE = "sentiment"  # the key of the whole set in results.json


class SetScores(NamedTuple):
    """Scores of a system on one set of utterances, and those of the majority class."""

    scores: SentimentScores
    intervals: dict[str, Interval]
    majority: str  # the majority class
    majority_scores: SentimentScores

    def as_dict(self) -> dict:
        """Return all scores for a JSON file."""
        majority = {"label": self.majority} | self.majority_scores.as_dict()
        intervals = {metric: list(ends) for metric, ends in self.intervals.items()}
        return self.scores.as_dict() | {"intervals": intervals, "majority": majority}


def result_rows(name: str, runs: Sequence[SetScores]) -> dict[str, dict[str, float]]:
    """Return the rows of results.json: `majority`, and the system as a mean over runs (seeds).

    One run has the bootstrap interval of macro F1 (`macro_f1_low`, `macro_f1_high`); several runs
    have deviations (`macro_f1_sd`).
    """
    majority = {metric: getattr(runs[0].majority_scores, metric) for metric in METRICS}
    utterances = int(runs[0].scores.confusion.sum())
    own = mean_and_sd([{m: getattr(run.scores, m) for m in METRICS} for run in runs])
    if len(runs) == 1:
        own["macro_f1_low"], own["macro_f1_high"] = runs[0].intervals["macro_f1"]
    counted = {"utterances": utterances}
    return {"majority": majority | counted, name: own | counted}


def score_sets(
    reference: Mapping[str, str],
    hypothesis: Mapping[str, str],
    train: Mapping[str, str] | None = None,
    parts: Mapping[str, str] | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[str, SetScores]:
    """Score the whole set under `sentiment` and each part under `sentiment_<part>_part`.

    `parts` maps every utterance of the reference to its part. The majority class is that of the
    training labels, or of the whole reference without them.
    """
    require_same_ids(reference, hypothesis)
    sets = {WHOLE: set(reference)}
    if parts is not None:
        require_same_ids(reference, parts, "the subset file")
        for part in sorted(set(parts.values())):
            ids = {utt_id for utt_id in reference if parts[utt_id] == part}
            sets[f"{WHOLE}_{part.removesuffix('_part')}_part"] = ids
    return {
        key: _score_set(
            {utt_id: label for utt_id, label in reference.items() if utt_id in ids},
            {utt_id: label for utt_id, label in hypothesis.items() if utt_id in ids},
            train or reference,
            resamples,
            seed,
        )
        for key, ids in sets.items()
    }


def add_word_errors(
    rows: dict[str, dict[str, dict[str, float]]],
    name: str,
    reference: Mapping[str, str],
    hypothesis: Mapping[str, str],
    parts: Mapping[str, str] | None,
) -> None:
    """Add a recognizer's word error rate to the rows of a pipeline.

    `wer` ignores apostrophes, `wer_apostrophes` counts them.

    Args:
        rows: for the whole set and each part the rows of `result_rows`.
        name: of the pipeline.
        reference, hypothesis: transcripts by utterance.
        parts: the part of each utterance, if there are parts.
    """
    for key in rows:
        part = key.removeprefix(WHOLE).removeprefix("_").removesuffix("_part")
        ids = [u for u in reference if not part or (parts or {})[u].removesuffix("_part") == part]
        own = {u: hypothesis[u] for u in ids if u in hypothesis} if part else hypothesis
        for metric, apostrophes in (("wer", False), ("wer_apostrophes", True)):
            texts = {u: reference[u] for u in ids}
            rows[key][name][metric] = word_error_rate(texts, own, apostrophes)


def compare(
    reference: Mapping[str, str],
    system: Mapping[str, str],
    other: Mapping[str, str],
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[str, dict]:
    """Return a paired test of `system` against `other` for every metric."""
    tests = {}
    for metric in METRICS:
        test = paired_test(reference, system, other, metric=metric, resamples=resamples, seed=seed)
        tests[metric] = test._asdict() | {"interval": list(test.interval)}
    return tests


def _score_set(
    reference: Mapping[str, str],
    hypothesis: Mapping[str, str],
    train: Mapping[str, str],
    resamples: int,
    seed: int,
) -> SetScores:
    scores = score_sentiment(reference, hypothesis)
    intervals = bootstrap_intervals(scores.confusion, resamples=resamples, seed=seed)
    label, majority_scores = score_majority(reference, train)
    return SetScores(scores, intervals, label, majority_scores)
