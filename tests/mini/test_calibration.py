"""Changed transcripts, and what is computed of their scores."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from espnet_wabert.alignment.ctc_confidence import probability
from espnet_wabert.mini.calibration import CHANGES, Judged, change

WORDS = "one two three four five".split()


@given(st.integers(0, 2**16), st.sampled_from(CHANGES[:-1]), st.integers(2, 5))
def test_one_word_is_changed_at_the_place(seed, kind, count):
    words = WORDS[:count]
    changed, place = change(words, kind, ["six", "seven"], np.random.default_rng(seed))
    more = {"exchanged": 0, "dropped": -1, "added": 1}[kind]
    assert len(changed) == count + more and 0 <= place < len(changed)
    if kind == "dropped":
        assert [w for w in words if w in changed] == changed
        assert place == len(changed) - 1 or words.index(changed[place]) == place + 1
    else:
        assert changed[place] in ("six", "seven")
        kept = changed[:place] + changed[place + 1 :]
        assert kept == (words[:place] + words[place + 1 :] if kind == "exchanged" else words)


def judged(right, wrong, words=(), truth=()):
    return Judged(
        np.array(right), {"other": np.array(wrong)}, np.array(words), np.array(truth, bool), {}
    )


def test_areas_and_shares_count_utterances():
    found = judged([-0.1, -0.2, -5.0], [-6.0, -7.0, -0.15])
    assert found.area("other") == pytest.approx(7 / 9)  # pairs in the right order
    limit = float(probability(-1.0))
    assert found.false_alarms(limit) == pytest.approx(1 / 3)
    assert found.found(limit) == pytest.approx(2 / 3)


def test_the_fit_finds_the_function_that_made_the_words():
    rng = np.random.default_rng(0)
    scores = -rng.exponential(2.0, 20000)
    truth = rng.random(len(scores)) < 1 / (1 + np.exp(-(1.5 * scores + 2.0)))
    slope, offset = judged([0], [0], scores, truth).fit()
    assert slope == pytest.approx(1.5, rel=0.1) and offset == pytest.approx(2.0, rel=0.1)


def test_reliability_has_every_word_once():
    rng = np.random.default_rng(1)
    scores = -rng.exponential(2.0, 500)
    rows = judged([0], [0], scores, rng.random(500) < probability(scores)).reliability()
    assert sum(count for *_, count in rows) == 500
    assert all(abs(p - right) < 0.25 for p, right, count in rows if count > 30)
