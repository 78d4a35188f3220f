"""The method `grapheme`: expected durations of an HMM over graphemes; not in the paper.

Token confidence is the goodness of pronunciation (Witt & Young 2000): the probability of the
token's graphemes relative to the most likely grapheme of each frame, as a geometric mean.

Shapes: B utterances, T frames, L width of the convolutions, V symbols, S states, N tokens.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch

from espnet_wabert.alignment.method import Batch
from espnet_wabert.alignment.pauses import over_pauses
from espnet_wabert.alignment.spans import TokenSpans
from espnet_wabert.models.wabert import WaBERT
from espnet_wabert.modules.forward_sum import HMMTopology, expected_durations
from espnet_wabert.modules.grapheme_head import WILDCARD, GraphemeHead

SHORTEST_PAUSE = 0.08  # s of silence between two words
EARLIER = 0.01  # s: without word times a head learns to begin a word only when it hears some of it


class GraphemeMethod:
    """Forward-backward over graphemes on the frontend's convolutions; needs the grapheme head."""

    name = "grapheme"

    def available(self, model: WaBERT) -> bool:
        return model.grapheme_head is not None

    def min_confidence(self, model: WaBERT) -> float:
        """0.25, chosen as that of `cif`."""
        return 0.25

    def align(self, model: WaBERT, batch: Batch) -> list[TokenSpans | None]:
        assert model.grapheme_head is not None
        ids = [transcript.ids for transcript in batch.transcripts]
        frames, lengths, places = batch.heard(model.grapheme_frames(batch.features))
        found = [
            spans and over_pauses(spans, place)
            for spans, place in zip(
                align_graphemes(model.grapheme_head, frames, lengths, ids), places, strict=True
            )
        ]
        earlier = EARLIER if model.grapheme_tolerance is None else 0.0
        return [spans and settle(spans, model.frontend.hop, earlier) for spans in found]


def settle(spans: TokenSpans, hop: float, earlier: float) -> TokenSpans:
    """Join words that only a trace of silence parts, and move all boundaries.

    The expected duration of the silence between two words is never quite 0. Both numbers were
    chosen on LibriVox and on development voices, clean and noisy (RESULTS.md).

    Args:
        spans: in frames.
        hop: seconds from frame to frame.
        earlier: seconds by which all boundaries move.
    """
    starts, ends = spans.starts.copy(), spans.ends.copy()
    inner = slice(1, len(starts) - 2)  # the ends of words that another word follows
    gaps = starts[2:-1] - ends[inner]
    middle = ends[inner] + gaps / 2
    short = gaps < SHORTEST_PAUSE / hop
    ends[inner] = np.where(short, middle, ends[inner])
    starts[2:-1] = np.where(short, middle, starts[2:-1])
    starts[1:] = np.maximum(starts[1:] - earlier / hop, 0.0)
    ends[:-1] = np.maximum(ends[:-1] - earlier / hop, 0.0)
    return spans._replace(starts=starts, ends=ends)


@torch.no_grad()
def align_graphemes(
    head: GraphemeHead, frames: torch.Tensor, lengths: torch.Tensor, ids: Sequence[Sequence[int]]
) -> list[TokenSpans | None]:
    """Align frames (B, T, L) of the convolutions with tokens; None: more graphemes than frames."""
    log_p = head(frames, lengths)
    scores = head.scale(log_p).double().cpu().numpy()
    ratios = (log_p - log_p.amax(dim=-1, keepdim=True)).double().cpu().numpy()

    def one(row: int, length: int) -> TokenSpans | None:
        topology = head.lexicon(ids[row])
        if length < topology.shortest():
            return None
        return spans_of_states(scores[row, :length], ratios[row, :length], topology, len(ids[row]))

    with ThreadPoolExecutor(torch.get_num_threads()) as pool:  # numba releases the GIL
        return list(pool.map(one, range(len(ids)), lengths.tolist()))


def spans_of_states(
    scores: np.ndarray, ratios: np.ndarray, topology: HMMTopology, count: int
) -> TokenSpans:
    """Sum the expected durations of states to boundaries of tokens, between frames.

    Args:
        scores: scaled log-likelihoods (T, V + 1).
        ratios: log-probabilities relative to the most likely symbol of each frame (T, V).
        topology: of the utterance.
        count: N.
    """
    edges = np.concatenate([[0.0], np.cumsum(expected_durations(scores, topology))])
    starts, ends, confidences = np.zeros((3, count))
    for token in range(count):
        own = np.flatnonzero(topology.tokens == token)
        if not len(own):  # punctuation: at the end of the token before it
            starts[token] = ends[token] = ends[token - 1]
            confidences[token] = confidences[token - 1]
            continue
        starts[token], ends[token] = edges[own[0]], edges[own[-1] + 1]
        confidences[token] = goodness_of_pronunciation(
            ratios, topology.symbols[own], edges[own[0] : own[-1] + 2]
        )
    return TokenSpans(starts, ends, confidences)


def goodness_of_pronunciation(ratios: np.ndarray, symbols: np.ndarray, edges: np.ndarray) -> float:
    """Return the geometric mean of the ratios (T, V) of S symbols between S + 1 edges."""
    total = frames = 0.0
    for symbol, start, end in zip(symbols, edges[:-1], edges[1:], strict=True):
        if symbol == WILDCARD:
            continue
        first, last = int(start), max(int(np.ceil(end)), int(start) + 1)
        total += ratios[first:last, symbol].mean() * (end - start)
        frames += end - start
    return float(np.exp(total / frames)) if frames else 0.0
