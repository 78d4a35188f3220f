"""Read speech without a transcript: by letters, or by the word piece of each token.

A model with a CTC head spells words, and a beam search with an n-gram of words, if there is one
beside the model, chooses those that exist. BERT's word pieces of this text are then aligned as
those of a transcript would be, which gives the subword predictions. A model without it (the
paper's, Table 4) reads the most likely piece of each token that integrate-and-fire finds.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from espnet_wabert.alignment.aligner import Aligner
from espnet_wabert.inference.beam_search import load_beam_search
from espnet_wabert.models.wabert import Grafted
from espnet_wabert.modules.ctc_head import BLANK, SPACE, SYMBOLS, greedy_text

LM_WEIGHT, WORD_BONUS = 0.5, 1.5  # of the beam search, chosen on development speakers
SEARCHED = 1500  # frames, 30 s of the model in the box: the memory of a search grows with them
PAUSE = 15  # frames
# Noise and music give groups of few letters in doubt, between pauses: up to so many letters, those
# of a smaller mean probability are silenced. Chosen on development voices and `mini.non_speech`.
CERTAIN = ((4, 0.8), (9, 0.6))
UNLIKELY = -30.0  # log-probability


class Transcription(NamedTuple):
    """Text that was decoded without a transcript."""

    text: str
    predicted_length: int  # in tokens
    top: list[list[str]]  # the most likely pieces of each token; empty without a subword head


class Reader:
    """Reads features with an aligned model.

    Args:
        aligner: of the model.
        ngram: an ARPA file of words for the beam search over letters; None: no search.
    """

    def __init__(self, aligner: Aligner, ngram: str | Path | None = None):
        self.aligner, self.model = aligner, aligner.model
        self.search: Any = None
        if ngram is not None and self.model.ctc_head is not None:
            self.search = load_beam_search(list(SYMBOLS), BLANK, str(ngram), LM_WEIGHT, WORD_BONUS)

    @torch.inference_mode()
    def __call__(self, features: torch.Tensor, lengths: torch.Tensor) -> list[Transcription]:
        """Read features (B, T, W) of `lengths` (B,) frames."""
        return self.read(self.model.adapt(features, lengths), lengths)

    @torch.inference_mode()
    def read(self, adapted: torch.Tensor, lengths: torch.Tensor) -> list[Transcription]:
        """Read adapted frames (B, T, D) of `lengths` (B,) frames."""
        counts = texts = None
        if self.model.ctc_head is not None:
            texts = self.spell(adapted, lengths)
            ids = [self.aligner.tokenizer.encode(text).ids for text in texts]
            counts = torch.tensor([len(row) for row in ids], device=adapted.device)
        grafted = self.model.graft_adapted(adapted, lengths, counts)
        return self._transcriptions(grafted, texts)

    @torch.inference_mode()
    def spell(self, adapted: torch.Tensor, lengths: torch.Tensor) -> list[str]:
        """Return the texts that the letters of adapted frames (B, T, D) give."""
        rows = [without_noise(row) for row in self._letters(adapted, lengths)]
        if self.search is None:
            return [greedy_text(torch.from_numpy(row)) for row in rows]
        found = [[self._words(part) for part in at_pauses(row)] for row in rows]
        return [" ".join(filter(None, parts)) for parts in found]

    def _words(self, log_p: np.ndarray) -> str:
        """Search words in letters (T, V); where none is the most likely symbol, there are none."""
        silent = not greedy_text(torch.from_numpy(log_p))
        return "" if silent else self.search.decode(log_p)  # the search would guess words

    def letters(self, speech: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Return the log-probabilities of letters (T, V) of waveforms (S,) at 16 kHz."""
        with torch.inference_mode():
            features, lengths = self.aligner.encode(speech)
            return self._letters(self.model.adapt(features, lengths), lengths)

    def _letters(self, adapted: torch.Tensor, lengths: torch.Tensor) -> list[np.ndarray]:
        assert self.model.ctc_head is not None
        log_p = self.model.ctc_head(adapted).cpu().numpy()
        return [row[:length] for row, length in zip(log_p, lengths.tolist(), strict=True)]

    def _transcriptions(self, grafted: Grafted, texts: Sequence[str] | None) -> list[Transcription]:
        counts = grafted.lengths.tolist()
        if self.model.subword_head is None:
            found = texts if texts is not None else [""] * len(counts)
            return [Transcription(t, n, []) for t, n in zip(found, counts, strict=True)]
        best = self.aligner.top_ids(grafted.hidden, counts)
        if texts is None:
            texts = [self.aligner.tokenizer.decode(token[0] for token in ids) for ids in best]
        return [
            Transcription(text, len(ids), self.aligner.pieces(ids))
            for text, ids in zip(texts, best, strict=True)
        ]


def without_noise(log_p: np.ndarray) -> np.ndarray:
    """Silence groups of few letters in log-probabilities (T, V) that are in doubt."""
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
