"""WaBERT: data2vec > CIF aligner > BERT layers i+1..L, as in figure 1 of the paper.

    waveform (B, S)                                 transcript (B, N)
        | frontend: data2vec                            | teacher: BERT layers 1..i, frozen
    frames (B, T, D)                                    |
        | encoder: CIF aligner                          |
    aligned tokens (B, N, H)  <-- L_InfoNCE -->     targets (B, N, H)
        | postencoder: BERT layers i+1..L, frozen
    hidden states (B, N, H)
        | subword head                  --> L_subword (here), or
        | sentiment head                --> cross entropy (fine-tuning, sentiment.py)

For word boundaries, and not in the paper: an acoustic model of graphemes on data2vec's convolutions
(grapheme_head.py). It changes no other part and no other figure: its input is detached, it has a
gradient clipping of its own (training/clipping.py) and random numbers of its own, and its loss is
not part of the `loss` that chooses checkpoints.

Shapes: B utterances, S samples, T frames, D frontend width, N tokens, H BERT's width.
"""

from typing import NamedTuple

import torch

from espnet_wabert.cif import CIFOutput
from espnet_wabert.errors import UserError
from espnet_wabert.models.batch_errors import named_batch
from espnet_wabert.modules.cif_aligner import CIFAligner
from espnet_wabert.modules.ctc_head import CTCHead
from espnet_wabert.modules.espnet_bases import AbsESPnetModel, force_gatherable
from espnet_wabert.modules.frontend import HuggingFaceFrontend
from espnet_wabert.modules.frozen import FrozenInEval
from espnet_wabert.modules.grapheme_head import GraphemeHead, own_random_numbers
from espnet_wabert.modules.losses import (
    boundary_loss,
    quantity_loss,
    similarity_loss,
    subword_loss,
)
from espnet_wabert.modules.postencoder import BertTeacher, SubwordHead, TruncatedBert


class Grafted(NamedTuple):
    """Result of the path from speech to BERT's last layer."""

    adapted: torch.Tensor  # (B, T, D), the frames that integrate-and-fire sums
    aligned: torch.Tensor  # (B, N, H), input of BERT instead of its layer-i states
    hidden: torch.Tensor  # (B, N, H), BERT's output
    lengths: torch.Tensor  # (B,), in tokens
    fired: CIFOutput  # boundaries of each token


class SpeechPath(FrozenInEval, AbsESPnetModel):
    """Base of the speech models: the frontend, with waveforms or its cached features as input."""

    def __init__(self, frontend: HuggingFaceFrontend):
        super().__init__()
        self.frontend = frontend

    def features(self, speech: torch.Tensor, lengths: torch.Tensor):
        """Return the frontend's features (B, T, W) of waveforms (B, S), and their lengths.

        W is D, the width of the last layer, plus what frontend_conf adds (all layers,
        convolutions). Features that were cached from this frontend are returned as they are.

        Raises:
            UserError: cached features have another width than this frontend's.
        """
        if speech.dim() == 3:
            width = self.frontend.feature_size()
            if speech.shape[-1] != width:
                raise UserError(
                    f"cached features have width {speech.shape[-1]}, this frontend's have"
                    f" {width}: extract them again with this frontend"
                )
            return speech[:, : int(lengths.max())], lengths
        return self.frontend(speech[:, : int(lengths.max())], lengths)

    def collect_feats(self, speech, speech_lengths, **kwargs) -> dict[str, torch.Tensor]:
        """Return the frontend's features, for ESPnet's statistics stage."""
        feats, lengths = self.features(speech, speech_lengths)
        return {"feats": feats, "feats_lengths": lengths}


class WaBERT(SpeechPath):
    """Speech aligned with BERT (paper, sections 3.1 and 3.2).

    Args:
        frontend, encoder, postencoder: the three parts of the path.
        teacher: BERT's dropped layers; None in a packed model, which cannot be trained.
        subword_head: BERT's masked-LM head; None: no L_subword.
        grapheme_head: acoustic model of graphemes on the frontend's convolutions, or None.
        ctc_head: classifier of letters on the adapted frames, which reads by spelling, or None.
        align_loss: "infonce" (equations 3, 4); "cosine" (equations 1, 2), the baseline, as a mean
            over tokens; or "cosine_sum", with equation 2's sum over an utterance's tokens.
        temperature, negatives: of InfoNCE.
        align_weight, quantity_weight, subword_weight: of the terms of L_total. Equation 6 has
            weight 1 for each; 0 switches a loss off (Table 1 has subword_weight 0).
        subword_tokens: number of random tokens per batch for L_subword, which is the most
            expensive loss because of the vocabulary; None: all.
        boundary_weight: of `boundary_loss`, which puts CIF's cumulative weight at the edges of
            words whose times are known; 0: the paper's model.
        grapheme_weight: of the grapheme head's loss; 0 (the paper's model): no such head.
            Above 0 it needs frontend_conf.convolutions.
        grapheme_input: frames that the grapheme head gets: "convolutions"; or "both", which adds
            the last layer. Its frames tell which word is spoken, but not exactly when, so that
            "both" needs word times (grapheme_tolerance).
        grapheme_prior_scale: see `GraphemeHead`.
        grapheme_tolerance: seconds by which a word's graphemes may leave its known time in
            training; None: word times are not used.
        ctc_weight: of the CTC head's loss; 0 (the paper's model): no such head.
    """

    def __init__(
        self,
        frontend: HuggingFaceFrontend,
        encoder: CIFAligner,
        postencoder: TruncatedBert,
        teacher: BertTeacher | None,
        subword_head: SubwordHead | None,
        grapheme_head: GraphemeHead | None,
        ctc_head: CTCHead | None,
        align_loss: str = "infonce",
        temperature: float = 0.07,
        negatives: str = "utterance",
        align_weight: float = 1.0,
        quantity_weight: float = 1.0,
        subword_weight: float = 1.0,
        subword_tokens: int | None = None,
        boundary_weight: float = 0.0,
        grapheme_weight: float = 0.0,
        grapheme_input: str = "convolutions",
        grapheme_prior_scale: float = 0.8,
        grapheme_tolerance: float | None = None,
        ctc_weight: float = 0.0,
    ):
        super().__init__(frontend)
        self.encoder = encoder
        self.postencoder = postencoder
        self.teacher = teacher
        self.subword_head = subword_head
        self.grapheme_head = grapheme_head
        self.ctc_head = ctc_head
        self.align_name = align_loss
        self.align_loss = similarity_loss(align_loss, temperature, negatives)
        self.align_weight = align_weight
        self.quantity_weight = quantity_weight
        self.subword_weight = subword_weight
        self.subword_tokens = subword_tokens
        self.boundary_weight = boundary_weight
        self.grapheme_weight = grapheme_weight
        self.grapheme_input = grapheme_input
        self.grapheme_tolerance = grapheme_tolerance
        self.ctc_weight = ctc_weight

    def graft(self, features, lengths, target_lengths=None) -> Grafted:
        """Go from the frontend's features to BERT's last layer (paper, section 3.2).

        Args:
            features: (B, T, W), as `features` returns them.
            lengths: (B,) in frames.
            target_lengths: (B,) tokens of the transcripts; None: predict them.
        """
        return self.graft_adapted(self.adapt(features, lengths), lengths, target_lengths)

    def adapt(self, features, lengths) -> torch.Tensor:
        """Return the adapted frames (B, T, D) of the frontend's features (B, T, W)."""
        return self.encoder.adapt(self.frontend.last_layer(features), lengths)

    def graft_adapted(self, adapted, lengths, target_lengths=None) -> Grafted:
        """Go on from adapted frames (B, T, D); the other arguments are those of `graft`."""
        fired = self.encoder.fire(adapted, lengths, target_lengths)
        aligned = self.encoder.project(fired.tokens)
        hidden, _ = self.postencoder(aligned, fired.token_lengths)
        return Grafted(adapted, aligned, hidden, fired.token_lengths, fired)

    @named_batch
    def forward(self, speech, speech_lengths, text, text_lengths, token_times=None, **kwargs):
        """Return the loss to minimize, the terms for the log, and the number of utterances.

        The loss is L_total (equation 6), plus the boundary loss and the CTC loss where their
        weights are not 0, plus that of the grapheme head. `loss` in the log, which chooses
        checkpoints, is without that of the grapheme head.

        Args:
            speech: (B, S) samples, or cached features (B, T, W).
            speech_lengths: (B,) in samples, or in frames.
            text: BERT's ids of the transcript with [CLS] and [SEP] (B, N).
            text_lengths: (B,).
            token_times: start and end of each token's word in seconds (B, N, 2), for
                `boundary_loss` and the grapheme head; infinite where they are not known.
        """
        text = text[:, : int(text_lengths.max())]
        assert self.teacher is not None, "a packed model cannot be trained"
        targets = self.teacher(text, text_lengths)
        features, lengths = self.features(speech, speech_lengths)
        grafted = self.graft(features, lengths, text_lengths)
        align = self.align_loss(grafted.aligned, targets, text_lengths, text)
        quantity = quantity_loss(grafted.fired.quantity, text_lengths)
        loss = self.align_weight * align + self.quantity_weight * quantity
        stats = {self.align_name: align.detach(), "quantity": quantity.detach()}
        if self.boundary_weight and token_times is not None:
            edges = self._token_edges(token_times, 0.0)
            boundary = boundary_loss(grafted.fired.weights, edges, text_lengths)
            loss = loss + self.boundary_weight * boundary
            stats["boundary"] = boundary.detach()
        if self.subword_weight:
            assert self.subword_head is not None
            subword = subword_loss(
                self.subword_head, grafted.hidden, text, text_lengths, self.subword_tokens
            )
            loss = loss + self.subword_weight * subword
            stats["subword"] = subword.detach()
        if self.ctc_head is not None:
            ctc = self.ctc_head.loss(grafted.adapted, lengths, text, text_lengths)
            loss = loss + self.ctc_weight * ctc
            stats["ctc"] = ctc.detach()
        # A copy: with accum_grad, ESPnet's trainer divides the loss in place.
        stats["loss"] = loss.detach().clone()
        if self.grapheme_head is not None:
            frames = self.grapheme_frames(features)
            edges = self._token_edges(token_times, self.grapheme_tolerance)
            with own_random_numbers(frames.device):
                graphemes = self.grapheme_head.loss(frames, lengths, text, text_lengths, edges)
            loss = loss + self.grapheme_weight * graphemes
            stats["graphemes"] = graphemes.detach()
        return force_gatherable((loss, stats, len(text)), loss.device)

    def grapheme_frames(self, features):
        """Return the input (B, T, L) of the grapheme head, of features (B, T, W)."""
        frames = self.frontend.conv_features(features)
        if self.grapheme_input == "both":
            frames = torch.cat([frames, self.frontend.last_layer(features)], dim=-1)
        return frames

    def _token_edges(self, times, tolerance: float | None):
        """Return token times (B, N, 2) as edges between frames, wider by the tolerance."""
        if times is None or tolerance is None:
            return None
        slack = times.new_tensor([-tolerance, tolerance])
        return (times + slack - self.frontend.encoder.seconds(0.0)) / self.frontend.hop
