"""The method `similarity`: dynamic programming over the cosines of frames and targets.

Token confidence is the cosine between the target and the mean of the token's frames, clipped at 0.
"""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch.nn import functional as F

from espnet_wabert.alignment.method import Batch
from espnet_wabert.alignment.pauses import over_pauses
from espnet_wabert.alignment.spans import TokenSpans
from espnet_wabert.models.wabert import WaBERT
from espnet_wabert.text.wordpiece import letters_of, word_ends_of

THREADS = 2  # utterances that are aligned at the same time


class SimilarityMethod:
    """Segmental Viterbi alignment; needs the teacher, which gives the targets."""

    name = "similarity"

    def available(self, model: WaBERT) -> bool:
        return model.teacher is not None

    def min_confidence(self, model: WaBERT) -> float:
        """0.24, chosen as that of `cif`."""
        return 0.24

    def align(self, model: WaBERT, batch: Batch) -> list[TokenSpans | None]:
        """Align each utterance; None: more tokens than frames, so there is no path."""
        # Not before it is used: it imports numba.
        from espnet_wabert.alignment.segmental_viterbi import align_segments

        frames, lengths, places = batch.heard(batch.adapted)
        vectors = model.encoder.project(frames)  # (B, T, H)
        targets = batch.targets
        assert targets is not None

        def one(row: int) -> TokenSpans | None:
            transcript, count = batch.transcripts[row], int(lengths[row])
            if count < len(transcript.ids):
                return None
            own, target = vectors[row, :count].float(), targets[row, : len(transcript.ids)].float()
            cosines = (target @ F.normalize(own, dim=-1).T).T.cpu().numpy()
            ends = np.array(word_ends_of(transcript))
            spans = align_segments(cosines, letters_of(transcript), ends)
            spans = spans._replace(confidences=mean_cosines(own, target, spans))
            return over_pauses(spans, places[row])

        with ThreadPoolExecutor(THREADS) as pool:
            return list(pool.map(one, range(len(batch.transcripts))))


def mean_cosines(vectors: torch.Tensor, targets: torch.Tensor, spans: TokenSpans) -> np.ndarray:
    """Return the cosines (N,), at least 0, of targets (N, H) and the means of their frames (T, H).

    A span is rounded to whole frames, at least one.
    """
    total = F.pad(vectors.double().cumsum(0), (0, 0, 1, 0))
    starts, ends = (torch.from_numpy(np.round(x)).long() for x in spans[:2])
    starts = starts.clamp(0, len(vectors) - 1)
    ends = ends.clamp(max=len(vectors)).maximum(starts + 1)
    sums = total[ends.to(total.device)] - total[starts.to(total.device)]
    return F.cosine_similarity(sums, targets.double(), dim=-1).clamp(min=0).cpu().numpy()
