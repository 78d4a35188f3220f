"""Decode the aligner's tokens to BERT's word pieces: the self-transcript of a sentiment model.

The paper decodes with L_subword's head to inspect the aligner's tokens (section 4.2.1, Table 4). To
classify the decoded text as well is not in the paper.

Shapes: B utterances, N tokens with [CLS] and [SEP], H BERT's width.
"""

import torch
from torch import nn

from espnet_wabert.modules.frozen import freeze
from espnet_wabert.modules.postencoder import SubwordHead, TruncatedBert


class TokenDecoder(nn.Module):
    """BERT's upper layers, as in the training of the aligner, and the subword head; all frozen.

    A task may train its own copy of BERT's upper layers; this one does not change.

    Args:
        postencoder: BERT's upper layers, not shared.
        head: the subword head; `init_from` loads its weights from the aligned model.
        first, last: the ids of [CLS] and [SEP].
    """

    def __init__(self, postencoder: TruncatedBert, head: SubwordHead, first: int, last: int):
        super().__init__()
        self.postencoder = postencoder
        self.head = head
        self.first, self.last = first, last
        freeze([self])

    def train(self, mode: bool = True):
        return super().train(False)

    @torch.no_grad()
    def forward(self, tokens: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Return the most likely ids (B, N) of the aligner's tokens (B, N, H)."""
        hidden, _ = self.postencoder(tokens, lengths)
        ids = self.head(hidden).argmax(-1)
        ids[:, 0] = self.first
        last = (lengths[:, None] - 1).clamp(min=0)  # an utterance may have no tokens
        return ids.scatter(1, last, self.last)
