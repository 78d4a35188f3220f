"""The ESPnet task that trains WaBERT with ESPnet's Trainer."""

import argparse
import math
import shutil
from collections.abc import Sequence
from pathlib import Path

import torch
from espnet2.asr.encoder.abs_encoder import AbsEncoder
from espnet2.asr.frontend.abs_frontend import AbsFrontend
from espnet2.asr.postencoder.abs_postencoder import AbsPostEncoder
from espnet2.tasks import abs_task
from espnet2.tasks.slu import SLUTask
from espnet2.train.abs_espnet_model import AbsESPnetModel
from espnet2.train.class_choices import ClassChoices
from espnet2.train.collate_fn import CommonCollateFn
from espnet2.train.distributed_utils import get_node_rank
from espnet2.utils.nested_dict_action import NestedDictAction
from espnet2.utils.types import str_or_none
from espnet3.components.schedulers.linear_warmup_decay import LinearWarmupDecayLR

from espnet_wabert.constants import LABELS, SAMPLE_RATE
from espnet_wabert.errors import UserError
from espnet_wabert.formats.labels import read_labels
from espnet_wabert.formats.lines import replacing
from espnet_wabert.models.builder import PARTS, build_model
from espnet_wabert.models.checkpoint import init_from
from espnet_wabert.models.download import NGRAM
from espnet_wabert.models.sentiment import WaBERTSentiment
from espnet_wabert.modules.frozen import SlimCheckpoints
from espnet_wabert.modules.sentiment_head import balanced_weights
from espnet_wabert.modules.text_encoder import build_tokenizer
from espnet_wabert.modules.token_decoder import LetterDecoder
from espnet_wabert.text.wordpiece import read_vocabulary
from espnet_wabert.training.clipping import clip_separately
from espnet_wabert.training.experiment import (
    claim_folder,
    claim_sources,
    training_alone,
    whole_config,
)
from espnet_wabert.training.feature_cache import check_sources
from espnet_wabert.training.freezing import skip_frozen_steps
from espnet_wabert.training.fused import with_fused
from espnet_wabert.training.learning_rates import scale_rates
from espnet_wabert.training.preprocessor import WaBERTPreprocessor
from espnet_wabert.training.saving import recover
from espnet_wabert.training.trainer import WaBERTTrainer, clips_apart

# The paper's schedule: linear increase for 4000 steps, then linear decrease. ESPnet's piecewise
# schedule returns to the base rate after its end; this one keeps the last rate.
abs_task.scheduler_classes.setdefault("linearwarmupdecaylr", LinearWarmupDecayLR)


AUGMENTATION = ("data_aug_effects", "data_aug_num", "data_aug_prob")  # of espnet2's augmentation.py


class WaBERTTask(SLUTask):
    """The SLU task with WaBERT's choices for --frontend, --encoder, --postencoder and --model.

    Its trainer reports macro F1, and clips the grapheme head's gradients apart from the others.
    Adds four options to ESPnet's SLU task: --pretrained_model, the model that fine-tuning starts
    from; --lr_scales, see `scale_rates`; --computed, see `claim_folder`; and --preprocessor_conf
    for augmentation, such as
    `data_aug_effects: [[1.0, pitch_shift, {n_steps: 1.6502}]]`, `data_aug_prob: 0.3`.
    """

    class_choices_list = [  # noqa: RUF012 (ESPnet's interface)
        ClassChoices("frontend", PARTS["frontend"], AbsFrontend, default="huggingface"),
        ClassChoices("encoder", PARTS["encoder"], AbsEncoder, default="cif", optional=True),
        ClassChoices(
            "postencoder", PARTS["postencoder"], AbsPostEncoder, default="bert", optional=True
        ),
        ClassChoices("model", PARTS["model"], AbsESPnetModel, default="wabert"),
    ]

    trainer = WaBERTTrainer

    @classmethod
    def main(cls, args: argparse.Namespace | None = None, cmd: Sequence[str] | None = None):
        """Train. A folder with a model that was trained with other options is refused.

        With --resume, what a kill or a full disk has left in the folder is repaired first.
        """
        if args is None:
            args = cls.get_parser().parse_args(cmd)
            args.num_att_plot = 0  # there is no attention to plot, and other processes would wait
        if not args.output_dir or get_node_rank(args.dist_rank, args.dist_launcher):
            super().main(args=args)
            return
        folder = Path(args.output_dir)
        with training_alone(folder), whole_config(folder):  # the first process, or the only one
            claim_folder(args)
            if args.resume:
                recover(folder)
            super().main(args=args)

    @classmethod
    def main_worker(cls, args: argparse.Namespace):
        """Train in one process; all processes end together.

        A process that ends while another one still writes can abort it.
        """
        super().main_worker(args)
        if torch.distributed.is_initialized():
            torch.distributed.barrier()
            torch.distributed.destroy_process_group()

    @classmethod
    def add_task_arguments(cls, parser: argparse.ArgumentParser):
        super().add_task_arguments(parser)
        parser.add_argument(
            "--pretrained_model",
            type=str_or_none,
            default=None,
            help="An aligned model (.pth, .zip, box) whose frontend and encoder to start from",
        )
        parser.add_argument(
            "--lr_scales",
            action=NestedDictAction,
            default={},
            help="Factors of the learning rate for parts of the model, such as postencoder=0.1",
        )
        parser.add_argument(
            "--computed",
            nargs="*",
            default=[],
            help="Options that were computed from the data and the GPUs, such as accum_grad; a"
            " resumed training may have other values",
        )
        parser.add_argument(
            "--preprocessor_conf",
            action=NestedDictAction,
            default={},
            help="ESPnet's options of the preprocessor: " + ", ".join(AUGMENTATION),
        )

    @classmethod
    def build_sequence_iter_factory(cls, args: argparse.Namespace, iter_options, mode: str):
        """Refuse batches that have no utterance for some process; ESPnet ends in a traceback."""
        try:
            return super().build_sequence_iter_factory(args, iter_options, mode)
        except RuntimeError as error:
            if "world_size" not in str(error):
                raise
            processes = torch.distributed.get_world_size()
            raise UserError(
                f"the {mode} data has a batch with fewer utterances than the {processes} processes:"
                " use fewer GPUs, or larger batches"
            ) from error

    @classmethod
    def required_data_names(cls, train: bool = True, inference: bool = False):
        return ()  # speech or text; build_preprocess_fn checks which

    @classmethod
    def optional_data_names(cls, train: bool = True, inference: bool = False):
        return ("speech", "text", "word_times", "sentiment")

    @classmethod
    def build_collate_fn(cls, args: argparse.Namespace, train: bool):
        return CommonCollateFn(float_pad_value=0.0, int_pad_value=0)

    @classmethod
    def build_preprocess_fn(cls, args: argparse.Namespace, train: bool):
        text = args.frontend == "text"
        _need_data(args, "text" if text else "speech", f"the frontend {args.frontend}")
        for field in ("text_weight", "quantity_weight"):
            if (args.model_conf or {}).get(field):
                _need_data(args, "text", f"model_conf.{field}")
        return WaBERTPreprocessor(
            train,
            vocabulary=_vocabulary(args),
            tokenizer=build_tokenizer(args.frontend_conf) if text else None,
            labels=tuple((args.model_conf or {}).get("labels", LABELS)),
            rir_scp=args.rir_scp,
            rir_apply_prob=args.rir_apply_prob,
            noise_scp=args.noise_scp,
            noise_apply_prob=args.noise_apply_prob,
            noise_db_range=args.noise_db_range,
            short_noise_thres=args.short_noise_thres,
            speech_volume_normalize=args.speech_volume_normalize,
            **_augmentation(args),
        )

    @classmethod
    def build_model(cls, args: argparse.Namespace) -> AbsESPnetModel:
        """Build the model; write what a checkpoint needs into `args`."""
        args.token_list = _vocabulary(args)
        if (args.model_conf or {}).get("class_weights") == "balanced":
            weights = balanced_weights(_label_counts(args), args.model_conf.get("labels", LABELS))
            args.model_conf = {**args.model_conf, "class_weights": weights}
        model = build_model(args)
        if isinstance(slim := model.slim_checkpoints, SlimCheckpoints):
            args.source_weights = slim.digests()
            claim_sources(args)
        if isinstance(model, WaBERTSentiment):
            model.accum_grad = args.accum_grad
        if args.pretrained_model is not None:
            init_from(model, args.pretrained_model, args)
            _keep_ngram(model, args.output_dir)
            check_sources(args.train_data_path_and_name_and_type or (), model.frontend)
        _check_frozen(model, args.freeze_param)
        return model

    @classmethod
    def build_optimizers(cls, args: argparse.Namespace, model: torch.nn.Module):
        """Build the optimizers, with the rules of this package for some parts of the model."""
        optimizers = super().build_optimizers(with_fused(args, model), model)
        scale_rates(optimizers[0], model, args.lr_scales)
        if isinstance(model, WaBERTSentiment):
            skip_frozen_steps(optimizers[0], model)
        if clips_apart(args):  # the grapheme head must not change the clipping of the others
            head = set(model.get_submodule("grapheme_head").parameters())
            others = [p for p in model.parameters() if p not in head]
            parts = [others, list(head)]
            clip_separately(optimizers[0], parts, args.grad_clip, args.grad_clip_type)
        return optimizers


def _keep_ngram(model: AbsESPnetModel, folder: str | None) -> None:
    """Copy the n-gram with which a model reads letters to its folder, where decoding finds it."""
    decoder = getattr(model, "token_decoder", None)
    if folder and isinstance(decoder, LetterDecoder) and decoder.ngram is not None:
        Path(folder).mkdir(parents=True, exist_ok=True)
        with replacing(Path(folder) / NGRAM) as temporary:
            shutil.copyfile(decoder.ngram, temporary)


def _augmentation(args: argparse.Namespace) -> dict:
    """Return the checked --preprocessor_conf."""
    conf = getattr(args, "preprocessor_conf", None) or {}
    for field in conf:
        if field not in AUGMENTATION:
            raise UserError(f"preprocessor_conf.{field}: one of {', '.join(AUGMENTATION)}")
    for _, effect, options in (e for e in conf.get("data_aug_effects", ()) if len(e) == 3):
        if effect == "pitch_shift":
            _check_pitch(options.get("n_steps", 0), options.get("bins_per_octave", 12))
    return conf


def _check_pitch(steps: float, bins: int) -> None:
    """Refuse a pitch shift that needs gigabytes.

    torchaudio's resampling filter has one row per sample of the common period of both rates.
    """
    shifted = int(SAMPLE_RATE / 2.0 ** (-steps / bins))  # as torchaudio's pitch_shift rounds
    if SAMPLE_RATE // math.gcd(shifted, SAMPLE_RATE) > 2000:
        raise UserError(
            f"preprocessor_conf.data_aug_effects: pitch_shift by {steps:g} steps resamples"
            f" {shifted} to {SAMPLE_RATE} Hz, which takes gigabytes; shifts by simple ratios do"
            " not, such as n_steps 1.6502 (by 1.1) and -1.8239 (by 0.9)"
        )


def _check_frozen(model: AbsESPnetModel, names: list[str]) -> None:
    """Refuse a --freeze_param without a matching parameter, which ESPnet would ignore."""
    known = [name for name, _ in model.named_parameters()]
    for name in names:
        if not any(f"{parameter}.".startswith(f"{name}.") for parameter in known):
            parts = ", ".join(dict.fromkeys(parameter.split(".")[0] for parameter in known))
            raise UserError(f"freeze_param: {name}: no such part of the model, which has {parts}")


def _vocabulary(args: argparse.Namespace) -> list[str]:
    if args.token_list is None or args.frontend == "text":  # has its own tokenizer
        return []
    if isinstance(args.token_list, str):
        return read_vocabulary(args.token_list)
    return list(args.token_list)


def _need_data(args: argparse.Namespace, name: str, part: str) -> None:
    """Refuse to train without data that a part of the model reads."""
    given = [source[1] for source in getattr(args, "train_data_path_and_name_and_type", None) or []]
    if given and name not in given:
        raise UserError(
            f"--train_data_path_and_name_and_type: no {name}, which {part} reads;"
            f" given: {', '.join(given)}"
        )


def _label_counts(args: argparse.Namespace) -> dict[str, int]:
    """Count the labels of training, for balanced weights."""
    counts: dict[str, int] = {}
    labels = tuple(args.model_conf.get("labels", LABELS))
    for path, name, _ in args.train_data_path_and_name_and_type or []:
        if name == "sentiment":
            for label in read_labels(path, labels).values():
                counts[label] = counts.get(label, 0) + 1
    return counts
