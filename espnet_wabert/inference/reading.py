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

from espnet_wabert.alignment.aligner import Aligner, EncodedSpeech
from espnet_wabert.models.wabert import Grafted
from espnet_wabert.modules.speller import Speller


class Transcription(NamedTuple):
    """Text that was decoded without a transcript."""

    text: str
    predicted_length: int  # in tokens
    top: list[list[str]]  # the most likely pieces of each token; empty without a subword head


class Reader:
    """Reads encoded speech with an aligned model.

    Args:
        aligner: of the model.
        ngram: an ARPA file of words for the beam search over letters; None: no search.
    """

    def __init__(self, aligner: Aligner, ngram: str | Path | None = None):
        self.aligner, self.model = aligner, aligner.model
        self.speller = Speller(ngram if self.model.ctc_head is not None else None)

    @torch.inference_mode()
    def read(self, encoded: EncodedSpeech) -> list[Transcription]:
        """Read utterances, with BERT's predictions."""
        counts = texts = None
        if self.model.ctc_head is not None:
            texts = self.spell(encoded)
            ids = [self.aligner.tokenizer.encode(text).ids for text in texts]
            counts = torch.tensor([len(row) for row in ids], device=encoded.adapted.device)
        grafted = self.model.graft_adapted(*encoded.heard(), counts)
        return self._transcriptions(grafted, texts)

    def texts(self, encoded: EncodedSpeech) -> list[str]:
        """Return the texts of utterances, without BERT's predictions if the model spells."""
        if self.model.ctc_head is None:
            return [one.text for one in self.read(encoded)]
        return self.spell(encoded)

    def spell(self, encoded: EncodedSpeech) -> list[str]:
        """Return the texts that the letters of utterances give."""
        return [self.speller.text(log_p) for log_p in self.log_p(encoded)]

    def letters(self, speech: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Return the log-probabilities of letters (T, V) of waveforms (S,) at 16 kHz."""
        return self.log_p(self.aligner.encode(speech))

    @torch.inference_mode()
    def log_p(self, encoded: EncodedSpeech) -> list[np.ndarray]:
        """Return the log-probabilities of letters (T, V) of utterances."""
        assert self.model.ctc_head is not None
        log_p = self.model.ctc_head(encoded.adapted).cpu().numpy()
        return [row[:length] for row, length in zip(log_p, encoded.lengths.tolist(), strict=True)]

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
