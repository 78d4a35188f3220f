"""What WaBERT reads in what it hears: the aligner's tokens as BERT's word pieces.

The paper reads with L_subword's head to see what the aligner's tokens hold (section 4.2.1, Table
4); to judge what was read beside what was heard is not in the paper.

Shapes: B utterances, N tokens with [CLS] and [SEP], H BERT's width.
"""

import torch
from torch import nn

from espnet_wabert.modules.frozen import freeze
from espnet_wabert.modules.postencoder import SubwordHead, TruncatedBert


class TokenDecoder(nn.Module):
    """BERT's upper layers, as they were above the aligner in its training, and the subword head.

    All of it is frozen, whatever a task trains of BERT beside it.

    Args:
        postencoder: BERT's upper layers, for the token_decoder alone.
        head: the subword head. `init_from` gives it what the aligner's training taught it.
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
        """Return the likeliest ids (B, N) of the aligner's tokens (B, N, H)."""
        hidden, _ = self.postencoder(tokens, lengths)
        ids = self.head(hidden).argmax(-1)
        ids[:, 0] = self.first
        last = (lengths[:, None] - 1).clamp(min=0)  # an utterance may have no token
        return ids.scatter(1, last, self.last)
