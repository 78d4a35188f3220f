"""Align batches of speech with their transcripts by all methods of a model.

Shapes: B utterances, T frames, N tokens, H BERT's width.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch.nn import functional as F

from espnet_wabert.alignment.chunking import SILENCE, ChunkedFrontend, encode_transcripts, is_cut
from espnet_wabert.alignment.ctc_confidence import (
    DOUBT,
    DOUBTFUL_WORD,
    CTCConfidence,
    ctc_confidence,
)
from espnet_wabert.alignment.method import Batch
from espnet_wabert.alignment.methods import available_methods
from espnet_wabert.alignment.pauses import Pause, encode_speech, heard_frames, paused_frames
from espnet_wabert.alignment.spans import TokenSpans
from espnet_wabert.formats.word import Word
from espnet_wabert.models.wabert import WaBERT
from espnet_wabert.modules.batching import pad, to_tensors
from espnet_wabert.text.wordpiece import (
    Encoded,
    WordPieceTokenizer,
    word_confidences,
    words_of,
)

TOP_K = 5  # subword predictions per token, as in Table 4


class EncodedSpeech(NamedTuple):
    """A batch of speech as the model hears it, before there are transcripts."""

    features: torch.Tensor  # (B, T, W) of the frontend
    adapted: torch.Tensor  # (B, T, D), the frames that integrate-and-fire sums
    lengths: torch.Tensor  # (B,) in frames
    silence: torch.Tensor  # (B,) frames of these on each side that are not of the recording
    paused: torch.Tensor  # (B, T) frames that were not encoded, of long pauses

    def heard(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the adapted frames without long pauses, and their numbers (B,)."""
        return heard_frames(self.adapted, self.lengths, self.paused)


class WordAlignment(NamedTuple):
    """Words and tokens of an utterance as one method places them, in seconds."""

    words: list[Word]
    starts: list[float]  # N tokens
    ends: list[float]  # N
    confidences: list[float] | None  # N, 0 to 1; None: the method has none
    word_confidences: list[float] | None  # one per word: by CTC, or the mean of its tokens'
    by_ctc: float | None = None  # confidence of the transcript; None: the model has no CTC head

    @property
    def confidence(self) -> float | None:
        """By CTC; without its head the mean over the tokens of words, without [CLS] and [SEP]."""
        if self.by_ctc is not None:
            return self.by_ctc if self.words else None
        inner = (self.confidences or [])[1:-1]
        return float(np.mean(inner)) if self.words and inner else None


class Alignment(NamedTuple):
    """An utterance aligned with its transcript of N tokens."""

    by_method: dict[str, WordAlignment]  # the best method first
    tokens: list[str]  # N word pieces with [CLS] and [SEP]
    nearest: list[bool] | None  # N: is the aligned vector nearest to its own target?
    top: list[list[str]] | None  # N x TOP_K subword predictions; None: no subword head
    predicted_length: int  # number of tokens found without the transcript

    @property
    def words_by_method(self) -> dict[str, list[Word]]:
        """The words of each method."""
        return {name: aligned.words for name, aligned in self.by_method.items()}

    @property
    def words(self) -> list[Word]:
        """The words of the best method."""
        return next(iter(self.by_method.values())).words

    @property
    def starts(self) -> list[float]:
        """Start of each token by CIF's cumulative weight, in seconds (N)."""
        return self.by_method["cif"].starts

    @property
    def ends(self) -> list[float]:
        """End of each token by CIF's cumulative weight, in seconds (N)."""
        return self.by_method["cif"].ends


class Aligner:
    """Aligns batches with a trained model.

    Args:
        model: with BERT's dropped layers (the teacher), or without (packed).
        tokenizer: BERT's word pieces.
        device: "cpu" or "cuda".
    """

    def __init__(self, model: WaBERT, tokenizer: WordPieceTokenizer, device: str = "cpu"):
        self.model, self.tokenizer, self.device = model, tokenizer, device
        self.methods = available_methods(model)

    def min_confidence(self, method: str) -> float:
        """Return the confidence below which a transcript may be of another recording."""
        return DOUBT if self.model.ctc_head else self.methods[method].min_confidence(self.model)

    def min_word_confidence(self, method: str) -> float:
        """Return the confidence below which a word may not have been said."""
        return DOUBTFUL_WORD if self.model.ctc_head else self.min_confidence(method)

    @property
    def hop(self) -> float:
        """Seconds from frame to frame."""
        return self.model.frontend.hop

    @torch.inference_mode()
    def __call__(
        self,
        speech: Sequence[np.ndarray],
        transcripts: Sequence[Encoded],
        names: Sequence[str] | None = None,
        predictions: bool = True,
    ) -> list[Alignment]:
        """Align utterances of any length with their transcripts.

        Args:
            speech: waveforms (S,) at 16 kHz, or features (T, D) cached from the same frontend.
            transcripts: their word pieces.
            names: the methods to use; None: all. `cif` is always used. A method is left out of an
                utterance that it cannot align (more tokens than frames).
            predictions: also compute `top` and `nearest`.
        """
        return self.align_encoded(self.encode(speech), transcripts, names, predictions)

    @torch.inference_mode()
    def encode(self, speech: Sequence[np.ndarray]) -> EncodedSpeech:
        """Encode waveforms or cached features.

        Waveforms that are cut close to their words get silence on each side; the middle of long
        pauses is not encoded.
        """
        tensors = to_tensors(speech, self.device)
        pauses: Sequence[Sequence[Pause]] = [()] * len(speech)
        if tensors[0].dim() != 1:
            features, lengths = self.model.features(*pad(tensors))
            silence = torch.zeros_like(lengths)
        else:
            cut = [is_cut(one.cpu().numpy()) for one in tensors]
            silence = round(SILENCE / self.hop) * torch.tensor(cut, device=self.device).long()
            encode = ChunkedFrontend(self.model.features, self.model.frontend.encoder)
            features, lengths, pauses = encode_speech(encode, encode.surround(tensors, silence))
        adapted = self.model.adapt(features, lengths)
        return EncodedSpeech(features, adapted, lengths, silence, paused_frames(pauses, features))

    @torch.inference_mode()
    def align_encoded(
        self,
        encoded: EncodedSpeech,
        transcripts: Sequence[Encoded],
        names: Sequence[str] | None = None,
        predictions: bool = True,
    ) -> list[Alignment]:
        """Align what `encode` returned; the other arguments are those of the call."""
        batch = self._batch(encoded, transcripts, predictions)
        spans = {
            name: method.align(self.model, batch)
            for name, method in self.methods.items()
            if names is None or name in names or name == "cif"
        }
        top = self._top(batch) if predictions else None
        nearest = self._nearest(batch) if predictions else None
        tail_threshold = self.model.encoder.tail_threshold
        counts = predicted_lengths(batch.fired.quantity, tail_threshold).tolist()
        judged = self._judge(batch)
        results = []
        for row, transcript in enumerate(transcripts):
            by_method = {
                name: self._in_seconds(transcript, own, judged[row])
                for name, found in spans.items()
                if (own := found[row]) is not None
            }
            results.append(
                Alignment(
                    by_method,
                    transcript.pieces,
                    None if nearest is None else nearest[row],
                    None if top is None else top[row],
                    counts[row],
                )
            )
        return results

    def _batch(
        self, encoded: EncodedSpeech, transcripts: Sequence[Encoded], predictions: bool
    ) -> Batch:
        """Go from features to aligned tokens, and to BERT's output if something needs it."""
        encoder = self.model.encoder
        lengths = torch.tensor([len(t.ids) for t in transcripts], device=self.device)
        targets = self.targets(transcripts)
        fired = encoder.fire(*encoded.heard(), lengths)
        aligned, hidden = encoder.project(fired.tokens), None
        if predictions or targets is None:
            hidden, _ = self.model.postencoder(aligned, lengths)
        return Batch(
            transcripts, encoded.features, encoded.lengths, encoded.adapted, fired, aligned,
            targets, hidden, encoded.silence, encoded.paused,
        )  # fmt: skip

    def targets(self, transcripts: Sequence[Encoded]) -> torch.Tensor | None:
        """Return BERT's layer-i states (B, N, H), scaled to unit length; None: no teacher."""
        teacher = self.model.teacher
        if teacher is None:
            return None
        ids = [transcript.ids for transcript in transcripts]
        states = encode_transcripts(teacher, ids, self.device, teacher.positions)
        return F.normalize(states, dim=-1)

    def _judge(self, batch: Batch) -> list[CTCConfidence | None]:
        """Return the confidence of each transcript by CTC; None: the model has no CTC head."""
        if self.model.ctc_head is None:
            return [None] * len(batch.transcripts)
        log_p = self.model.ctc_head(batch.adapted).cpu().numpy()
        rows = zip(log_p, batch.frame_lengths.tolist(), batch.transcripts, strict=True)
        return [ctc_confidence(row[:length], t.said) for row, length, t in rows]

    def _in_seconds(
        self, transcript: Encoded, spans: TokenSpans, judged: CTCConfidence | None
    ) -> WordAlignment:
        """Convert spans from frames to seconds, and from tokens to words."""
        seconds = self.model.frontend.encoder.seconds
        starts, ends = (
            seconds(torch.from_numpy(np.asarray(x))).clamp(min=0).tolist() for x in spans[:2]
        )
        words = words_of(transcript, starts, ends)
        own = None if spans.confidences is None else spans.confidences.tolist()
        if judged is not None:
            return WordAlignment(words, starts, ends, own, judged.words, judged.utterance)
        by_word = None if own is None else word_confidences(transcript, own)
        return WordAlignment(words, starts, ends, own, by_word)

    def _nearest(self, batch: Batch) -> list[list[bool]] | None:
        """Return for each token whether its aligned vector is nearest to its own target."""
        if batch.targets is None:
            return None
        found = []
        for vectors, targets, transcript in zip(
            batch.aligned, batch.targets, batch.transcripts, strict=True
        ):
            count = len(transcript.ids)
            cosines = F.normalize(vectors[:count], dim=-1) @ targets[:count].T
            own = torch.arange(count, device=self.device)
            found.append((cosines.argmax(dim=1) == own).tolist())
        return found

    def _top(self, batch: Batch) -> list[list[list[str]]] | None:
        """Return the TOP_K subword predictions of each token."""
        if self.model.subword_head is None or batch.hidden is None:
            return None
        counts = [len(transcript.ids) for transcript in batch.transcripts]
        return [self.pieces(ids) for ids in self.top_ids(batch.hidden, counts)]

    def top_ids(self, hidden: torch.Tensor, counts: list[int]) -> list[list[list[int]]]:
        """Return the TOP_K most likely ids of each token.

        Args:
            hidden: states of BERT's last layer (B, N, H).
            counts: number of tokens of each utterance.
        """
        assert self.model.subword_head is not None
        best = self.model.subword_head(hidden).topk(TOP_K, dim=-1).indices.tolist()
        return [rows[:count] for rows, count in zip(best, counts, strict=True)]

    def pieces(self, ids: list[list[int]]) -> list[list[str]]:
        """Return the word pieces of the ids of each token."""
        return [[self.tokenizer.vocabulary[i] for i in token] for token in ids]


def predicted_lengths(quantity: torch.Tensor, tail_threshold: float) -> torch.Tensor:
    """Return the number of tokens (B,) that weights of this sum fire without a transcript."""
    whole = quantity.floor()
    return (whole + (quantity - whole >= tail_threshold)).long()
