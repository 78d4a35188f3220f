"""Read speech without a transcript: by letters, or by the word piece of each token.

A model with a CTC head spells words, and a beam search with an n-gram of words, if there is one
beside the model, chooses those that exist. BERT's word pieces of this text are then aligned as
those of a transcript would be, which gives the subword predictions. A model without it (the
paper's, Table 4) reads the most likely piece of each token that integrate-and-fire finds.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from espnet_wabert.alignment.aligner import Aligner
from espnet_wabert.models.wabert import Grafted
from espnet_wabert.modules.speller import Speller


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
        self.speller = Speller(ngram if self.model.ctc_head is not None else None)

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

    def texts(self, adapted: torch.Tensor, lengths: torch.Tensor) -> list[str]:
        """Return the texts of adapted frames (B, T, D), without BERT's predictions if it spells."""
        if self.model.ctc_head is None:
            return [one.text for one in self.read(adapted, lengths)]
        return self.spell(adapted, lengths)

    @torch.inference_mode()
    def spell(self, adapted: torch.Tensor, lengths: torch.Tensor) -> list[str]:
        """Return the texts that the letters of adapted frames (B, T, D) give."""
        assert self.model.ctc_head is not None
        return self.speller(self.model.ctc_head(adapted), lengths)

    def letters(self, speech: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Return the log-probabilities of letters (T, V) of waveforms (S,) at 16 kHz."""
        assert self.model.ctc_head is not None
        with torch.inference_mode():
            features, lengths = self.aligner.encode(speech)
            log_p = self.model.ctc_head(self.model.adapt(features, lengths)).cpu().numpy()
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
