"""The segment programme against an enumeration of every segmentation."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from espnet_wabert.alignment.segmental_viterbi import align_segments, segmental_viterbi


def enumerate_best(scores, pause, expected, weights, word_ends, penalty, longest) -> float:
    """Return the best score over all segmentations with optional pauses, one by one.

    The first and the last token may be of any length, the others `longest` frames.
    """
    frames, tokens = scores.shape
    best = -np.inf
    gaps = [n for n in range(tokens - 1) if word_ends[n]]
    for used in itertools.chain.from_iterable(
        itertools.combinations(gaps, k) for k in range(len(gaps) + 1)
    ):
        names = []
        for n in range(tokens):
            names += [n] + (["pause"] if n in used else [])
        for cuts in itertools.combinations(range(1, frames), len(names) - 1):
            bounds = [0, *cuts, frames]
            value = 0.0
            for name, start, end in zip(names, bounds[:-1], bounds[1:], strict=True):
                if name not in ("pause", 0, tokens - 1) and end - start > longest[name]:
                    value = -np.inf
                elif name == "pause":
                    value += pause[start:end].sum() - penalty
                else:
                    value += scores[start:end, name].sum()
                    value -= weights[name] * (np.log(end - start) - expected[name]) ** 2
            best = max(best, value)
    return best


def score(scores, pause, expected, weights, penalty, starts, ends) -> float:
    """Return the score of one segmentation."""
    value, position = 0.0, 0
    for n, (start, end) in enumerate(zip(starts, ends, strict=True)):
        if start > position:
            value += pause[position:start].sum() - penalty
        value += scores[start:end, n].sum()
        value -= weights[n] * (np.log(end - start) - expected[n]) ** 2
        position = end
    assert position == len(scores)
    return value


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 4).flatmap(lambda n: st.tuples(st.just(n), st.integers(n, n + 4))),
    st.integers(0, 2**32 - 1),
)
def test_the_best_segmentation_is_found(size, seed):
    tokens, frames = size
    rng = np.random.default_rng(seed)
    scores, pause = rng.normal(size=(frames, tokens)) * 2, rng.normal(size=frames)
    expected, weights = rng.normal(size=tokens), rng.uniform(0, 2, size=tokens)
    word_ends = rng.uniform(size=tokens) < 0.6
    word_ends[-1] = False
    longest = rng.integers(1, frames + 2, size=tokens)
    starts, ends = segmental_viterbi(scores, pause, expected, weights, word_ends, 0.5, longest)
    assert (ends - starts <= longest)[1:-1].all()
    assert starts[0] == 0 and ends[-1] == frames and (ends > starts).all()
    assert (starts[1:] >= ends[:-1]).all()
    found = score(scores, pause, expected, weights, 0.5, starts, ends)
    best = enumerate_best(scores, pause, expected, weights, word_ends, 0.5, longest)
    assert found == pytest.approx(best)


def test_clear_similarities_give_exact_frames():
    """[CLS] 5 frames, two words of 4 and 6 with a pause of 3 between, [SEP] 2."""
    truth = [0] * 5 + [1] * 4 + [0] * 3 + [2] * 6 + [3] * 2
    cosines = np.full((20, 4), -0.2)
    cosines[np.arange(20), truth] = 0.9
    spans = align_segments(cosines, np.array([5, 4, 6, 5]), np.array([0, 1, 1, 0]))
    assert spans.starts.tolist() == [0, 5, 12, 18]
    assert spans.ends.tolist() == [5, 9, 18, 20]


def test_as_many_frames_as_tokens_is_one_frame_each():
    cosines = np.random.default_rng(0).normal(size=(5, 5))
    spans = align_segments(cosines, np.ones(5), np.ones(5))
    assert spans.starts.tolist() == [0, 1, 2, 3, 4]
