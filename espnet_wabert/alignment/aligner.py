"""Align speech with its transcript: every reading of a batch, with confidences.

How sure a token's place is, is told by the cosine of its target (BERT's layer-i state) and the
mean of the frames that a reading gives it, cut off below 0. On the embedded corpus that knew words
of a wrong transcript better (area under the curve .95; .97 for one wrong word in a right
transcript) than the posterior among the utterance's tokens (.91, .93; and of no use for a
transcript of one word, which has no rival), than cosines standardised by those of other words
(.90), and than the subword head's probability (.93). A packed model without its teacher has only
that last one.

Shapes: B utterances, T frames, N tokens, H BERT's width.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import torch
from torch.nn import functional as F

from espnet_wabert.alignment.chunking import FrameWindows, encode_transcripts
from espnet_wabert.alignment.segmental_viterbi import SegmentalAligner, TokenSpans
from espnet_wabert.formats.word import Word
from espnet_wabert.models.wabert import WaBERT
from espnet_wabert.modules.batching import pad, to_tensors
from espnet_wabert.text.wordpiece import (
    Encoded,
    WordPieces,
    letters_of,
    word_confidences,
    word_ends_of,
    words_of,
)

TOP = 5  # candidates a token, as in table 4
THREADS = 2  # the programmes of several utterances run side by side


class WordAlignment(NamedTuple):
    """The words and tokens of an utterance as one reading places them, in seconds."""

    words: list[Word]
    starts: list[float]  # N tokens
    ends: list[float]  # N
    confidences: list[float] | None  # N, 0 to 1; None: the model has nothing to tell it from
    word_confidences: list[float] | None  # one a word: the mean of its tokens'

    @property
    def confidence(self) -> float | None:
        """The mean over the words' tokens; [CLS] and [SEP] are none of a word's."""
        return float(np.mean(self.confidences[1:-1])) if self.words and self.confidences else None


class Alignment(NamedTuple):
    """An utterance aligned with its transcript of N tokens."""

    timed: dict[str, WordAlignment]  # by reading, the best first
    tokens: list[str]  # N pieces, [CLS] and [SEP] among them
    nearest: list[bool] | None  # N: is the vector nearest to its own target? None: no teacher
    top: list[list[str]] | None  # N x TOP candidates of the subword head; None: no head
    predicted_length: int  # tokens found without the transcript

    @property
    def readings(self) -> dict[str, list[Word]]:
        """The words of each reading."""
        return {name: timed.words for name, timed in self.timed.items()}

    @property
    def starts(self) -> list[float]:
        """Where CIF's cumulative weight begins each token, in seconds (N)."""
        return self.timed["cif"].starts

    @property
    def ends(self) -> list[float]:
        """Where it ends each token, in seconds (N)."""
        return self.timed["cif"].ends

    @property
    def words(self) -> list[Word]:
        """The words of the best reading."""
        return next(iter(self.timed.values())).words


class Aligner:
    """Aligns batches with a trained model.

    The letters' reading is there where the model has that head, and similarity's where it has its
    teacher; both are left out of an utterance with more letters or tokens than frames. CIF's own
    positions are always there, as the last reading.

    Args:
        model: with BERT's dropped layers, or without (packed).
        pieces: the tokenizer.
        device: "cpu" or "cuda".
    """

    def __init__(self, model: WaBERT, pieces: WordPieces, device: str = "cpu"):
        self.model, self.pieces, self.device = model, pieces, device
        self.similarity = SegmentalAligner()

    def names(self) -> list[str]:
        """Return the readings that this model offers, the best first."""
        offered = {
            "grapheme": self.model.grapheme_head is not None,
            "similarity": self.model.teacher is not None,
            "cif": True,
        }
        return [name for name, is_there in offered.items() if is_there]

    @torch.inference_mode()
    def __call__(
        self,
        speech: Sequence[np.ndarray],
        transcripts: Sequence[Encoded],
        names: Sequence[str] | None = None,
        candidates: bool = True,
    ) -> list[Alignment]:
        """Align utterances of any length with their transcripts.

        Args:
            speech: waveforms (S,) at 16 kHz, or features (T, D) cached from the same frontend.
            transcripts: their pieces.
            names: the readings to make; None for all. CIF's is always made.
            candidates: tell `top` and `nearest`, too.
        """
        lengths = torch.tensor([len(e.ids) for e in transcripts], device=self.device)
        features, frame_lengths = self.encode_frames(speech)
        frames, encoder = self.model.frontend.top(features), self.model.encoder
        targets = self.targets(transcripts)
        adapted = encoder.adapt(frames, frame_lengths)
        fired = encoder.fire(adapted, frame_lengths, lengths)
        aligned, hidden = encoder.project(fired.tokens), None
        if candidates or targets is None:
            hidden, _ = self.model.postencoder(aligned, lengths)
        wanted = [name for name in self.names() if names is None or name in names]
        placed = [self._by_cif(fired, b, e) for b, e in enumerate(transcripts)]
        if targets is not None:
            cosines = F.cosine_similarity(aligned, targets, dim=-1).clamp(min=0).tolist()
        else:
            cosines = self._own_probabilities(hidden, transcripts)
        found: list[dict[str, TokenSpans]] = [{} for _ in transcripts]
        if "similarity" in wanted:
            vectors = encoder.project(adapted)
            similar = self._by_similarity(vectors, frame_lengths, targets, transcripts)
            found = [{"similarity": x} if x else {} for x in similar]
        if "grapheme" in wanted:
            heard = self.model.frontend.conv_features(features)
            ids = [e.ids for e in transcripts]
            letters = self.model.grapheme_head.read(heard, frame_lengths, ids)
            found = [{"grapheme": x, **rest} if x else rest for x, rest in zip(letters, found)]
        top = self._top(hidden, transcripts) if candidates else None
        nearest = self._nearest(aligned, targets, lengths) if candidates else None
        counts = predicted_lengths(fired.quantity, encoder.tail_threshold).tolist()
        results = []
        for b, e in enumerate(transcripts):
            own = placed[b]._replace(confidences=cosines and cosines[b][: len(e.ids)])
            timed = {name: self._timed(e, segments) for name, segments in found[b].items()}
            timed["cif"] = self._timed(e, own)
            results.append(
                Alignment(timed, e.pieces, nearest and nearest[b], top and top[b], counts[b])
            )
        return results

    def encode_frames(self, speech: Sequence[np.ndarray]) -> tuple[torch.Tensor, torch.Tensor]:
        """Return features (B, T, W) and their lengths of waveforms, or of cached features."""
        tensors = to_tensors(speech, self.device)
        if tensors[0].dim() == 1:
            return FrameWindows(self.model.features, self.model.frontend.encoder)(tensors)
        return self.model.features(*pad(tensors))

    def targets(self, transcripts: Sequence[Encoded]) -> torch.Tensor | None:
        """Return BERT's layer-i states (B, N, H) of the transcripts, if there is a teacher."""
        teacher = self.model.teacher
        if teacher is None:
            return None
        ids = [e.ids for e in transcripts]
        states = encode_transcripts(teacher, ids, self.device, teacher.positions)
        return F.normalize(states, dim=-1)

    def _by_similarity(self, vectors, lengths, targets, transcripts) -> list[TokenSpans | None]:
        """Read each utterance; None where tokens outnumber frames.

        Args:
            vectors: frames in BERT's space (B, T, H), of `lengths` (B,).
            targets: (B, N, H).
        """

        def read(b: int) -> TokenSpans | None:
            e, count = transcripts[b], int(lengths[b])
            if count < len(e.ids):  # no path gives each token a frame
                return None
            own, target = vectors[b, :count].float(), targets[b, : len(e.ids)].float()
            cosines = (target @ F.normalize(own, dim=-1).T).T.cpu().numpy()
            segments = self.similarity(cosines, letters_of(e), np.array(word_ends_of(e)))
            return segments._replace(confidences=similarity_of(own, target, segments))

        with ThreadPoolExecutor(THREADS) as pool:
            return list(pool.map(read, range(len(transcripts))))

    @staticmethod
    def _by_cif(fired, row: int, e: Encoded) -> TokenSpans:
        return TokenSpans(*(x[row, : len(e.ids)].cpu().numpy() for x in (fired.starts, fired.ends)))

    def _timed(self, e: Encoded, segments: TokenSpans) -> WordAlignment:
        """Bring segments from frames to seconds, and from tokens to words."""
        seconds = self.model.frontend.encoder.seconds
        starts, ends = (
            seconds(torch.from_numpy(np.asarray(x))).clamp(min=0).tolist() for x in segments[:2]
        )
        confidences = segments.confidences
        if confidences is None:
            return WordAlignment(words_of(e, starts, ends), starts, ends, None, None)
        confidences = [float(c) for c in confidences]
        by_word = word_confidences(e, confidences)
        return WordAlignment(words_of(e, starts, ends), starts, ends, confidences, by_word)

    def _own_probabilities(self, hidden, transcripts) -> list[list[float]] | None:
        """Return the subword head's probability of each token; hidden states (B, N, H)."""
        if self.model.subword_head is None:
            return None
        found = []
        for states, e in zip(hidden, transcripts):
            ids = torch.tensor(e.ids, device=self.device)
            scores = self.model.subword_head(states[: len(ids)]).float().softmax(-1)
            found.append(scores.gather(1, ids[:, None])[:, 0].tolist())
        return found

    def _nearest(self, aligned, targets, lengths) -> list | None:
        """Tell of each token whether its aligned vector is nearest to its own target."""
        if targets is None:
            return None
        found = []
        for a, b, n in zip(aligned, targets, lengths.tolist()):
            cosines = F.normalize(a[:n], dim=-1) @ b[:n].T
            own = torch.arange(n, device=self.device)
            found.append((cosines.argmax(dim=1) == own).tolist())
        return found

    def _top(self, hidden, transcripts) -> list[list[list[str]]] | None:
        """Return the best TOP candidates of each token; hidden states (B, N, H)."""
        if self.model.subword_head is None:
            return None
        best = self.model.subword_head(hidden).topk(TOP, dim=-1).indices.tolist()
        names = self.pieces.vocabulary
        return [
            [[names[i] for i in token] for token in best[b][: len(e.ids)]]
            for b, e in enumerate(transcripts)
        ]


def similarity_of(vectors: torch.Tensor, targets: torch.Tensor, segments: TokenSpans) -> np.ndarray:
    """Return the cosines (N,), 0 at least, of targets (N, H) and the means of their frames (T, H).

    A segment is rounded to whole frames, one at least.
    """
    total = F.pad(vectors.double().cumsum(0), (0, 0, 1, 0))
    starts, ends = (torch.from_numpy(np.round(x)).long() for x in segments[:2])
    starts = starts.clamp(0, len(vectors) - 1)
    ends = ends.clamp(max=len(vectors)).maximum(starts + 1)
    sums = total[ends.to(total.device)] - total[starts.to(total.device)]
    return F.cosine_similarity(sums, targets.double(), dim=-1).clamp(min=0).cpu().numpy()


def predicted_lengths(quantity: torch.Tensor, tail_threshold: float) -> torch.Tensor:
    """Return the number of tokens (B,) that weights of this sum fire without a transcript."""
    whole = quantity.floor()
    return (whole + (quantity - whole >= tail_threshold)).long()
