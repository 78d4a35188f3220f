"""Sentiment of transcripts: the NLP toplines, and the second stage of pipelines (Table 3)."""

import torch

from espnet_wabert.constants import LABELS
from espnet_wabert.models.batch_errors import named_batch
from espnet_wabert.modules.espnet_bases import AbsESPnetModel
from espnet_wabert.modules.sentiment_head import Pooling, SentimentHead
from espnet_wabert.modules.text_encoder import TextEncoder


class TextSentiment(SentimentHead, AbsESPnetModel):
    """Text encoder (fine-tuned) and the sentiment head of the other systems.

    Args:
        frontend: the text encoder.
        labels, pooling, dropout, class_weights, focal_gamma: see `SentimentHead`.
    """

    def __init__(
        self,
        frontend: TextEncoder,
        labels: tuple[str, ...] = LABELS,
        pooling: str = "attention",
        dropout: float = 0.2,
        class_weights: str | list[float] | None = None,
        focal_gamma: float = 0.0,
    ):
        super().__init__()
        self.frontend = frontend
        self.pooling = Pooling(frontend.output_size(), pooling)
        self.add_head(self.pooling.size, labels, dropout, class_weights, focal_gamma)

    def classify(self, text, text_lengths) -> torch.Tensor:
        """Return the class scores (B, classes) of token ids (B, N)."""
        return self.classifier(self.pooling(*self.frontend(text, text_lengths)))

    @named_batch
    def forward(self, text, text_lengths, sentiment, **kwargs):
        """Return the loss, the accuracy for the log, and the number of utterances.

        Args:
            text: ids of the text encoder's own tokenizer (B, N).
            text_lengths: (B,).
            sentiment: class indices (B, 1).
        """
        return self.classification_loss(self.classify(text, text_lengths), sentiment)

    def collect_feats(self, text, text_lengths, **kwargs) -> dict[str, torch.Tensor]:
        """Return nothing: ids have no statistics."""
        return {}
