"""ESPnet's Trainer, with macro F1 in validation and with gradient clipping by the optimizer."""

import math

import numpy as np
from espnet2.train.trainer import Trainer

from espnet_wabert.modules.sentiment_head import CONFUSION
from espnet_wabert.scoring.sentiment import confusion_scores


class WaBERTTrainer(Trainer):
    """ESPnet's Trainer for the models of this package."""

    @classmethod
    def build_options(cls, args):
        """Return the trainer's options, without its clipping if `clip_separately` does it."""
        options = super().build_options(args)
        if getattr(args, "clipped_by_optimizer", False):
            options.grad_clip = math.inf
        return options

    @classmethod
    def validate_one_epoch(cls, model, iterator, reporter, options, distributed_option):
        """Validate, and report `macro_f1` for sentiment models."""
        super().validate_one_epoch(model, iterator, reporter, options, distributed_option)
        cells = {key: reporter.stats.pop(key) for key in list(reporter.stats) if CONFUSION in key}
        if cells:
            counts = [sum(v.value * v.weight for v in values) for values in cells.values()]
            classes = math.isqrt(len(counts))
            confusion = np.array(counts).round().astype(int).reshape(classes, classes)
            figures, _ = confusion_scores(confusion, classes=[""] * classes)
            reporter.register({"macro_f1": float(figures["macro_f1"])})
            reporter.next()
