"""Confidence by CTC: which word of a transcript is wrong, and the paths that it compares."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from espnet_wabert.alignment.ctc_confidence import (
    DOUBT,
    DOUBTFUL_WORD,
    WORST,
    ctc_confidence,
    probability,
    topology_of,
)
from espnet_wabert.modules.ctc_head import BLANK, LETTERS, SYMBOLS
from espnet_wabert.modules.forward_sum import best_path, forward_sum

SPOKEN = "the cool cat sat on the mat".split()


def read(text, sure=0.9, seed=0):
    """Log-probabilities (T, V) of a model that reads `text`: each letter 2 frames, then a blank."""
    path = [s for c in text for s in (1 + LETTERS.index(c), 1 + LETTERS.index(c), BLANK)]
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.ones(len(SYMBOLS)), len(path)) * (1 - sure)
    p[range(len(path)), path] += sure
    return np.log(p)


def test_a_right_transcript_is_sure_and_another_one_is_not():
    log_p = read(" ".join(SPOKEN))
    right = ctc_confidence(log_p, SPOKEN)
    wrong = ctc_confidence(log_p, "we do not know what you want".split())
    assert right.utterance > 0.9 and min(right.words) > 0.9
    assert wrong.utterance < 0.1 < DOUBT and min(wrong.words) < 0.05


@pytest.mark.parametrize("place", range(len(SPOKEN)))
def test_an_exchanged_word_is_the_least_confident_one(place):
    given_words = [*SPOKEN[:place], "dub", *SPOKEN[place + 1 :]]
    found = ctc_confidence(read(" ".join(SPOKEN)), given_words)
    assert np.argmin(found.words) == place and found.words[place] < 0.3
    assert found.utterance < ctc_confidence(read(" ".join(SPOKEN)), SPOKEN).utterance - 0.2


@pytest.mark.parametrize("place", range(len(SPOKEN)))
def test_a_word_that_was_not_said_is_doubtful(place):
    """It takes frames of a neighbor, which can become as doubtful."""
    given_words = [*SPOKEN[:place], "dub", *SPOKEN[place:]]
    found = ctc_confidence(read(" ".join(SPOKEN)), given_words)
    assert found.words[place] < DOUBTFUL_WORD and abs(int(np.argmin(found.words)) - place) <= 1


@pytest.mark.parametrize("place", range(len(SPOKEN)))
def test_a_word_that_lacks_makes_a_neighbor_doubtful(place):
    given_words = [*SPOKEN[:place], *SPOKEN[place + 1 :]]
    found = ctc_confidence(read(" ".join(SPOKEN)), given_words)
    assert abs(int(np.argmin(found.words)) - place) <= 1 and min(found.words) < 0.5


def test_words_without_letters_have_the_confidence_of_the_utterance():
    found = ctc_confidence(read("the mat"), ["the", "42", "mat"])
    assert found.words[1] == found.utterance > 0.9
    assert ctc_confidence(read("the"), ["1", "2"]) == ([0.0, 0.0], 0.0)
    assert ctc_confidence(read("the"), []) == ([], 0.0)


def test_a_recording_in_which_few_letters_are_heard_fits_no_transcript():
    """In silence and noise no letter is likely, and blanks are not sure either."""
    flat = read(" " * 40, sure=0.0, seed=1)
    flat[:, BLANK] = np.log(0.5)
    found = ctc_confidence(flat, SPOKEN)
    assert found.utterance == 0.0 and max(found.words) == 0.0
    half = ctc_confidence(read("the cool cat"), "the cool cat".split()).utterance
    assert half > 0.9


def test_a_transcript_that_does_not_fit_into_the_frames_is_wrong():
    assert ctc_confidence(read("a"), ["abcdefgh"]) == ([0.0], 0.0)


def test_accents_do_not_matter():
    """An uncased BERT's transcripts have none in training."""
    log_p = read("naive zoe is at the cafe")
    plain = ctc_confidence(log_p, "naive zoe is at the cafe".split())
    assert ctc_confidence(log_p, "naïve Zoë is at the café".split()) == plain


def test_case_and_punctuation_do_not_matter():
    log_p = read("don't")
    assert ctc_confidence(log_p, ["Don't!"]) == ctc_confidence(log_p, ["don't"])
    dash = ctc_confidence(log_p, ["", "don't"])  # no space is heard after it
    assert dash.words[1:] == ctc_confidence(log_p, ["don't"]).words


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**16), st.sampled_from([["ab"], ["aa"], ["a", "b"]]), st.integers(3, 5))
def test_the_topology_allows_the_paths_of_ctc_and_no_others(seed, words, frames):
    rng = np.random.default_rng(seed)
    log_p = np.log(rng.dirichlet(np.ones(len(SYMBOLS)), frames))
    text, topology = " ".join(words), topology_of(words)
    used = [BLANK, *{SYMBOLS.index(letter) for letter in text}]
    scores = [
        sum(log_p[t, a] for t, a in enumerate(path))
        for path in itertools.product(used, repeat=frames)
        if "".join(SYMBOLS[a] for a, _ in itertools.groupby(path) if a != BLANK) == text
    ]
    if frames < topology.shortest():
        assert not scores
        return
    assert forward_sum(log_p, topology)[0] == pytest.approx(np.logaddexp.reduce(scores), rel=1e-9)
    begins = best_path(log_p, topology)
    states = np.searchsorted(begins, np.arange(frames), side="right") - 1
    assert log_p[np.arange(frames), topology.symbols[states]].sum() == pytest.approx(max(scores))


@given(st.floats(-50, 0), st.floats(-50, 0))
def test_probability_rises_with_the_score(one, other):
    low, high = sorted((one, other))
    assert 0 < probability(low) <= probability(high) < 1
    assert probability(-99.0) == probability(WORST)
