"""Read what was said, for the classification of a self-transcript.

The paper decodes with L_subword's head to inspect the aligner's tokens (section 4.2.1, Table 4). To
classify the decoded text as well is not in the paper.

Shapes: B utterances, T frames, D width of the adapted frames, N tokens with [CLS] and [SEP], H
BERT's width.
"""

from pathlib import Path
from typing import NamedTuple

import torch
from torch import nn

from espnet_wabert.modules.batching import pad
from espnet_wabert.modules.ctc_head import CTCHead
from espnet_wabert.modules.frozen import FrozenInEval, freeze
from espnet_wabert.modules.postencoder import SubwordHead, TruncatedBert
from espnet_wabert.modules.speller import Speller


class Spoken(NamedTuple):
    """A batch of speech in the aligner: its frames, and the tokens that they give."""

    adapted: torch.Tensor  # (B, T, D)
    frames: torch.Tensor  # (B,) their numbers
    tokens: torch.Tensor  # (B, N, H)
    lengths: torch.Tensor  # (B,) their numbers


class SubwordDecoder(FrozenInEval):
    """The most likely piece of each token: BERT's upper layers and the subword head, all frozen.

    A task may train its own copy of BERT's upper layers; this one does not change.

    Args:
        postencoder: BERT's upper layers as in the training of the aligner, not shared.
        head: the subword head; `init_from` loads its weights from the aligned model.
        first, last: the ids of [CLS] and [SEP].
        positions: largest number of ids, those of BERT; of more only the beginning is read.
    """

    source = "subword_head"  # part of the aligned model that `head` is

    def __init__(
        self, postencoder: TruncatedBert, head: SubwordHead, first: int, last: int, positions: int
    ):
        super().__init__()
        self.positions = positions
        self.postencoder = postencoder
        self.head = head
        self.first, self.last = first, last
        freeze([self])

    @torch.no_grad()
    def forward(self, spoken: Spoken) -> tuple[torch.Tensor, torch.Tensor]:
        """Return ids (B, N), one for each of the aligner's tokens, and their numbers (B,) >= 2."""
        hidden, _ = self.postencoder(spoken.tokens, spoken.lengths)
        ids = self.head(hidden).argmax(-1)
        ids = nn.functional.pad(ids, (0, max(0, 2 - ids.shape[1])))
        lengths = spoken.lengths.clamp(min=2)  # [CLS] [SEP] of an utterance without tokens
        ids[:, 0] = self.first
        ids = ids.scatter(1, lengths[:, None] - 1, self.last)
        return ids[:, : self.positions], lengths.clamp(max=self.positions)


class LetterDecoder(FrozenInEval):
    """The pieces of the words that the CTC head spells; the head is frozen.

    Args:
        head: the CTC head; `init_from` loads its weights from the aligned model.
        positions: largest number of ids, those of BERT; of more only the beginning is read.
    """

    source = "ctc_head"

    def __init__(self, head: CTCHead, positions: int):
        super().__init__()
        self.positions = positions
        self.head = head
        self.use(None)
        freeze([self])

    def use(self, ngram: str | Path | None) -> None:
        """Search words with an n-gram, an ARPA file; None: take the most likely letters."""
        self.ngram, self.speller = ngram, Speller(ngram)

    @torch.no_grad()
    def forward(self, spoken: Spoken) -> tuple[torch.Tensor, torch.Tensor]:
        """Return ids (B, N) of the words that the frames spell, and their numbers (B,)."""
        return self.read(spoken.adapted, spoken.frames)

    def read(
        self, adapted: torch.Tensor, frames: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return what `forward` does, of adapted frames (B, T, D) and their numbers (B,)."""
        texts = self.speller(self.head(adapted), frames)
        ids = [self.head.tokenizer.encode(text).ids[: self.positions] for text in texts]
        return pad([torch.tensor(row, device=frames.device) for row in ids])
