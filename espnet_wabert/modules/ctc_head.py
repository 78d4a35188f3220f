"""Connectionist temporal classification of letters on the aligner's frames: reading by spelling.

A token of the aligner stands for a whole word piece, so the paper's way to read (the subword head,
Table 4) must have learned every piece. Letters are few and make all words. The loss also makes the
adapter's frames tell how a word is spelled. The paper has no such part; ctc_weight 0 leaves it out.

Loss: Graves et al. 2006, beside an aligner's own losses as in hybrid CTC/attention (Watanabe et al.
2017). Shapes: B utterances, T frames, D width of the adapted frames, V symbols.
"""

import unicodedata
from collections.abc import Iterable

import torch
from torch import nn
from torch.nn import functional as F

from espnet_wabert.text.wordpiece import WordPieceTokenizer

BLANK = 0
LETTERS = " abcdefghijklmnopqrstuvwxyz'"
SYMBOLS = ("", *LETTERS)  # in the order of the classes
SPACE = SYMBOLS.index(" ")


class CTCHead(nn.Module):
    """A classifier of letters on adapted frames.

    Args:
        width: D.
        vocabulary: BERT's word pieces.
    """

    def __init__(self, width: int, vocabulary: Iterable[str]):
        super().__init__()
        self.tokenizer = WordPieceTokenizer(vocabulary)
        self.classifier = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, len(SYMBOLS)))

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        """Return the log-probabilities (B, T, V) of adapted frames (B, T, D)."""
        return self.classifier(frames).float().log_softmax(dim=-1)

    def loss(self, frames, lengths, ids, id_lengths) -> torch.Tensor:
        """Return the loss of frames (B, T, D) and token ids (B, N).

        It is the loss per letter of each utterance, averaged over utterances. One with more letters
        than frames has no path; its loss is 0.
        """
        rows = zip(ids.tolist(), id_lengths.tolist(), strict=True)
        targets = [self.symbols(row[:count]) for row, count in rows]
        target_lengths = torch.tensor([len(target) for target in targets])
        return F.ctc_loss(
            self(frames).transpose(0, 1),
            torch.tensor([symbol for target in targets for symbol in target], device=frames.device),
            lengths,
            target_lengths.to(lengths.device),
            blank=BLANK,
            zero_infinity=True,
        )

    def symbols(self, ids: list[int]) -> list[int]:
        """Return the classes of the letters of a transcript; other characters have none."""
        return [1 + LETTERS.index(letter) for letter in spelling(self.tokenizer.decode(ids))]


def spelling(text: str) -> str:
    """Return a text with the letters of `LETTERS` alone; accents are removed, as BERT does."""
    plain = unicodedata.normalize("NFD", " ".join(text.lower().split()))
    return "".join(letter for letter in plain if letter in LETTERS)


def greedy_text(log_p: torch.Tensor) -> str:
    """Return the text of the most likely symbol of each frame (T, V)."""
    best = log_p.argmax(dim=-1).unique_consecutive().tolist()
    return " ".join("".join(SYMBOLS[symbol] for symbol in best).split())
