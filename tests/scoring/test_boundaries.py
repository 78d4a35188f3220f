"""Word boundaries against a loop that reads like section 4.1 of the paper."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from espnet_wabert.formats.word import Word
from espnet_wabert.scoring.boundaries import Failure, score_boundaries

ms = st.integers(0, 3000)
utterance = st.lists(st.tuples(st.sampled_from("abc"), ms, ms, ms, ms), max_size=5)
NAMES = ["u1", "u2", "u3"]


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from(NAMES), utterance), st.sets(st.sampled_from(NAMES)))
def test_pooled_errors_are_those_of_a_loop(corpus, without):
    reference, hypothesis = {}, {}
    for utt_id, entries in corpus.items():
        reference[utt_id] = [Word(word, a / 1000, b / 1000) for word, a, b, _, _ in entries]
        if utt_id not in without:
            hypothesis[utt_id] = [Word(word, c / 1000, d / 1000) for word, _, _, c, d in entries]
    scores = score_boundaries(reference, hypothesis)

    errors, left, right = [], [], []
    for utt_id in corpus:
        if utt_id in hypothesis:
            for _, start, end, found_start, found_end in corpus[utt_id]:
                errors.append(abs(found_start - start))
                errors.append(abs(found_end - end))
                left.append(found_start - start)
                right.append(found_end - end)
    assert scores.words == len(left)
    assert scores.missing == tuple(sorted(set(corpus) & without))
    assert scores.failed == len(scores.missing)
    assert scores.utterances + scores.failed == len(reference)
    if not errors:
        assert math.isnan(scores.mean_ms) and scores.as_dict()["median_ms"] is None
        return
    ordered, middle = sorted(errors), len(errors) // 2
    assert scores.mean_ms == pytest.approx(sum(errors) / len(errors))
    assert scores.median_ms == pytest.approx((ordered[middle - 1] + ordered[middle]) / 2)
    assert scores.left_bias_ms == pytest.approx(sum(left) / len(left))
    assert scores.right_bias_ms == pytest.approx(sum(right) / len(right))
    for tolerance in (20, 50, 100, 500, 1000):
        share = sum(error <= tolerance for error in errors) / len(errors)
        assert scores.within[tolerance] == pytest.approx(share)


def test_keys_are_those_of_results_json():
    words = {"u": [Word("a", 0.0, 1.0)]}
    figures = score_boundaries(words, words).as_dict()
    assert list(figures) == [
        *("mean_ms", "median_ms"),
        *(f"within_{tolerance}ms" for tolerance in (20, 50, 100, 500, 1000)),
        *("left_bias_ms", "right_bias_ms", "words", "utterances", "failed", "extra"),
    ]
    assert "within_12.5ms" in score_boundaries(words, words, [12.5]).as_dict()


def test_a_tolerance_is_inclusive_whatever_binary_floats_say():
    assert 1.05 - 1.0 > 0.05  # why this test is here
    scores = score_boundaries({"u": [Word("a", 1.0, 2.0)]}, {"u": [Word("a", 1.05, 1.95)]})
    assert scores.within[50] == 1.0 and scores.within[20] == 0.0


def test_case_apostrophes_and_punctuation_do_not_count():
    reference = {"u": [Word("DON'T", 0.0, 0.5), Word("STOP", 0.5, 1.0)]}
    hypothesis = {"u": [Word("dont", 0.0, 0.5), Word("--", 0.5, 0.5), Word("stop.", 0.5, 1.0)]}
    scores = score_boundaries(reference, hypothesis)
    assert (scores.failed, scores.words, scores.mean_ms) == (0, 2, 0.0)


def test_failures_are_counted_and_named():
    good = [Word("a", 0.0, 0.5), Word("b", 0.5, 1.0)]
    reference = {"same": good, "short": good, "other": good, "gone": good}
    hypothesis = {
        "same": [Word("a", 0.1, 0.5), Word("b", 0.5, 1.0)],
        "short": good[:1],
        "other": [good[0], Word("c", 0.5, 1.0)],
        "new": good,
    }
    scores = score_boundaries(reference, hypothesis)
    assert scores.differing == (
        Failure("other", "word 2 is 'b' in the reference, 'c' in the hypothesis"),
        Failure("short", "2 words in the reference, 1 in the hypothesis"),
    )
    assert (scores.missing, scores.extra) == (("gone",), ("new",))
    assert (scores.failed, scores.utterances, scores.words) == (3, 1, 2)
    assert scores.mean_ms == pytest.approx(25.0)  # of the utterance that could be scored
