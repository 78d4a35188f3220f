"""What a run would do: data, disk, steps, GPU memory and hours, before anything is started."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from espnet_wabert.constants import SAMPLE_RATE
from espnet_wabert.corpora.librispeech import OFFICIAL_COUNTS
from espnet_wabert.corpora.slue_hub import hub_rows, is_hub_copy
from espnet_wabert.corpora.slue_voxceleb import OFFICIAL_ROWS
from espnet_wabert.corpora.sources import LIBRISPEECH_GB
from espnet_wabert.errors import UserError
from espnet_wabert.recipes.schedule import BY_BINS, Schedule, plan
from espnet_wabert.recipes.training_args import FRAME_RATE, read_config, shapes_of

GB_PER_HOUR = 0.065  # of speech in FLAC
FRAME_BYTES = 2 * 768  # of a cached feature of a base model

# Rough estimates for a base encoder with 94 M parameters in mixed precision, not measured. The rate
# is that of wav2vec 2.0 base (Baevski et al. 2020: 400,000 steps of 1.6 hours, 64 V100 for 1.6
# days), with half of the work because the lower layers are frozen.
GB_PER_GPU_SECOND = 0.07  # activations of one second of audio, in training
GB_OF_WEIGHTS = 3.0  # weights of data2vec and BERT, gradients, moments of AdamW
GB_OF_EPOCH = 0.31  # the trained weights and AdamW's moments of one epoch on disk
GB_PACKED = 0.9  # all weights of data2vec and BERT
HOURS_PER_GPU_HOUR = 520.0  # of audio, in training on a V100


class Part(NamedTuple):
    """A part of a corpus, as published or as it was found."""

    utterances: int
    hours: float
    archive_gb: float = 0.0
    found: bool = False


class Corpus(NamedTuple):
    """A corpus: its parts by name, and which of them are for training.

    `source` tells where it comes from: "download", "given" (a folder of the user's), or "mini".
    """

    name: str
    folder: Path
    parts: Mapping[str, Part]
    train: Sequence[str]
    source: str


# Hours of LibriSpeech (OpenSLR 12); hours and GB of SLUE-VoxCeleb v0.2, which is one archive.
LIBRISPEECH_HOURS = {
    "train-clean-100": 100.6, "train-clean-360": 363.6, "train-other-500": 496.7,
    "dev-clean": 5.4, "dev-other": 5.3, "test-clean": 5.4, "test-other": 5.1,
}  # fmt: skip
SLUE_SIZES = {"fine-tune": (12.8, 1.3), "dev": (3.2, 0.4), "test": (7.8, 0.8)}
LIBRISPEECH = {
    name: Part(OFFICIAL_COUNTS[name], hours, LIBRISPEECH_GB[name])
    for name, hours in LIBRISPEECH_HOURS.items()
}
SLUE = {name: Part(OFFICIAL_ROWS[name], *sizes) for name, sizes in SLUE_SIZES.items()}


def find_corpus(recipe: str, folder: Path, source: str, train_parts: Sequence[str] = ()) -> Corpus:
    """Return the corpus of a recipe, with the number of files or rows of each part that is there.

    Args:
        recipe: librispeech_wabert or slue_sa.
        folder: of the corpus; may be missing.
        source: see `Corpus`.
        train_parts: names of the parts to train on; () for all that there are.

    Raises:
        UserError: a copy of SLUE from the Hub lacks a part, or there is no such part to train on.
    """
    slue = recipe == "slue_sa"
    hub_copy = slue and is_hub_copy(folder)
    published = SLUE if slue else LIBRISPEECH
    choice = [name for name in published if name.startswith(("train", "fine-tune"))]
    for name in train_parts:
        if name not in choice:
            raise UserError(
                f"--train_parts: no part {name} to train on; choose of {','.join(choice)}"
            )
    train = list(train_parts) or choice
    parts = {}
    for name, part in published.items():
        if name in choice and name not in train:
            continue
        if hub_copy:
            count = len(hub_rows(folder, name, ("id",)))
        else:
            files = (folder / (f"{name}_raw" if slue else name)).rglob("*.flac")
            count = sum(not file.name.startswith(".") for file in files)  # macOS adds ._NAME.flac
        if count:
            hours = part.hours * count / part.utterances
            part = Part(count, hours, 0.0, found=True)
        parts[name] = part
    return Corpus("SLUE-VoxCeleb" if slue else "LibriSpeech", folder, parts, train, source)


def estimate(
    conf: dict, utterances: int, hours: float, rate: float, ngpu: int, gpu_seconds: float
) -> Schedule:
    """Return the schedule of a configuration on data that is not prepared yet; see `plan`."""
    mean = hours * 3600 * rate / utterances
    per_step = conf.get("batch_size", 20)
    if conf.get("batch_bins"):
        per_step = max(1.0, conf["batch_bins"] / mean)
    bins = per_step * mean
    accum = conf.get("accum_grad") or 1
    if not conf.get("batch_bins") and conf.get("batch_type") == "length":
        accum = math.ceil(bins / (max(ngpu, 1) * gpu_seconds * rate))
    batches = math.ceil(utterances / per_step) * accum
    epochs = conf.get("max_epoch", 40)
    total = epochs * (batches // accum)
    by_bins = conf.get("batch_type") in BY_BINS
    return Schedule(utterances, hours, round(bins / accum), by_bins, accum, batches, epochs, total)


def dry_run(
    corpus: Corpus,
    config: str,
    slu_args: str,
    stats: Path,
    speeds: Sequence[float],
    cached: bool,
    ngpu: int,
    gpu_seconds: float,
) -> dict[int, str]:
    """Return for each stage one line on what it would do.

    Args:
        corpus: of `find_corpus`.
        config, slu_args: the training configuration.
        stats: folder of the shape files of the training set; used if stage 10 was done.
        speeds: factors of the speed perturbation.
        cached: whether features are cached.
        ngpu, gpu_seconds: see `plan`.
    """
    conf = read_config(config, slu_args)
    missing = [name for name, part in corpus.parts.items() if not part.found]
    there = [f"{name} {part.utterances}" for name, part in corpus.parts.items() if part.found]
    copies = max(len(speeds), 1)
    train = [corpus.parts[name] for name in corpus.train]
    utterances = copies * sum(part.utterances for part in train)
    hours = sum(part.hours for part in train) * sum(1 / factor for factor in speeds or [1.0])
    evaluated = sum(p.hours for name, p in corpus.parts.items() if name not in corpus.train)
    shapes = [stats / shape for shape in shapes_of(conf)]
    rate = FRAME_RATE if cached else SAMPLE_RATE
    if all(path.is_file() for path in shapes):
        schedule = plan(conf, shapes, rate, ngpu, gpu_seconds)
    else:
        schedule = estimate(conf, utterances, hours, rate, ngpu, gpu_seconds)
    written = GB_PER_HOUR * (hours if speeds else 0.0)
    if corpus.name == "SLUE-VoxCeleb":
        written = GB_PER_HOUR * (hours + evaluated)  # its segments are cut
    features = (hours + evaluated) * 3600 * FRAME_RATE * FRAME_BYTES / 1e9 if cached else 0.0
    kept = conf.get("keep_nbest_models", 10)
    model = "BERT is the language model: nothing to do"
    return {
        1: f"{corpus.name} in {corpus.folder}: {', '.join(there) or 'nothing found'};"
        f" {_first_stage(corpus, missing)}",
        2: f"{' '.join(f'{factor:g}' for factor in speeds) or 'no factors'}:"
        f" {utterances} utterances, {hours:.1f} h",
        3: f"{written:.1f} GB of trimmed or perturbed speech; other FLAC is read where it is",
        4: f"at most {utterances} utterances for training; too long and too short ones are removed",
        5: "the vocabulary of BERT",
        **dict.fromkeys((6, 7, 8), model),
        9: "the n-gram of a pipeline, if --ngram names one",
        10: f"lengths of all utterances; {features:.1f} GB of cached features",
        11: f"{schedule}; {_resources(schedule, rate, ngpu)};"
        f" {GB_OF_EPOCH * (kept + 2):.1f} GB of checkpoints",
        12: f"{evaluated:.1f} h to decode",
        13: "scores of every test set that has references",
        14: f"one zip, about {GB_PACKED:.1f} GB",
        15: "upload to the Hugging Face Hub, if --skip_upload_hf is false",
        16: "figures and subword predictions, if the recipe has them",
    }


def _first_stage(corpus: Corpus, missing: list[str]) -> str:
    """Return what stage 1 does for parts that are not there."""
    if not missing:
        return "no download"
    if corpus.source == "given":
        return f"missing: {', '.join(missing)}"
    if corpus.source == "mini":
        return "makes the embedded corpus"
    archives = sum(corpus.parts[name].archive_gb for name in missing)
    return (
        f"download {len(missing)} parts, {archives:.1f} GB,"
        f" {2 * archives:.1f} GB of disk with the archives"
    )


def _resources(schedule: Schedule, rate: float, ngpu: int) -> str:
    """Return estimates of a training's GPU memory and time."""
    if not ngpu:
        return "on the CPU"
    memory = GB_OF_WEIGHTS + GB_PER_GPU_SECOND * schedule.batch_bins / rate / ngpu
    work = schedule.hours * schedule.epochs / HOURS_PER_GPU_HOUR
    return f"about {memory:.0f} GB on each of {ngpu} GPUs, {work:.0f} GPU hours"
