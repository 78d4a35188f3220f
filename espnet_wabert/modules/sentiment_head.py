"""The head of every sentiment model: pooling, classifier and loss.

Shapes: B utterances, N vectors each (tokens or frames), H their width, C classes.
"""

import torch
from torch import nn

from espnet_wabert.errors import UserError
from espnet_wabert.modules.espnet_bases import force_gatherable
from espnet_wabert.modules.frozen import FrozenInEval
from espnet_wabert.modules.global_batch import weighted_mean
from espnet_wabert.modules.masking import valid_mask

CONFUSION = "confusion_"  # prefix of the cells of the confusion matrix in the statistics
POOLINGS = ("mean", "attention", "statistics")


class Pooling(nn.Module):
    """Pool the vectors within each length to one vector per utterance.

    Args:
        size: H.
        kind: "mean"; "attention", a mean weighted by a learned score (the SLUE toolkit's); or
            "statistics", mean and standard deviation concatenated (the deviation shows the range
            of a voice).
        option: of model_conf that gives `kind`, for errors.
    """

    def __init__(self, size: int, kind: str, option: str = "pooling"):
        super().__init__()
        if kind not in POOLINGS:
            raise UserError(f"model_conf.{option}: {kind!r}: one of {', '.join(POOLINGS)}")
        self.score = nn.Linear(size, 1) if kind == "attention" else None
        self.deviation = kind == "statistics"
        self.size = 2 * size if self.deviation else size

    def forward(self, x: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Pool vectors (B, N, H) into (B, H), or (B, 2H) with the deviation."""
        mask = valid_mask(lengths, x.shape[1])
        scores = x.new_zeros(mask.shape) if self.score is None else self.score(x).squeeze(-1)
        scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
        weights = torch.softmax(scores, dim=1)[..., None]
        mean = (weights * x).sum(dim=1)
        if not self.deviation:
            return mean
        variance = (weights * (x - mean[:, None]) ** 2).sum(dim=1)
        deviation = (variance + 1e-6).sqrt()  # the square root has no finite gradient at 0
        return torch.cat([mean, deviation], dim=-1)


class SentimentHead(FrozenInEval):
    """Mixin with labels, a classifier over `size` numbers per utterance, and the loss.

    Options of all sentiment models:

        labels: the classes, in the order of the scores.
        pooling: see `Pooling`.
        dropout: of the classifier.
        class_weights: None: no weights (the SLUE toolkit); "balanced": each class by the
            inverse of its count in the training labels; or a list of weights.
        focal_gamma: of the focal loss (Lin et al. 2017): each utterance's loss is multiplied by
            (1 - p)^gamma, p the probability of its class; 0 is the cross entropy.
    """

    class_weights: torch.Tensor | None

    def add_head(self, size: int, labels, dropout: float, class_weights, focal_gamma: float):
        """Make the classifier; `class_weights` are numbers or None."""
        self.labels = list(labels)
        self.classifier = nn.Sequential(  # the SLUE toolkit's head
            nn.Dropout(dropout), nn.Linear(size, size), nn.GELU(),
            nn.Dropout(dropout), nn.Linear(size, len(self.labels)),
        )  # fmt: skip
        self.focal_gamma = focal_gamma
        weights = None
        if class_weights is not None:
            if isinstance(class_weights, str) or len(class_weights) != len(self.labels):
                raise UserError(
                    f"model_conf.class_weights: {class_weights!r}: balanced (in training),"
                    f" or one number for each of {', '.join(self.labels)}"
                )
            weights = torch.tensor([float(w) for w in class_weights])
        # Constants of training: not saved in checkpoints.
        self.register_buffer("class_weights", weights, persistent=False)

    def classification_loss(self, scores: torch.Tensor, labels: torch.Tensor):
        """Return the loss, the statistics for the log, and the number of utterances.

        Args:
            scores: (B, C).
            labels: class indices (B, 1).
        """
        labels = labels[:, 0]
        log_p = torch.log_softmax(scores.float(), dim=-1)
        own = log_p.gather(1, labels[:, None])[:, 0]
        weights = torch.ones_like(own)
        if self.class_weights is not None:
            weights = self.class_weights[labels]
        losses = -own if not self.focal_gamma else -own * (1 - own.exp()) ** self.focal_gamma
        loss = (weights * losses).sum() / weights.sum().clamp(min=1e-8)
        loss = weighted_mean(loss, weights.sum(), len(labels))
        # ESPnet averages it over batches. With balanced weights it is the mean recall of the
        # classes, so that a model that always predicts Neutral is not the best one.
        accuracy = (weights * (scores.argmax(-1) == labels)).mean()
        # A copy: with accum_grad, ESPnet's trainer divides the loss in place.
        stats = {"loss": loss.detach().clone(), "acc": accuracy}
        if not self.training:
            stats |= self._confusion(labels, scores.argmax(-1))
        return force_gatherable((loss, stats, len(labels)), loss.device)

    def _confusion(self, labels: torch.Tensor, found: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the cells of the confusion matrix, as fractions of the batch.

        The trainer makes macro F1 of them, which is no mean over batches.
        """
        classes = len(self.labels)
        cells = torch.bincount(labels * classes + found, minlength=classes**2) / len(labels)
        return {f"{CONFUSION}{cell}": value for cell, value in enumerate(cells)}


def balanced_weights(counts: dict[str, int], labels) -> list[float]:
    """Return n / (C n_c) for each class: every class has the same part of the loss.

    A class without training utterances gets 0.
    """
    present = [label for label in labels if counts.get(label)]
    if not present:
        raise UserError("model_conf.class_weights: balanced, but no training label is known")
    total = sum(counts[label] for label in present)
    return [
        round(total / (len(present) * counts[label]), 6) if label in present else 0.0
        for label in labels
    ]
