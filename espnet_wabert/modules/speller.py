"""From letters' probabilities to words: greedy, or by a beam search with an n-gram of words.

Shapes: T frames, V symbols of the CTC head.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from espnet_wabert.modules.ctc_head import BLANK, SPACE, SYMBOLS, greedy_text
from espnet_wabert.text.beam_search import load_beam_search

LM_WEIGHT, WORD_BONUS = 0.7, 2.5  # of the beam search, chosen on development speakers
TEMPERATURE = 1.25  # of the letters in the search: too sure for the n-gram (docs/experiments.md)
SEARCHED = 1500  # frames, 30 s of the model in the box: the memory of a search grows with them
PAUSE = 15  # frames
# Noise and music give short groups of uncertain letters between pauses. A group of at most so many
# letters is removed if the mean probability of its frames is lower than the second number. Chosen
# on development voices and `mini.non_speech`.
CERTAIN = ((1, 0.9), (4, 0.84), (9, 0.6), (16, 0.45))
UNLIKELY = -30.0  # log-probability


class Speller:
    """Turns the letters of a CTC head into words.

    Args:
        ngram: an ARPA file of words for the beam search; None: the most likely letters.
    """

    def __init__(self, ngram: str | Path | None = None):
        self.search: Any = None
        if ngram is not None:
            self.search = load_beam_search(list(SYMBOLS), BLANK, str(ngram), LM_WEIGHT, WORD_BONUS)

    def __call__(self, log_p: torch.Tensor, lengths: torch.Tensor) -> list[str]:
        """Return the texts of log-probabilities (B, T, V) of `lengths` (B,) frames."""
        pairs = zip(log_p.cpu().numpy(), lengths.tolist(), strict=True)
        return [self.text(row[:length]) for row, length in pairs]

    def text(self, log_p: np.ndarray) -> str:
        """Return the text of log-probabilities (T, V)."""
        log_p = without_noise(log_p)
        if self.search is None:
            return greedy_text(torch.from_numpy(log_p))
        return " ".join(filter(None, map(self._words, at_pauses(log_p))))

    def _words(self, log_p: np.ndarray) -> str:
        """Search words in letters (T, V); where none is the most likely symbol, there are none."""
        letters = torch.from_numpy(log_p)
        if not greedy_text(letters):
            return ""  # the search would guess words
        return self.search.decode((letters / TEMPERATURE).log_softmax(dim=1).numpy())


def without_noise(log_p: np.ndarray) -> np.ndarray:
    """Replace short groups of uncertain letters in log-probabilities (T, V) by blanks."""
    heard = np.flatnonzero(log_p.argmax(axis=1) > SPACE)
    if not len(heard):
        return log_p
    cleaned = log_p.copy()
    for group in np.split(heard, np.flatnonzero(np.diff(heard) > PAUSE) + 1):
        letters = len(greedy_text(torch.from_numpy(log_p[group])))
        certain = next((least for most, least in CERTAIN if letters <= most), 0.0)
        if np.exp(log_p[group].max(axis=1)).mean() < certain:
            cleaned[group[0] : group[-1] + 1] = UNLIKELY
            cleaned[group[0] : group[-1] + 1, BLANK] = 0.0
    return cleaned


def at_pauses(log_p: np.ndarray) -> Iterator[np.ndarray]:
    """Cut log-probabilities of letters (T, V) into parts of at most `SEARCHED` frames.

    Each cut is where the letters are silent for longest, in the second half of a part.
    """
    start = 0
    silence = np.exp(log_p[:, [BLANK, SPACE]]).sum(axis=1)
    if len(log_p) > SEARCHED:
        silence = np.convolve(silence, np.full(PAUSE, 1 / PAUSE), mode="same")
    while len(log_p) - start > SEARCHED:
        half = start + SEARCHED // 2
        cut = half + int(silence[half : start + SEARCHED].argmax())
        yield log_p[start:cut]
        start = cut
    yield log_p[start:]
