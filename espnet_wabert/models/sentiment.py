"""Sentiment: WaBERT, or its speech encoder alone, with a classifier.

Shapes: B utterances, S samples, T frames, D frontend width, N tokens, H width below the head.
"""

from typing import NamedTuple

import torch
from torch import nn

from espnet_wabert.constants import LABELS
from espnet_wabert.models.batch_errors import named_batch
from espnet_wabert.models.wabert import SpeechPath
from espnet_wabert.modules.cif_aligner import CIFAligner
from espnet_wabert.modules.espnet_bases import force_gatherable
from espnet_wabert.modules.frontend import HuggingFaceFrontend
from espnet_wabert.modules.losses import quantity_loss
from espnet_wabert.modules.postencoder import BertTeacher, TruncatedBert
from espnet_wabert.modules.prosody_branch import ProsodyBranch
from espnet_wabert.modules.sentiment_head import Pooling, SentimentHead
from espnet_wabert.modules.token_decoder import LetterDecoder, Spoken, SubwordDecoder


class Encoded(NamedTuple):
    """A batch of encoded speech, the input of the classifier."""

    tokens: torch.Tensor  # (B, N, H) of the aligner, or frames (B, T, D) without one
    lengths: torch.Tensor  # (B,) of the tokens or frames
    prosody: torch.Tensor | None  # (B, V) of the prosody branch
    quantity: torch.Tensor | None  # (B,) sums of CIF's weights: predicted numbers of tokens
    spoken: Spoken | None  # for the token decoder


class LayerMix(nn.Module):
    """Learned weighted average of a speech encoder's normalized layers, as in SUPERB.

    Lower layers have more of the voice, upper layers more of the words.
    """

    def __init__(self, layers: int):
        super().__init__()
        self.scores = nn.Parameter(torch.zeros(layers))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Average concatenated layers (B, T, K D) to (B, T, D)."""
        x = x.unflatten(-1, (len(self.scores), -1))
        x = nn.functional.layer_norm(x, x.shape[-1:])
        return (torch.softmax(self.scores, dim=0)[:, None] * x).sum(dim=2)


class WaBERTSentiment(SentimentHead, SpeechPath):
    """WaBERT, or its speech encoder alone, with a sentiment head (paper, section 4.2).

    With frontend_conf.all_layers, the layers are mixed for the prosody branch and for a head
    without aligner; the aligner always gets the last layer, on which it was trained. With
    frontend_conf.convolutions, the prosody branch gets the convolutions only: they have pitch and
    loudness, and upper layers, which know the words, overfit.

    Args:
        frontend: the speech encoder.
        encoder, postencoder: the aligner and BERT's upper layers; None: data2vec alone.
        teacher: BERT's dropped layers, for text_weight and self_transcript_weight; or None.
        token_decoder: reads what was said, for self_transcript_weight; or None.
        labels, pooling, dropout, class_weights, focal_gamma: see `SentimentHead`.
        prosody_pooling: pooling of the prosody branch; None (the paper): no such branch.
        prosody_size: width that the prosody branch adds to BERT's pooled vector.
        prosody_dropout: dropout after its pooling.
        frozen_steps: number of first updates in which the speech encoder is not trained (the SLUE
            toolkit: 2000).
        quantity_weight: weight of L_quantity (equation 5) on the transcripts. It keeps the number
            of tokens while the speech encoder is trained; above 0 it needs transcripts.
        text_weight: weight of the same loss on BERT's states of the transcript instead of the
            aligner's tokens, so that the head also learns from text without alignment errors. For
            training only; above 0 it needs transcripts.
        self_transcript_weight: weight, 0 to 1, of a second classification: of BERT's own states of
            the text that the token_decoder reads. A wrong word there is still a word, which
            BERT's upper layers handle better than a vector between two words. Requires
            text_weight, which teaches the head such states. Does not change the training.
        self_transcript: what the token_decoder reads: "subwords", the most likely piece of each of
            the aligner's tokens; or "letters", by the CTC head of the aligned model and, if there
            is one beside it, its n-gram of words.
    """

    updates: torch.Tensor | None  # number of training batches so far
    accum_grad: int  # batches of one update of the weights; set by the task

    def __init__(
        self,
        frontend: HuggingFaceFrontend,
        encoder: CIFAligner | None,
        postencoder: TruncatedBert | None,
        teacher: BertTeacher | None,
        token_decoder: SubwordDecoder | LetterDecoder | None,
        labels: tuple[str, ...] = LABELS,
        pooling: str = "attention",
        dropout: float = 0.2,
        class_weights: str | list[float] | None = None,
        focal_gamma: float = 0.0,
        prosody_pooling: str | None = None,
        prosody_size: int = 128,
        prosody_dropout: float = 0.5,
        frozen_steps: int = 0,
        quantity_weight: float = 0.0,
        text_weight: float = 0.0,
        self_transcript_weight: float = 0.0,
        self_transcript: str = "subwords",
    ):
        super().__init__(frontend)
        self.encoder = encoder
        self.postencoder = postencoder
        self.teacher = teacher
        self.token_decoder = token_decoder
        self.frozen_steps, self.accum_grad = frozen_steps, 1
        # In checkpoints, so that resumed training goes on counting.
        self.register_buffer("updates", torch.tensor(0) if frozen_steps else None)
        self.quantity_weight = quantity_weight
        self.text_weight = text_weight
        self.self_transcript_weight = self_transcript_weight
        width = frontend.output_size()
        self.pooling = Pooling(width if postencoder is None else postencoder.output_size(), pooling)
        to_prosody = prosody_pooling is not None and not frontend.conv_size
        mixed = frontend.layers > 1 and (encoder is None or to_prosody)
        self.mix = LayerMix(frontend.layers) if mixed else None
        self.prosody_branch = None
        if prosody_pooling is not None:
            frame_size = frontend.conv_size or width
            self.prosody_branch = ProsodyBranch(
                frame_size, prosody_pooling, prosody_size, prosody_dropout
            )
        size = self.pooling.size + (0 if prosody_pooling is None else prosody_size)
        self.add_head(size, labels, dropout, class_weights, focal_gamma)

    def features(self, speech: torch.Tensor, lengths: torch.Tensor):
        """Return the frontend's features, without gradient in the first `frozen_steps` updates."""
        features, lengths = super().features(speech, lengths)
        if self.training and self.updates is not None:
            if self.updates < self.frozen_steps * self.accum_grad:
                # A gradient of zero instead of none: DDP waits for one of every parameter.
                features = features.detach() + 0.0 * features
            self.updates += 1
        return features, lengths

    def encode(self, speech, speech_lengths) -> Encoded:
        """Encode speech, as for `forward`."""
        features, lengths = self.features(speech, speech_lengths)
        last = self.frontend.last_layer(features)
        frames = last if self.mix is None else self.mix(self.frontend.all_layers(features))
        tokens, token_lengths, quantity, spoken = frames, lengths, None, None
        if self.encoder is not None:
            adapted = self.encoder.adapt(last, lengths)
            fired = self.encoder.fire(adapted, lengths)
            tokens, token_lengths = fired.tokens, fired.token_lengths
            quantity = fired.quantity
            if tokens.shape[1] == 0:  # silence: attention needs at least one token
                tokens = nn.functional.pad(tokens, (0, 0, 0, 1))
            tokens = self.encoder.project(tokens)
            spoken = Spoken(adapted, lengths, tokens, token_lengths)
        prosody = None
        if self.prosody_branch is not None:
            if self.frontend.conv_size:
                frames = self.frontend.conv_features(features)
            prosody = self.prosody_branch(frames, lengths, token_lengths)
        return Encoded(tokens, token_lengths, prosody, quantity, spoken)

    def classify_states(self, tokens, lengths, prosody) -> torch.Tensor:
        """Return the class scores (B, classes) of the result of `encode`.

        BERT's states of a transcript can replace the aligner's tokens.
        """
        if self.postencoder is not None:
            tokens, lengths = self.postencoder(tokens, lengths)
        pooled = self.pooling(tokens, lengths)
        return self.classifier(pooled if prosody is None else torch.cat([pooled, prosody], dim=-1))

    def fuse(self, scores, spoken: Spoken | None, prosody) -> torch.Tensor:
        """Return the class scores (B, classes), fused with those of the text that is read."""
        if self.token_decoder is None or self.teacher is None or spoken is None:
            return scores
        text, lengths = self.token_decoder(spoken)
        return self.fuse_text(scores, text, lengths, prosody)

    def fuse_text(self, scores, text, lengths, prosody) -> torch.Tensor:
        """Return the class scores (B, classes), fused with those of ids of a text (B, N).

        Late fusion: the probabilities are averaged.
        """
        assert self.teacher is not None
        of_text = self.classify_states(self.teacher(text, lengths), lengths, prosody)
        both = torch.stack([scores.log_softmax(-1), of_text.log_softmax(-1)], dim=-1)
        weights = both.new_tensor([1.0 - self.self_transcript_weight, self.self_transcript_weight])
        return (both + weights.log()).logsumexp(-1)

    def classify(self, speech, speech_lengths, text=None, text_lengths=None) -> torch.Tensor:
        """Return the class scores (B, classes).

        With text (B, N), BERT's states of it replace the aligner's tokens, which shows the cost of
        the aligner's errors.
        """
        tokens, lengths, prosody, _, spoken = self.encode(speech, speech_lengths)
        if text is not None and self.teacher is not None:
            return self.classify_states(self.teacher(text, text_lengths), text_lengths, prosody)
        return self.fuse(self.classify_states(tokens, lengths, prosody), spoken, prosody)

    @named_batch
    def forward(self, speech, speech_lengths, sentiment, text=None, text_lengths=None, **kwargs):
        """Return the loss, the accuracy for the log, and the number of utterances.

        Args:
            speech: (B, S) samples, or cached features (B, T, W).
            speech_lengths: (B,).
            sentiment: class indices (B, 1).
            text: BERT's ids of the transcript with [CLS] and [SEP] (B, N), for text_weight and
                quantity_weight.
            text_lengths: (B,).
        """
        tokens, lengths, prosody, quantity, spoken = self.encode(speech, speech_lengths)
        scores = self.classify_states(tokens, lengths, prosody)
        if not self.training:  # checkpoints are chosen by the fused scores
            scores = self.fuse(scores, spoken, prosody)
        loss, stats, count = self.classification_loss(scores, sentiment)
        if self.text_weight and self.teacher is not None:
            states = self.teacher(text[:, : int(text_lengths.max())], text_lengths)
            scores = self.classify_states(states, text_lengths, prosody)
            text_loss, *_ = self.classification_loss(scores, sentiment)
            loss = loss + self.text_weight * text_loss
        if quantity is not None:  # training may change the number of tokens
            stats["tokens"] = quantity.detach().mean()
            if self.quantity_weight:
                loss = loss + self.quantity_weight * quantity_loss(quantity, text_lengths)
        # A copy: with accum_grad, ESPnet's trainer divides the loss in place.
        stats["loss"] = loss.detach().clone()
        return force_gatherable((loss, stats, count), loss.device)
