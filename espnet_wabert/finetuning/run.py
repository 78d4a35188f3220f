"""Fine-tune a model on labeled clips: the steps of the recipe, on the data of a csv."""

import copy
import io
import logging
import os
import re
import time
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import torch
import yaml
from filelock import FileLock, Timeout

from espnet_wabert.constants import SAMPLE_RATE
from espnet_wabert.errors import UserError, first_line
from espnet_wabert.finetuning.data import digest, prepare, read_split
from espnet_wabert.finetuning.reading import read_training_clips
from espnet_wabert.finetuning.report import REPORT, write_report
from espnet_wabert.finetuning.settings import (
    BATCH_SECONDS,
    bert_config,
    claim,
    configuration,
    has_teacher,
    keep,
    reads_letters,
    with_warmup,
)
from espnet_wabert.finetuning.table import SPLITS, read_clips
from espnet_wabert.formats.checksums import file_sha256
from espnet_wabert.formats.lines import write_atomically, write_lines
from espnet_wabert.inference.api import Classification, WaBERTInference
from espnet_wabert.inference.decoding import SpeechSource, classify_batch
from espnet_wabert.models.builder import build_model
from espnet_wabert.models.checkpoint import PACKED, find_files, init_from, pack, read_args
from espnet_wabert.models.download import Files
from espnet_wabert.models.weights_file import read_weights
from espnet_wabert.modules.frontend import HuggingFaceFrontend
from espnet_wabert.recipes.schedule import plan
from espnet_wabert.recipes.training_args import (
    CHANGES_FRAMES,
    FRAME_RATE,
    Data,
    read_config,
    training_args,
)
from espnet_wabert.text.wordpiece import WordPieceTokenizer
from espnet_wabert.training.feature_cache import extract_features
from espnet_wabert.training.saving import CHECKPOINT
from espnet_wabert.training.shapes import write_shapes
from espnet_wabert.training.task import WaBERTTask

VOCABULARY = "data/vocab.txt"
BEST = "valid.macro_f1.ave.pth"
# Options of the training whose values are fixed here, or that end it.
OWN = ("-h", "--help", "--print_config", "--best_model_criterion", "--output_dir")
# ESPnet writes scores up to .001, such as those of the first epochs with many classes, as 4.4e-04.
EPOCH = re.compile(r"(\d+)epoch results: .*\[valid\].* macro_f1=([\d.]+(?:e-\d+)?)")

Say = Callable[[str], None]


@dataclass(frozen=True)
class Options:
    """Of a fine-tuning; see `wabert finetune --help`."""

    data: Path
    out: Path
    model: str = "box"
    epochs: int = 20
    seed: int = 0
    train_args: str = ""
    skip_bad: bool = False
    device: str = "cpu"


def finetune(options: Options, say: Say, warn: Say) -> None:
    """Write OUT/model.zip and OUT/report.md; what was done before with these options is kept.

    Args:
        options: what to do.
        say: gets the lines of the progress.
        warn: gets the remarks on the data.

    Raises:
        UserError: a mistake in the data or the options.
    """
    out = options.out.absolute()
    with suppress(OSError):  # which the run itself will name
        out.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(out.with_name(f".{out.name}.lock"), timeout=0)
    try:
        with lock if out.parent.is_dir() else nullcontext():
            _finetune(options, say, warn)
    except Timeout:
        raise UserError(f"{options.out}: another fine-tuning writes there") from None


def _finetune(options: Options, say: Say, warn: Say) -> None:
    began = time.monotonic()
    _check_options(options)
    table = read_clips(options.data)
    files = find_files(options.model)
    aligned = read_args(files.config)
    if getattr(aligned, "model", None) != "wabert":
        raise UserError(
            f"--model {options.model}: a {getattr(aligned, 'model', None)!r} model; fine-tuning"
            " starts from an aligned one ('wabert'), such as box"
        )
    given = "text" in table.columns
    text = given or (reads_letters(aligned) and has_teacher(aligned))
    conf = configuration(aligned, table.labels, text, options.epochs, options.seed)
    settings = _settings(options, files, digest(table.clips))
    out = options.out
    prepared = claim(out, settings)
    if prepared and (out / REPORT).is_file() and (out / PACKED).is_file():
        say(f"{out}: done before with these options")
        say((out / REPORT).read_text(encoding="utf-8"))
        return
    frontend = _frontend(aligned, conf, files)
    if prepared:
        say(f"{out}: begun before with these options; going on")
        clips = read_split(out, table.clips)
    else:
        for note in table.notes:
            warn(note)
        pieces = WordPieceTokenizer(aligned.token_list)
        positions = bert_config(aligned).max_position_embeddings
        skip = options.skip_bad
        # Absolute: it can go on from another folder.
        folder = out.absolute()
        clips = prepare(options.data, table, folder, options.seed, pieces, positions, skip, warn)
        keep(out, settings)
    write_lines(out / VOCABULARY, aligned.token_list)
    _features(options, frontend, conf)
    if text and not given:
        say("no column text: the model reads the clips of training")
        read_training_clips(out / "data", options.model, options.device)
    _train(options, files, say)
    predictions = _test(options)
    epochs = _epochs(out / "train")
    seconds = time.monotonic() - began
    averaged = _averaged(out / "train" / BEST)
    write_report(out, clips, table.labels, predictions, settings, epochs, averaged, seconds)
    say(f"model: {out / PACKED}; report: {out / REPORT}")


def _check_options(options: Options) -> None:
    """Refuse what only the training would find, after the features have been computed."""
    if "," in os.path.abspath(options.out):
        out = options.out if "," in str(options.out) else os.path.abspath(options.out)
        raise UserError(f"--out {out}: ESPnet splits paths at commas; choose another one")
    if options.device != "cpu" and not torch.cuda.is_available():
        raise UserError(f"--device {options.device}: torch sees no GPU")
    for word in options.train_args.split():
        if word.partition("=")[0] in CHANGES_FRAMES:
            raise UserError(f"--train_args: {word}: the features are computed before the training")
        if word.partition("=")[0] in OWN:
            raise UserError(f"--train_args: {word}: not an option here")
    errors = io.StringIO()
    try:
        with redirect_stderr(errors):
            WaBERTTask.get_parser().parse_args(options.train_args.split())
    except SystemExit:
        reason = errors.getvalue().strip().splitlines()[-1].partition("error: ")[2]
        raise UserError(f"--train_args: {reason}") from None


def _settings(options: Options, files: Files, recordings: str) -> dict[str, Any]:
    """Return everything that the result depends on, apart from the versions of packages."""
    model = [file_sha256(path)[:12] for path in (files.weights, files.ngram) if path is not None]
    return {
        "data": f"{options.data.name} ({file_sha256(options.data)[:12]})",
        "recordings": recordings,
        "starts_from": f"{Path(options.model).name} ({', '.join(model)})",
        "skip_bad": options.skip_bad,
        "epochs": options.epochs,
        "seed": options.seed,
        "train_args": options.train_args,
    }


def _frontend(aligned: Namespace, conf: dict[str, Any], files: Files) -> HuggingFaceFrontend:
    """Return the speech encoder of the model that training starts from."""
    args = Namespace(**copy.deepcopy(conf), token_list=list(aligned.token_list))
    args.model_conf["class_weights"] = None  # training computes them
    model = build_model(args)
    init_from(model, files.weights, args)
    assert isinstance(model.frontend, HuggingFaceFrontend)  # an aligned model has no other
    return model.frontend


def _features(options: Options, frontend: HuggingFaceFrontend, conf: dict[str, Any]) -> None:
    """Cache the features (stage 10); write OUT/data/train.yaml for training."""
    data = options.out.absolute() / "data"
    bins = int(BATCH_SECONDS * SAMPLE_RATE)
    for name in SPLITS:
        feats = data / "feats" / name
        extract_features(lambda: frontend, data / name, feats, bins, options.device)
        write_shapes(data / name, feats, None, data / "stats" / name)
    path = data / "train.yaml"
    write_atomically(path, yaml.safe_dump(conf, sort_keys=False))
    changed = read_config(str(path), options.train_args)
    steps = plan(changed, [data / "stats" / "train" / "speech_shape"], FRAME_RATE, 0).total_steps
    write_atomically(path, yaml.safe_dump(with_warmup(conf, steps), sort_keys=False))


def _train(options: Options, files: Files, say: Say) -> None:
    """Train with ESPnet (stage 11), or go on; the log is OUT/train/train.log.

    Paths of its data are absolute: a training belongs to them, and can go on from another folder.
    """
    data, folder = Path(os.path.abspath(options.out / "data")), options.out / "train"
    ngpu = 0 if options.device == "cpu" else 1
    words, schedule = training_args(
        str(data / "train.yaml"), options.train_args,
        Data(data, data / "feats", data / "stats", "train", "valid"),
        os.path.abspath(options.out / VOCABULARY), speech_model="", text_model="",
        pretrained_model=os.path.abspath(files.weights), ngpu=ngpu,
    )  # fmt: skip
    words += ["--output_dir", str(folder), "--ngpu", str(ngpu), "--resume", "true"]
    folder.mkdir(parents=True, exist_ok=True)
    say(f"training: {schedule}; log: {folder / 'train.log'}")
    with _logged(folder / "train.log", say) as log:
        try:
            WaBERTTask.main(cmd=[*words, *options.train_args.split()])
        except (TypeError, ValueError) as error:  # of a class that got an unknown option
            if isinstance(error, UserError) or not options.train_args:
                raise
            raise UserError(f"--train_args: {first_line(error)}") from error
        with redirect_stdout(log):  # ESPnet names the files
            packed = pack(folder / BEST, folder / PACKED)
    os.replace(packed, options.out / PACKED)


def _test(options: Options) -> dict[str, Classification]:
    """Classify the test clips with the packed model (stage 12); return the result by their ids."""
    data = options.out / "data"
    inference = WaBERTInference.from_pretrained(options.out / PACKED, options.device)
    source = SpeechSource(data / "test", data / "feats" / "test")
    found: dict[str, Classification] = {}
    for batch in source.batches(BATCH_SECONDS):
        found |= zip(batch.utterances, classify_batch(lambda: inference, batch), strict=True)
    return found


@contextmanager
def _logged(path: Path, say: Say) -> Iterator[TextIO]:
    """Let the messages of training go to a file, and the scores of each epoch to `say`."""

    class Epochs(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            found = EPOCH.search(record.getMessage())
            if found:
                say(f"epoch {found[1]}: macro F1 on the validation clips {float(found[2]):.1%}")

    root = logging.getLogger()
    level, handlers = root.level, root.handlers[:]
    file = logging.FileHandler(path, encoding="utf-8")
    file.setFormatter(logging.Formatter("%(asctime)s (%(module)s:%(lineno)d) %(message)s"))
    root.handlers[:] = [file, Epochs()]
    root.setLevel(logging.INFO)
    logging.captureWarnings(True)
    try:
        with path.open("a", encoding="utf-8") as log, redirect_stderr(log):
            yield log
    finally:
        logging.captureWarnings(False)
        root.setLevel(level)
        root.handlers[:] = handlers
        file.close()


def _averaged(link: Path) -> int:
    """Return of how many epochs the weights are, from ESPnet's link to *.ave_5best.pth."""
    found = re.search(r"ave_(\d+)best", os.readlink(link))
    assert found is not None
    return int(found[1])


def _epochs(folder: Path) -> dict[int, float]:
    """Return the validation macro F1 of each epoch; a log may have been deleted in between."""
    stats = read_weights(folder / CHECKPOINT)["reporter"]["stats"]
    return {epoch: float(found["valid"]["macro_f1"]) for epoch, found in stats.items()}
