"""Acoustic model of graphemes on the speech encoder's convolutions, for word boundaries.

A frame of the upper layers of a speech encoder depends on the whole utterance: it tells which word
is spoken, but not exactly when. A frame of its convolutions depends on 25 ms. A small classifier of
graphemes on them, trained with the forward sum over all monotonic alignments, places boundaries
where the sound changes. Acoustic models of forced aligners do the same with a pronunciation
dictionary. The paper has no such part.

Log-probabilities are divided by the graphemes' priors. Without that, silence takes all frames but
one per grapheme, as the blank does in CTC. Scaled likelihoods: Bourlard & Morgan 1994; for
alignment with CTC: Huang et al. 2024 (arXiv 2406.02560).

Shapes: B utterances, T frames, L width of the convolutions' output, V symbols, N tokens.
"""

import unicodedata
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from functools import cache

import numpy as np
import torch
from torch import nn

from espnet_wabert.modules.convolution import FrameConvolution
from espnet_wabert.modules.dropout import Dropout
from espnet_wabert.modules.forward_sum import ForwardSum, HMMTopology
from espnet_wabert.modules.global_batch import mean_of_rows
from espnet_wabert.modules.masking import valid_mask

GRAPHEMES = "abcdefghijklmnopqrstuvwxyz"
SILENCE = 0  # then the graphemes, then the wildcard, which has no class of its own
WILDCARD = len(GRAPHEMES) + 1


class GraphemeLexicon:
    """Build the HMM topology of token ids: their graphemes, with optional silence between words.

    Accents are removed. A character outside a to z (a digit, another script) is a wildcard;
    punctuation has no state.

    Args:
        vocabulary: BERT's word pieces in the order of their ids.
    """

    def __init__(self, vocabulary: Iterable[str]):
        self.vocabulary = list(vocabulary)

    def __call__(self, ids: Sequence[int]) -> HMMTopology:
        """Return the topology of ids (N,); [CLS] and [SEP] are the silence at both ends."""
        symbols, optional, tokens = [SILENCE], [False], [0]
        for index, token in enumerate(ids[1:-1], start=1):
            piece = self.vocabulary[token]
            graphemes = graphemes_of(piece)
            if graphemes and not piece.startswith("##") and tokens[-1] > 0:
                symbols.append(SILENCE)
                optional.append(True)
                tokens.append(-1)
            symbols += graphemes
            optional += [False] * len(graphemes)
            tokens += [index] * len(graphemes)
        symbols.append(SILENCE)
        optional.append(False)
        tokens.append(len(ids) - 1)
        return HMMTopology(np.array(symbols), np.array(optional), np.array(tokens))


@cache
def graphemes_of(piece: str) -> tuple[int, ...]:
    """Return the symbols of a word piece."""
    if piece.startswith("[") and piece.endswith("]") and len(piece) > 2:
        return (WILDCARD,) if piece == "[UNK]" else ()
    found = []
    for character in unicodedata.normalize("NFKD", piece.removeprefix("##").lower()):
        kind = unicodedata.category(character)[0]
        if character in GRAPHEMES:
            found.append(1 + GRAPHEMES.index(character))
        elif kind in "LN":  # a letter or number of Unicode, but no mark, punctuation or symbol
            found.append(WILDCARD)
    return tuple(found)


class GraphemeHead(nn.Module):
    """A classifier of graphemes on the convolutions' frames.

    Args:
        width: L.
        vocabulary: BERT's word pieces.
        size: hidden units.
        kernel: receptive field in frames (odd). A small one cannot shift boundaries far.
        dropout: of the hidden units.
        prior_scale: factor of the log prior that is subtracted. In theory it is 1; 0.8 gave better
            boundaries on held-out voices.
    """

    prior: torch.Tensor  # (1 + graphemes,) running mean of the probabilities

    FLOOR = 1e-3  # of the priors: a rare grapheme must not win in every frame
    MEMORY = 0.95  # decay of the running priors, per batch

    def __init__(
        self,
        width: int,
        vocabulary: Iterable[str],
        size: int = 256,
        kernel: int = 5,
        dropout: float = 0.1,
        prior_scale: float = 0.8,
    ):
        super().__init__()
        self.lexicon = GraphemeLexicon(vocabulary)
        self.convolution = FrameConvolution(width, size, kernel)
        self.classifier = nn.Sequential(
            nn.GELU(), nn.LayerNorm(size), Dropout(dropout),
            nn.Linear(size, size), nn.GELU(), Dropout(dropout),
            nn.Linear(size, 1 + len(GRAPHEMES)),
        )  # fmt: skip
        self.prior_scale = prior_scale
        self.register_buffer("prior", torch.full((1 + len(GRAPHEMES),), 1 / (1 + len(GRAPHEMES))))

    def forward(self, frames: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Return the log-probabilities (B, T, V) of frames (B, T, L)."""
        mask = valid_mask(lengths, frames.shape[1])[..., None]
        frames = standardize(frames.float(), mask).masked_fill(~mask, 0.0)
        return self.classifier(self.convolution(frames)).float().log_softmax(dim=-1)

    def scale(self, log_p: torch.Tensor) -> torch.Tensor:
        """Return scaled log-likelihoods (B, T, V + 1); the last one is the wildcard's."""
        scaled = log_p - self.prior_scale * self.prior.clamp(min=self.FLOOR).log()
        graphemes = scaled[..., 1:].detach()
        return torch.cat(
            [scaled, graphemes.logsumexp(-1, keepdim=True) - np.log(len(GRAPHEMES))], -1
        )

    def loss(self, frames, lengths, ids, id_lengths, times=None) -> torch.Tensor:
        """Return the negative forward sum per frame of frames (B, T, L) and tokens (B, N).

        Args:
            times: edges (B, N, 2), between frames, that each token must keep; infinite where they
                are not known. None: all tokens are free.
        """
        # Detached: this loss must not change the speech encoder.
        log_p = self(frames.detach(), lengths)
        if self.training:
            mean = mean_of_rows(log_p.detach().exp()[valid_mask(lengths, log_p.shape[1])])
            self.prior.mul_(self.MEMORY).add_(mean, alpha=1 - self.MEMORY)
        tokens = [row[:count] for row, count in zip(ids.tolist(), id_lengths.tolist(), strict=True)]
        topologies = [self.lexicon(row) for row in tokens]
        if times is not None:
            edges = times.cpu().numpy()
            topologies = [keep_times(t, row) for t, row in zip(topologies, edges, strict=True)]
        return ForwardSum.apply(self.scale(log_p), lengths, topologies)


def keep_times(topology: HMMTopology, edges: np.ndarray) -> HMMTopology:
    """Let each token have only frames that overlap its edges (N, 2); a pause is free."""
    window = np.full((len(topology.tokens), 2), (0, np.iinfo(np.int32).max), dtype=np.int64)
    own = topology.tokens >= 0
    limits = np.clip(edges[topology.tokens[own]], 0, window[0, 1])
    window[own] = np.stack([np.floor(limits[:, 0]), np.ceil(limits[:, 1]) - 1], axis=1)
    return topology._replace(window=window)


def own_random_numbers(device: torch.device) -> AbstractContextManager:
    """Return a context after which torch's random numbers go on as before it."""
    devices = [device] if device.type == "cuda" else []
    return torch.random.fork_rng(devices, device_type="cuda")


def standardize(frames: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Normalize each channel of an utterance to mean 0, deviation 1: (B, T, L), mask (B, T, 1)."""
    count = mask.sum(dim=1, keepdim=True).clamp(min=1)
    mean = frames.masked_fill(~mask, 0.0).sum(dim=1, keepdim=True) / count
    centred = (frames - mean).masked_fill(~mask, 0.0)
    deviation = (centred.square().sum(dim=1, keepdim=True) / count).sqrt()
    return centred / (deviation + 0.1)  # a constant channel stays 0
