"""Reading without a transcript: long recordings are searched in parts."""

import numpy as np
import pytest

from espnet_wabert.modules import speller
from espnet_wabert.modules.ctc_head import BLANK, SPACE, SYMBOLS
from espnet_wabert.modules.speller import PAUSE, at_pauses, without_noise


def letters(pauses, frames: int) -> np.ndarray:
    """Log-probabilities (T, V) of speech with pauses of a second, which begin at frames."""
    scores = np.random.default_rng(0).normal(size=(frames, len(SYMBOLS))).astype(np.float32)
    for start in pauses:
        scores[start : start + 50, BLANK] = 12.0
        scores[start + 20, SPACE] = 24.0
    return scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))


def test_a_long_recording_is_cut_in_its_pauses_and_nothing_is_lost(monkeypatch):
    monkeypatch.setattr(speller, "SEARCHED", 400)
    log_p = letters([100, 320, 650, 990, 1300], 1500)
    parts = list(at_pauses(log_p))
    np.testing.assert_array_equal(np.concatenate(parts), log_p)
    assert max(map(len, parts)) <= 400
    cuts = np.cumsum([len(part) for part in parts])[:-1]
    for cut, start in zip(cuts, (320, 650, 990, 1300), strict=True):
        assert start <= cut <= start + 50


@pytest.mark.parametrize("frames", [0, 1, speller.SEARCHED])
def test_a_short_recording_stays_whole(frames):
    assert [len(part) for part in at_pauses(letters([], frames))] == [frames]


def spelled(groups, certain: float) -> np.ndarray:
    """Log-probabilities (T, V) of groups of letters with pauses between them."""
    path = []
    for group in groups:
        path += [SYMBOLS.index(letter) for letter in group] + [BLANK] * (PAUSE + 1)
    p = np.full((len(path), len(SYMBOLS)), (1 - certain) / (len(SYMBOLS) - 1))
    p[range(len(path)), path] = certain
    return np.log(p)


@pytest.mark.parametrize(
    ("certain", "wanted"), [(0.5, ""), (0.7, "yesterday"), (0.95, "a yesterday no")]
)
def test_a_few_letters_between_pauses_are_noise_unless_they_are_certain(certain, wanted):
    log_p = spelled(["a", "yesterday", "no"], certain)
    cleaned = without_noise(log_p)
    read = [SYMBOLS[symbol] for symbol in cleaned.argmax(axis=1)]
    assert "".join(read) == wanted.replace(" ", "")
    assert without_noise(cleaned).shape == log_p.shape
    assert not np.isnan(cleaned).any()
