"""ESPnet's Trainer with macro F1 in validation, clipping by the optimizer and safe checkpoints."""

import argparse
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from espnet2.train.trainer import Trainer, TrainerOptions

from espnet_wabert.errors import UserError
from espnet_wabert.modules.precision import mixed_precision
from espnet_wabert.modules.sentiment_head import CONFUSION
from espnet_wabert.scoring.sentiment import confusion_scores
from espnet_wabert.training.divergence import WatchedBatches
from espnet_wabert.training.experiment import config_is_written
from espnet_wabert.training.saving import require_room, safe_saving


def clips_apart(args: argparse.Namespace) -> bool:
    """Return whether the gradients of the grapheme head are clipped apart from the others."""
    return args.model == "wabert" and bool((args.model_conf or {}).get("grapheme_weight"))


@dataclass
class WaBERTOptions(TrainerOptions):
    """The trainer's options, with mixed precision on a CPU."""

    cpu_bfloat16: bool = False


class WaBERTTrainer(Trainer):
    """ESPnet's Trainer for the models of this package."""

    @classmethod
    def build_options(cls, args):
        """Return the trainer's options, without its clipping if `clip_separately` does it."""
        options = WaBERTOptions(**vars(super().build_options(args)))
        if clips_apart(args):
            options.grad_clip = math.inf
        if args.ngpu == 0:
            options.use_amp = False
            options.cpu_bfloat16 = mixed_precision(args.use_amp, "cpu") == "bfloat16"
        return options

    @classmethod
    def train_one_epoch(cls, *, options, iterator, reporter, scaler, optimizers, **parts) -> bool:
        """Train one epoch; return False: ESPnet would end the training after True.

        Raises:
            UserError: a loss or the gradients of a step are not finite, or there is no step;
                nothing of this epoch is saved.
        """
        batches = WatchedBatches(iterator, reporter, options.accum_grad, scaler)
        # Batches after the last step of an epoch have left gradients, which a checkpoint lacks.
        for optimizer in optimizers:
            optimizer.zero_grad()
        # The cache would keep the bfloat16 weights of the first step for the whole epoch.
        with torch.autocast(
            "cpu", torch.bfloat16, enabled=options.cpu_bfloat16, cache_enabled=False
        ):
            super().train_one_epoch(
                options=options,
                iterator=batches,
                reporter=reporter,
                scaler=scaler,
                optimizers=optimizers,
                **parts,
            )
        if not batches.steps:
            raise UserError(f"accum_grad: {options.accum_grad}: an epoch has fewer batches")
        return False

    @classmethod
    def run(cls, model, trainer_options, distributed_option, **parts):
        """Train; each file is written completely or not at all (`saving.save`)."""
        if not distributed_option.distributed or distributed_option.dist_rank == 0:
            config_is_written(Path(trainer_options.output_dir))
            kept = trainer_options.keep_nbest_models
            kept = kept if isinstance(kept, int) else max(kept, default=1)
            require_room(Path(trainer_options.output_dir), model, kept)
        with safe_saving():
            super().run(
                model=model,
                trainer_options=trainer_options,
                distributed_option=distributed_option,
                **parts,
            )

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
