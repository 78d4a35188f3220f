"""Sentiment: WaBERT with a classifier on top, or the speech encoder alone with the same one.

Shapes: B utterances, S samples, T frames, D frontend width, N tokens, H width below the head.
"""

import torch
from torch import nn

from espnet_wabert.models.wabert import SpeechPath
from espnet_wabert.modules.cif_aligner import CIFAligner
from espnet_wabert.modules.frontend import HuggingFaceFrontend
from espnet_wabert.modules.postencoder import BertTeacher, TruncatedBert
from espnet_wabert.modules.prosody_branch import ProsodyBranch
from espnet_wabert.modules.sentiment_head import LABELS, Pooling, SentimentHead
from espnet_wabert.modules.token_decoder import TokenDecoder


class LayerMix(nn.Module):
    """A learned average of a speech encoder's layers, each normalized first (as SUPERB does).

    How a voice sounds is in the lower layers, what it says in the upper ones.
    """

    def __init__(self, layers: int):
        super().__init__()
        self.scores = nn.Parameter(torch.zeros(layers))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Mix layers side by side (B, T, K D) into (B, T, D)."""
        x = x.unflatten(-1, (len(self.scores), -1))
        x = nn.functional.layer_norm(x, x.shape[-1:])
        return (torch.softmax(self.scores, dim=0)[:, None] * x).sum(dim=2)


class WaBERTSentiment(SentimentHead, SpeechPath):
    """WaBERT, or its speech encoder alone, with a sentiment head (paper, section 4.2).

    A frontend that gives all layers (frontend_conf.all_layers) has them mixed for the voice path
    and for a head without aligner; the aligner always gets the top layer, which it was trained on.
    Where it gives the convolutions (frontend_conf.convolutions) the voice path takes those alone:
    pitch and loudness are in them, and layers above that know the words are learned by heart.

    Args:
        frontend: the speech encoder.
        encoder, postencoder: the aligner and BERT's upper layers; None for data2vec alone.
        teacher: BERT's dropped layers, for text_weight and self_transcript_weight; None without.
        token_decoder: decodes text from the aligner's tokens, for self_transcript_weight; or None.
        labels, pooling, dropout, class_weights, focal_gamma: see `SentimentHead`.
        prosody_pooling: pooling of a path past the aligner; None (the paper's) is without one.
        prosody_size: numbers an utterance that the voice path adds to BERT's pooled vector.
        prosody_dropout: of what the voice path pools.
        text_weight: of the same loss where BERT's own states of the transcript stand in the place
            of the aligner's tokens. What the head learns of language is then free of the
            aligner's errors, and there is twice as much to learn from. For training only; above 0
            it wants transcripts.
        self_transcript_weight: weight, 0 to 1, of a second classification: of BERT's own states of
            the text that the token_decoder decodes. A wrong word there is still a word, which
            BERT's upper layers handle better than a vector between two words. Requires
            text_weight, which teaches the head such states. Does not change the training.
    """

    def __init__(
        self,
        frontend: HuggingFaceFrontend,
        encoder: CIFAligner | None,
        postencoder: TruncatedBert | None,
        teacher: BertTeacher | None,
        token_decoder: TokenDecoder | None,
        labels: tuple[str, ...] = LABELS,
        pooling: str = "attention",
        dropout: float = 0.2,
        class_weights: str | list[float] | None = None,
        focal_gamma: float = 0.0,
        prosody_pooling: str | None = None,
        prosody_size: int = 128,
        prosody_dropout: float = 0.5,
        text_weight: float = 0.0,
        self_transcript_weight: float = 0.0,
    ):
        super().__init__(frontend)
        self.encoder = encoder
        self.postencoder = postencoder
        self.teacher = teacher
        self.token_decoder = token_decoder
        self.text_weight = text_weight
        self.self_transcript_weight = self_transcript_weight
        width = frontend.output_size()
        self.pooling = Pooling(width if encoder is None else postencoder.output_size(), pooling)
        to_prosody = prosody_pooling is not None and not frontend.conv_size
        mixed = frontend.layers > 1 and (encoder is None or to_prosody)
        self.mix = LayerMix(frontend.layers) if mixed else None
        self.prosody_branch = None
        if prosody_pooling:
            heard = frontend.conv_size or width
            self.prosody_branch = ProsodyBranch(
                heard, prosody_pooling, prosody_size, prosody_dropout
            )
        size = self.pooling.size + (prosody_size if prosody_pooling else 0)
        self.add_head(size, labels, dropout, class_weights, focal_gamma)

    def encode(self, speech, speech_lengths):
        """Return the aligner's tokens (B, N, H), or frames (B, T, D) without one; their lengths;
        and the voice path's numbers (B, V), None without.
        """
        features, lengths = self.features(speech, speech_lengths)
        top = self.frontend.top(features)
        frames = top if self.mix is None else self.mix(self.frontend.all_layers(features))
        heard, heard_lengths = frames, lengths
        if self.encoder is not None:
            heard, heard_lengths, _ = self.encoder(top, lengths)
            if heard.shape[1] == 0:  # silence: BERT wants something to attend to
                heard = nn.functional.pad(heard, (0, 0, 0, 1))
        if self.prosody_branch is None:
            return heard, heard_lengths, None
        if self.frontend.conv_size:
            frames = self.frontend.conv_features(features)
        return heard, heard_lengths, self.prosody_branch(frames, lengths, heard_lengths)

    def classify_states(self, heard, lengths, voice) -> torch.Tensor:
        """Return the class scores (B, classes) of what `encode` returns, or of BERT's own states in
        the place of the aligner's tokens.
        """
        if self.postencoder is not None:
            heard, lengths = self.postencoder(heard, lengths)
        pooled = self.pooling(heard, lengths)
        return self.classifier(pooled if voice is None else torch.cat([pooled, voice], dim=-1))

    def fuse(self, scores, heard, lengths, voice) -> torch.Tensor:
        """Return the class scores (B, classes), fused with those of the decoded text.

        Their probabilities are averaged: the two err in different utterances. BERT's positions
        limit what is read to the beginning of a recording of some minutes.
        """
        if self.token_decoder is None:
            return scores
        text = self.token_decoder(heard, lengths)[:, : self.teacher.positions]
        lengths = lengths.clamp(max=text.shape[1])
        read = self.classify_states(self.teacher(text, lengths), lengths, voice)
        both = torch.stack([scores.log_softmax(-1), read.log_softmax(-1)], dim=-1)
        shares = both.new_tensor([1.0 - self.self_transcript_weight, self.self_transcript_weight])
        return (both + shares.log()).logsumexp(-1)

    def classify(self, speech, speech_lengths, text=None, text_lengths=None) -> torch.Tensor:
        """Return the class scores (B, classes).

        With text, BERT's own states of it (B, N) stand in the place of the aligner's tokens: what
        is lost without is the aligner's part in the errors.
        """
        heard, lengths, voice = self.encode(speech, speech_lengths)
        if text is not None:
            return self.classify_states(self.teacher(text, text_lengths), text_lengths, voice)
        return self.fuse(self.classify_states(heard, lengths, voice), heard, lengths, voice)

    def forward(self, speech, speech_lengths, sentiment, text=None, text_lengths=None, **kwargs):
        """Return the loss, the accuracy for the log, and the number of utterances.

        Args:
            speech: (B, S) samples, or cached frames (B, T, K D).
            speech_lengths: (B,).
            sentiment: class indices (B, 1).
            text: with text_weight, BERT's ids of the transcript with [CLS] and [SEP] (B, N).
            text_lengths: (B,).
        """
        heard, lengths, voice = self.encode(speech, speech_lengths)
        scores = self.classify_states(heard, lengths, voice)
        if not self.training:  # checkpoints are chosen by what they will say
            scores = self.fuse(scores, heard, lengths, voice)
        loss, stats, count = self.classification_loss(scores, sentiment)
        if self.text_weight:
            states = self.teacher(text[:, : int(text_lengths.max())], text_lengths)
            scores = self.classify_states(states, text_lengths, voice)
            text_loss, *_ = self.classification_loss(scores, sentiment)
            loss = loss + self.text_weight * text_loss
            stats["loss"] = loss.detach()
        return loss, stats, count
