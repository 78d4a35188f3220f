"""Batches and steps of a training, from its configuration, its data and the number of GPUs.

A configuration states what the paper states: utterances per step (`batch_size`), epochs, warm-up.
What follows from the data is computed here and given to ESPnet, which writes it into config.yaml.
A value that the configuration states is kept.
"""

import math
from dataclasses import dataclass
from pathlib import Path

from espnet_wabert.errors import UserError
from espnet_wabert.formats.lines import read_table

GPU_SECONDS = 200.0  # audio per GPU and forward pass: 16 utterances of LibriSpeech, about 16 GB
BY_BINS = ("length", "numel")  # batch_type of ESPnet
STEPS = {"linearwarmupdecaylr": "total_steps", "tristagelr": "max_steps"}  # field of scheduler_conf


@dataclass(frozen=True)
class Schedule:
    """How long and with which batches a model is trained.

    Attributes:
        utterances: in the training set.
        hours: of them.
        batch_bins: samples or frames of a batch with padding, over all GPUs.
        by_bins: whether ESPnet makes the batches of it; False: of a number of utterances.
        accum_grad: batches per step.
        batches: of an epoch.
        epochs: of the training.
        total_steps: updates of the weights.
    """

    utterances: int
    hours: float
    batch_bins: int
    by_bins: bool
    accum_grad: int
    batches: int
    epochs: int
    total_steps: int

    def __str__(self) -> str:
        """Describe the training in one line."""
        bins = f" batch_bins {self.batch_bins}," if self.by_bins else ""
        return (
            f"{self.utterances} utterances, {self.hours:.1f} h; {self.epochs} epochs of"
            f" {self.batches // self.accum_grad} steps, {self.total_steps} steps in all;"
            f"{bins} accum_grad {self.accum_grad}"
        )


def plan(
    conf: dict, shapes: list[Path], rate: float, ngpu: int, gpu_seconds: float = GPU_SECONDS
) -> Schedule:
    """Return the schedule of a configuration on its data.

    Args:
        conf: the training configuration.
        shapes: shape files of the training set (stage 10); the first one has the speech lengths,
            or the text lengths of a text model.
        rate: entries of that file per second of audio.
        ngpu: number of GPUs; 0: a CPU.
        gpu_seconds: seconds of padded audio that one GPU takes at a time.

    Raises:
        UserError: a shape file is missing or empty, or the warm-up is longer than the training.
    """
    from espnet2.samplers.build_batch_sampler import build_batch_sampler

    lengths = [int(value.split(",")[0]) for value in read_table(shapes[0]).values()]
    if not lengths:
        raise UserError(f"{shapes[0]}: no utterance to train on")
    bins, accum = conf.get("batch_bins"), conf.get("accum_grad")
    if bins is None:
        mean = sum(lengths) / len(lengths)
        step_bins = conf.get("batch_size", 20) * mean
        if accum is None:
            accum = math.ceil(step_bins / (max(ngpu, 1) * gpu_seconds * rate))
        # A batch of ESPnet ends with the utterance that exceeds the limit: half of one on average.
        bins = math.ceil(step_bins / accum - mean / 2)
    accum = accum or 1
    sampler = build_batch_sampler(
        type=conf.get("batch_type", "folded"),
        batch_size=conf.get("batch_size", 20),
        batch_bins=bins,
        shape_files=[str(path) for path in shapes],
        fold_lengths=[80000] * len(shapes),
        min_batch_size=max(ngpu, 1),
    )
    batches, epochs = len(sampler), conf.get("max_epoch", 40)
    accum = min(accum, batches)  # less data than one step
    total = epochs * (batches // accum)
    warmup = (conf.get("scheduler_conf") or {}).get("warmup_steps", 0)
    if warmup >= total:
        raise UserError(
            f"scheduler_conf.warmup_steps: {warmup}, but the training has only {total} steps"
            f" ({epochs} epochs of {batches} batches, {accum} per step)"
        )
    hours = sum(lengths) / rate / 3600
    by_bins = conf.get("batch_type") in BY_BINS
    return Schedule(len(lengths), hours, bins, by_bins, accum, batches, epochs, total)


def schedule_args(conf: dict, schedule: Schedule) -> list[str]:
    """Return ESPnet's arguments for what the configuration does not state, and name them."""
    args, computed = [], []
    if "batch_bins" not in conf and conf.get("batch_type") == "length":
        args += ["--batch_bins", str(schedule.batch_bins)]
        args += ["--accum_grad", str(schedule.accum_grad)]
        computed += ["batch_bins", "accum_grad"]
    steps = STEPS.get(conf.get("scheduler", ""))
    if steps and steps not in (conf.get("scheduler_conf") or {}):
        args += ["--scheduler_conf", f"{steps}={schedule.total_steps}"]
        computed.append(f"scheduler_conf.{steps}")
    return [*args, "--computed", *computed] if computed else args
