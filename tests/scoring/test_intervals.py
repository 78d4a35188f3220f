"""Bootstrap and paired test against drawing utterances one by one, and all permutations."""

import itertools
import random

import numpy as np
import pytest

from espnet_wabert.constants import LABELS
from espnet_wabert.errors import UserError
from espnet_wabert.scoring.intervals import bootstrap_intervals, paired_test
from espnet_wabert.scoring.sentiment import METRICS, score_sentiment


def _system(reference, right, seed):
    """Labels that are those of the reference with probability `right`."""
    dice = random.Random(seed)
    return {
        utt_id: label if dice.random() < right else dice.choice(LABELS)
        for utt_id, label in reference.items()
    }


@pytest.fixture
def reference():
    dice = random.Random(1)
    return {f"u{n}": dice.choices(LABELS, [1, 6, 3])[0] for n in range(120)}


@pytest.mark.parametrize("metric", METRICS)
def test_the_interval_is_that_of_resampled_utterances(reference, metric):
    hypothesis = _system(reference, 0.6, seed=2)
    confusion = score_sentiment(reference, hypothesis).confusion
    fast = bootstrap_intervals(confusion, resamples=4000)[metric]

    dice, ids, slow = random.Random(3), list(reference), []
    for _ in range(1500):
        drawn = dict(enumerate(dice.choices(ids, k=len(ids))))
        scores = score_sentiment(
            {place: reference[utt_id] for place, utt_id in drawn.items()},
            {place: hypothesis[utt_id] for place, utt_id in drawn.items()},
        )
        slow.append(getattr(scores, metric))
    assert fast == pytest.approx(np.quantile(slow, [0.025, 0.975]), abs=0.02)
    assert fast.low < getattr(score_sentiment(reference, hypothesis), metric) < fast.high


def test_a_rare_class_does_not_make_two_scores_of_one():
    """Resamples without the one Negative would else jump from a mean of three to one of two."""
    confusion = np.array([[0, 1, 0], [0, 90, 0], [0, 0, 10]])  # macro F1 about .66
    low, high = bootstrap_intervals(confusion)["macro_f1"]
    assert 0.6 < low <= high < 0.67


def test_the_same_seed_gives_the_same_interval(reference):
    confusion = score_sentiment(reference, _system(reference, 0.6, 2)).confusion
    first = bootstrap_intervals(confusion, resamples=500, seed=7)
    assert first == bootstrap_intervals(confusion, resamples=500, seed=7)
    assert first != bootstrap_intervals(confusion, resamples=500, seed=8)


@pytest.mark.parametrize("metric", ["macro_f1", "weighted_recall"])
def test_the_p_value_is_that_of_all_permutations(metric):
    dice = random.Random(4)
    reference = {f"u{n}": LABELS[n % 3] for n in range(10)}
    one = _system(reference, 0.7, seed=5)
    other = {utt_id: dice.choice(LABELS) for utt_id in reference}

    def difference(swapped):
        first = {u: (other if swap else one)[u] for u, swap in zip(reference, swapped, strict=True)}
        second = {
            u: (one if swap else other)[u] for u, swap in zip(reference, swapped, strict=True)
        }
        return getattr(score_sentiment(reference, first), metric) - getattr(
            score_sentiment(reference, second), metric
        )

    observed = difference([False] * 10)
    everyone = [difference(swaps) for swaps in itertools.product([False, True], repeat=10)]
    exact = np.mean([abs(value) >= abs(observed) - 1e-9 for value in everyone])
    test = paired_test(reference, one, other, metric, resamples=20_000)
    assert test.difference == pytest.approx(observed)
    assert test.p_value == pytest.approx(exact, abs=0.02)


def test_a_system_against_itself_and_against_a_worse_one(reference):
    good, bad = _system(reference, 0.9, 5), _system(reference, 0.3, 6)
    same = paired_test(reference, good, dict(reversed(good.items())), resamples=500)
    assert same.difference == 0 and same.p_value == 1 and same.better == 0.5
    assert same.interval == (0, 0)
    better = paired_test(reference, good, bad, resamples=500)
    assert better.difference > 0.2 and better.interval.low > 0
    assert better.better == 1 and better.p_value == pytest.approx(1 / 501)
    worse = paired_test(reference, bad, good, resamples=500)
    assert worse.difference == -better.difference and worse.better == 0


def test_bad_settings_are_named(reference):
    confusion = np.eye(3, dtype=int)
    with pytest.raises(UserError, match="resamples is 0; it must be at least 1"):
        bootstrap_intervals(confusion, resamples=0)
    with pytest.raises(UserError, match="there is no utterance to resample"):
        bootstrap_intervals(confusion * 0)
    with pytest.raises(UserError, match="metric 'accuracy' is not one of weighted_recall"):
        paired_test(reference, reference, reference, metric="accuracy")
    with pytest.raises(UserError, match="system B lacks 120 utterances"):
        paired_test(reference, reference, {})
