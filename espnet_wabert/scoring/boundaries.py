"""Word boundaries against a reference: the paper's Tables 1 and 2 (section 4.1)."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from espnet_wabert.formats.word import Word, normalize_word

TOLERANCES_MS = (20, 50, 100, 500, 1000)


class Failure(NamedTuple):
    """An utterance that cannot be scored, and the reason."""

    utt_id: str
    reason: str


class BoundaryScores(NamedTuple):
    """Errors of the left and right boundary of every word, pooled over all utterances.

    Figures are NaN if no word is scored. Biases are signed: positive is late.
    """

    mean_ms: float
    median_ms: float
    within: dict[float, float]  # tolerance in ms -> fraction of boundaries within it
    left_bias_ms: float
    right_bias_ms: float
    words: int  # scored words; each has two boundaries
    utterances: int  # scored utterances
    missing: tuple[str, ...]  # utterances without a hypothesis: failed
    differing: tuple[Failure, ...]  # utterances with other words: failed
    extra: tuple[str, ...]  # utterances in the hypothesis only: counted, not failed

    @property
    def failed(self) -> int:
        """Utterances of the reference that could not be scored."""
        return len(self.missing) + len(self.differing)

    def as_dict(self) -> dict[str, Any]:
        """Return the figures with the keys of results.json; NaN becomes None."""
        figures = {"mean_ms": self.mean_ms, "median_ms": self.median_ms}
        figures |= {f"within_{tolerance:g}ms": share for tolerance, share in self.within.items()}
        figures |= {"left_bias_ms": self.left_bias_ms, "right_bias_ms": self.right_bias_ms}
        known = {key: None if math.isnan(value) else value for key, value in figures.items()}
        counts = {"words": self.words, "utterances": self.utterances, "failed": self.failed}
        return known | counts | {"extra": len(self.extra)}


def score_boundaries(
    reference: Mapping[str, Sequence[Word]],
    hypothesis: Mapping[str, Sequence[Word]],
    tolerances_ms: Sequence[float] = TOLERANCES_MS,
) -> BoundaryScores:
    """Score predicted word times (seconds) against reference ones, joined by utterance id.

    Words are compared after `normalize_word`; entries with nothing left of them (punctuation) are
    dropped on both sides. An utterance whose words then differ in number or in any place fails as a
    whole, as one without a hypothesis does.
    """
    pairs: list[tuple[Word, Word]] = []
    missing, differing, utterances = [], [], 0
    for utt_id in sorted(reference):
        if utt_id not in hypothesis:
            missing.append(utt_id)
            continue
        expected, predicted = _spoken(reference[utt_id]), _spoken(hypothesis[utt_id])
        reason = _difference(expected, predicted)
        if reason:
            differing.append(Failure(utt_id, reason))
            continue
        utterances += 1
        pairs += zip(expected, predicted, strict=True)
    errors_ms = _errors_ms(pairs)  # (words, 2)
    distances = np.abs(errors_ms).ravel()
    left_bias, right_bias = errors_ms.mean(axis=0) if pairs else (math.nan, math.nan)
    return BoundaryScores(
        mean_ms=float(distances.mean()) if pairs else math.nan,
        median_ms=float(np.median(distances)) if pairs else math.nan,
        within={
            tolerance: float((distances <= tolerance).mean()) if pairs else math.nan
            for tolerance in tolerances_ms
        },
        left_bias_ms=float(left_bias),
        right_bias_ms=float(right_bias),
        words=len(pairs),
        utterances=utterances,
        missing=tuple(missing),
        differing=tuple(differing),
        extra=tuple(sorted(set(hypothesis) - set(reference))),
    )


def _spoken(words: Sequence[Word]) -> list[Word]:
    return [word for word in words if normalize_word(word.word)]


def _difference(expected: Sequence[Word], predicted: Sequence[Word]) -> str | None:
    """Why two utterances' words are not the same, or None."""
    for place, (one, other) in enumerate(zip(expected, predicted, strict=False), start=1):
        if normalize_word(one.word) != normalize_word(other.word):
            return (
                f"word {place} is '{one.word}' in the reference, '{other.word}' in the hypothesis"
            )
    if len(expected) != len(predicted):
        return f"{len(expected)} words in the reference, {len(predicted)} in the hypothesis"
    return None


def _errors_ms(pairs: Sequence[tuple[Word, Word]]) -> np.ndarray:
    """Signed errors of both boundaries of each word, (words, 2), in milliseconds.

    Rounded to the microsecond, so that 1.05 - 1.00 s is within 50 ms despite binary rounding.
    """
    flat = [(*one[1:3], *other[1:3]) for one, other in pairs]
    times = np.asarray(flat, dtype=np.float64).reshape(-1, 2, 2)  # word, side of pair, boundary
    return np.round((times[:, 1] - times[:, 0]) * 1000.0, 3)
