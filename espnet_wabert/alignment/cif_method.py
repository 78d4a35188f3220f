"""The method `cif`: tokens lie where CIF's cumulative weight puts them (paper, section 4.1).

Token confidence is the cosine between the aligned vector and its target (BERT's layer-i state),
clipped at 0. A model without teacher uses the subword head's probability of the token instead.
"""

import numpy as np
import torch
from torch.nn import functional as F

from espnet_wabert.alignment.method import Batch
from espnet_wabert.alignment.pauses import heard_places, over_pauses
from espnet_wabert.alignment.spans import TokenSpans, within
from espnet_wabert.cif import CIFOutput
from espnet_wabert.models.wabert import WaBERT


def token_edges(
    fired: CIFOutput, lengths: torch.Tensor, silence: torch.Tensor, paused: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return starts and ends (B, N) of tokens in frames of the recordings themselves, on the CPU.

    Args:
        fired: of the frames that are in no long pause.
        lengths: numbers (B,) of frames of the recordings, with the silence around them.
        silence: frames (B,) of it on each side.
        paused: (B, T) which frames are in long pauses.
    """
    rows = zip(*(x.cpu().numpy() for x in (fired.starts, fired.ends)), strict=True)
    places = heard_places(lengths, paused)
    spread = [over_pauses(TokenSpans(*row), at) for row, at in zip(rows, places, strict=True)]
    own, before = (lengths - 2 * silence).cpu(), silence.cpu()
    starts = torch.from_numpy(np.stack([span.starts for span in spread]))
    ends = torch.from_numpy(np.stack([span.ends for span in spread]))
    return within(starts, own, before), within(ends, own, before)


class CIFMethod:
    """Positions of integrate-and-fire; every model has it."""

    name = "cif"

    def available(self, model: WaBERT) -> bool:
        return True

    def min_confidence(self, model: WaBERT) -> float:
        """0.19 for cosines, 0.12 for probabilities.

        On unseen voices of the embedded corpus 95 % of right transcripts lie above and 95 % of
        wrong ones below.
        """
        return 0.12 if model.teacher is None else 0.19

    def align(self, model: WaBERT, batch: Batch) -> list[TokenSpans | None]:
        confidences = self._confidences(model, batch)
        edges = token_edges(batch.fired, batch.frame_lengths, batch.silence, batch.paused)
        starts, ends = (x.numpy() for x in edges)
        spans: list[TokenSpans | None] = []
        for row, transcript in enumerate(batch.transcripts):
            count = len(transcript.ids)
            own = None if confidences is None else confidences[row][:count]
            spans.append(TokenSpans(starts[row, :count], ends[row, :count], own))
        return spans

    def _confidences(self, model: WaBERT, batch: Batch):
        """Return one array of at least N confidences per utterance; None: nothing to compare."""
        if batch.targets is not None:
            cosines = F.cosine_similarity(batch.aligned, batch.targets, dim=-1)
            return cosines.clamp(min=0).cpu().numpy()
        if model.subword_head is None or batch.hidden is None:
            return None
        found = []
        for states, transcript in zip(batch.hidden, batch.transcripts, strict=True):
            ids = torch.tensor(transcript.ids, device=states.device)
            scores = model.subword_head(states[: len(ids)]).float().softmax(-1)
            found.append(scores.gather(1, ids[:, None])[:, 0].cpu().numpy())
        return found
