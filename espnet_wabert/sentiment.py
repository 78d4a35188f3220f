"""Sentiment: WaBERT with a classifier on top, or the speech encoder alone with the same one.

Shapes: B utterances, S samples, T frames, D frontend width, N tokens, H width below the head.
"""

import torch
from torch import nn

from espnet_wabert.encoder import CIFAligner
from espnet_wabert.frontend import HuggingFaceFrontend
from espnet_wabert.model import SpeechPath
from espnet_wabert.postencoder import BertTeacher, TruncatedBert
from espnet_wabert.reader import Reader
from espnet_wabert.sentiment_head import LABELS, Pooling, SentimentHead
from espnet_wabert.voice_path import VoicePath


class LayerMix(nn.Module):
    """A learned average of a speech encoder's layers, each normalised first (as SUPERB does).

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
        teacher: BERT's dropped layers, for text_weight and reading_weight; None without.
        reader: what makes text of the aligner's tokens, for reading_weight; None without.
        labels, pooling, dropout, class_weights, focal_gamma: see `SentimentHead`.
        voice_path: pooling of a path past the aligner; None (the paper's) is without one.
        voice_size: numbers an utterance that the voice path adds to BERT's pooled vector.
        voice_dropout: of what the voice path pools.
        text_weight: of the same loss where BERT's own states of the transcript stand in the place
            of the aligner's tokens. What the head learns of language is then free of the
            aligner's errors, and there is twice as much to learn from. For training only; above 0
            it wants transcripts.
        reading_weight: share, 0 to 1, of a second judgement in the result: of BERT's own states of
            what the reader makes of the tokens. A wrong word there is still a word, which
            BERT's upper layers know better what to do with than with a vector between two. Wants
            text_weight, which teaches the head such states. Training is the same without it.
    """

    def __init__(
        self,
        frontend: HuggingFaceFrontend,
        encoder: CIFAligner | None,
        postencoder: TruncatedBert | None,
        teacher: BertTeacher | None,
        reader: Reader | None,
        labels: tuple[str, ...] = LABELS,
        pooling: str = "attention",
        dropout: float = 0.2,
        class_weights: str | list[float] | None = None,
        focal_gamma: float = 0.0,
        voice_path: str | None = None,
        voice_size: int = 128,
        voice_dropout: float = 0.5,
        text_weight: float = 0.0,
        reading_weight: float = 0.0,
    ):
        super().__init__(frontend)
        self.encoder = encoder
        self.postencoder = postencoder
        self.teacher = teacher
        self.reader = reader
        self.text_weight = text_weight
        self.reading_weight = reading_weight
        width = frontend.output_size()
        self.pooling = Pooling(width if encoder is None else postencoder.output_size(), pooling)
        to_voice = voice_path is not None and not frontend.convolved_size
        mixed = frontend.layers > 1 and (encoder is None or to_voice)
        self.mix = LayerMix(frontend.layers) if mixed else None
        self.voice_path = None
        if voice_path:
            heard = frontend.convolved_size or width
            self.voice_path = VoicePath(heard, voice_path, voice_size, voice_dropout)
        size = self.pooling.size + (voice_size if voice_path else 0)
        self.add_head(size, labels, dropout, class_weights, focal_gamma)

    def hear(self, speech, speech_lengths):
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
        if self.voice_path is None:
            return heard, heard_lengths, None
        if self.frontend.convolved_size:
            frames = self.frontend.convolved(features)
        return heard, heard_lengths, self.voice_path(frames, lengths, heard_lengths)

    def judge(self, heard, lengths, voice) -> torch.Tensor:
        """Return the class scores (B, classes) of what `hear` returns, or of BERT's own states in
        the place of the aligner's tokens.
        """
        if self.postencoder is not None:
            heard, lengths = self.postencoder(heard, lengths)
        pooled = self.pooling(heard, lengths)
        return self.classifier(pooled if voice is None else torch.cat([pooled, voice], dim=-1))

    def add_reading(self, scores, heard, lengths, voice) -> torch.Tensor:
        """Return the class scores (B, classes), of what `hear` returns, with those of its reading.

        Their probabilities are averaged: the two err in different utterances. BERT's positions
        limit what is read to the beginning of a recording of some minutes.
        """
        if self.reader is None:
            return scores
        text = self.reader(heard, lengths)[:, : self.teacher.positions]
        lengths = lengths.clamp(max=text.shape[1])
        read = self.judge(self.teacher(text, lengths), lengths, voice)
        both = torch.stack([scores.log_softmax(-1), read.log_softmax(-1)], dim=-1)
        shares = both.new_tensor([1.0 - self.reading_weight, self.reading_weight])
        return (both + shares.log()).logsumexp(-1)

    def classify(self, speech, speech_lengths, text=None, text_lengths=None) -> torch.Tensor:
        """Return the class scores (B, classes).

        With text, BERT's own states of it (B, N) stand in the place of the aligner's tokens: what
        is lost without is the aligner's part in the errors.
        """
        heard, lengths, voice = self.hear(speech, speech_lengths)
        if text is not None:
            return self.judge(self.teacher(text, text_lengths), text_lengths, voice)
        return self.add_reading(self.judge(heard, lengths, voice), heard, lengths, voice)

    def forward(self, speech, speech_lengths, sentiment, text=None, text_lengths=None, **kwargs):
        """Return the loss, the accuracy for the log, and the number of utterances.

        Args:
            speech: (B, S) samples, or cached frames (B, T, K D).
            speech_lengths: (B,).
            sentiment: class indices (B, 1).
            text: with text_weight, BERT's ids of the transcript with [CLS] and [SEP] (B, N).
            text_lengths: (B,).
        """
        heard, lengths, voice = self.hear(speech, speech_lengths)
        scores = self.judge(heard, lengths, voice)
        if not self.training:  # checkpoints are chosen by what they will say
            scores = self.add_reading(scores, heard, lengths, voice)
        loss, stats, count = self.classification_loss(scores, sentiment)
        if self.text_weight:
            states = self.teacher(text[:, : int(text_lengths.max())], text_lengths)
            scores = self.judge(states, text_lengths, voice)
            text_loss, *_ = self.classification_loss(scores, sentiment)
            loss = loss + self.text_weight * text_loss
            stats["loss"] = loss.detach()
        return loss, stats, count
