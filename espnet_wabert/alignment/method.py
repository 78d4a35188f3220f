"""The interface of alignment methods and the batch that they get."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
import torch

from espnet_wabert.alignment.pauses import heard_frames, heard_places
from espnet_wabert.alignment.spans import TokenSpans
from espnet_wabert.cif import CIFOutput
from espnet_wabert.models.wabert import WaBERT
from espnet_wabert.modules.batching import pad
from espnet_wabert.text.wordpiece import Encoded


class Batch(NamedTuple):
    """B encoded utterances with their transcripts.

    Shapes: T frames, N tokens with [CLS] and [SEP], W and D widths of features and adapted frames,
    H BERT's width.
    """

    transcripts: Sequence[Encoded]
    features: torch.Tensor  # (B, T, W) of the frontend
    frame_lengths: torch.Tensor  # (B,)
    adapted: torch.Tensor  # (B, T, D), the frames that integrate-and-fire sums
    fired: CIFOutput  # of the frames without pauses, with the transcripts' lengths
    aligned: torch.Tensor  # (B, N, H) tokens in BERT's space
    targets: torch.Tensor | None  # (B, N, H) BERT's layer-i states, unit length; None: no teacher
    hidden: torch.Tensor | None  # (B, N, H) BERT's output; None: not computed
    silence: torch.Tensor  # (B,) frames on each side that are not of the recording
    paused: torch.Tensor  # (B, T) frames that were not encoded, of long pauses

    @property
    def own_lengths(self) -> torch.Tensor:
        """The numbers (B,) of frames of the recordings themselves."""
        return self.frame_lengths - 2 * self.silence

    def own(self, frames: torch.Tensor) -> torch.Tensor:
        """Return the frames of the recordings themselves, of frames (B, T, ...) with silence."""
        if not self.silence.any():
            return frames
        rows = zip(frames, self.silence.tolist(), self.own_lengths.tolist(), strict=True)
        return pad([row[first : first + count] for row, first, count in rows])[0]

    def heard(self, frames: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, list[np.ndarray]]:
        """Return those of `own` without long pauses, their numbers (B,), and their places."""
        paused = self.own(self.paused)
        heard, lengths = heard_frames(self.own(frames), self.own_lengths, paused)
        return heard, lengths, heard_places(self.own_lengths, paused)


class AlignmentMethod(Protocol):
    """A way to find where the tokens of a transcript lie.

    Attributes:
        name: in options, files and results.
    """

    name: str

    def available(self, model: WaBERT) -> bool:
        """Return whether the model has the parts that the method needs."""

    def min_confidence(self, model: WaBERT) -> float:
        """Return the confidence below which a transcript may be of another recording."""

    def align(self, model: WaBERT, batch: Batch) -> list[TokenSpans | None]:
        """Return the spans of each utterance; None for one that the method cannot align."""
