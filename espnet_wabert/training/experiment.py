"""An experiment folder belongs to the options and the data it was trained with."""

import argparse
import os
import shutil
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from filelock import FileLock, Timeout

from espnet_wabert.config import read_yaml
from espnet_wabert.errors import UserError
from espnet_wabert.formats.lines import name_some, replacing, write_atomically
from espnet_wabert.models.origin import SOURCE, check_source_weights
from espnet_wabert.models.provenance import fingerprint, provenance, resumed
from espnet_wabert.training.made_of import corpus_fingerprint, made_of

MADE_OF = "made_of"  # in OPTIONS: the states of the files
OPTIONS = "options.yaml"  # as they were given; CONFIG, ESPnet's, has what became of them
CONFIG, COPY = "config.yaml", ".config.yaml"

LOCK = ".training.lock"
PATIENCE = 15  # s; the data loaders of a killed training end some seconds after it

# Options that change neither the weights nor which of them are chosen.
INCIDENTAL = (
    "config", "output_dir", "ngpu", "resume", "dry_run", "print_config", "max_epoch",
    "log_level", "log_interval", "num_workers", "num_att_plot", "use_matplotlib",
    "use_tensorboard", "create_graph_in_tensorboard", "multiprocessing_distributed", "local_rank",
)  # fmt: skip
PREFIXES = ("dist_", "wandb_", "use_wandb", "cudnn_")


@contextmanager
def training_alone(folder: Path) -> Iterator[None]:
    """Hold the lock of an experiment folder. The system releases it if the process is killed.

    Raises:
        UserError: another training holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=PATIENCE)
    except Timeout:
        raise UserError(
            f"{folder}: another training writes here; wait for its end, or train under another"
            " name with --slu_tag"
        ) from None
    try:
        yield
    finally:
        lock.release()


@contextmanager
def whole_config(folder: Path) -> Iterator[None]:
    """Keep the config.yaml of an experiment folder until the next one is written.

    Each start of a training writes it in place: a kill or a full disk would leave a part of it,
    with which the weights beside it cannot be used. The copy is there from the start of the
    training until `config_is_written`; one of a start that was killed is put back.
    """
    config, copy = folder / CONFIG, folder / COPY
    if copy.is_file():
        os.replace(copy, config)
    if config.is_file():
        with replacing(copy) as temporary:
            shutil.copyfile(config, temporary)
    try:
        yield
    finally:
        if copy.is_file():
            os.replace(copy, config)


def config_is_written(folder: Path) -> None:
    """Say that the config.yaml of an experiment folder is whole; see `whole_config`."""
    (folder / COPY).unlink(missing_ok=True)


def claim_folder(args: argparse.Namespace) -> None:
    """Write the options to the experiment folder, or compare them with those that are there.

    Options that both trainings list in --computed are not compared.

    Args:
        args: ESPnet's options of a training, before the model is built. It gets `provenance`,
            which goes into config.yaml and packed models.

    Raises:
        UserError: the folder has checkpoints that were trained with other options or other data.
    """
    if args.output_dir is None or args.collect_stats:
        return
    folder = Path(args.output_dir)
    given = _options(args)
    files = made_of(args)
    now = provenance(
        "cuda" if args.ngpu else "cpu",
        seed=args.seed,
        gpus=args.ngpu * int(args.dist_world_size or os.environ.get("WORLD_SIZE", 1)),
        config=fingerprint(_portable(given)),
        corpus=corpus_fingerprint(args),
    )
    computed = set(given["computed"])
    if any(folder.glob("*.pth")):
        if not (folder / OPTIONS).is_file():
            raise UserError(f"{folder}: has a trained model, but no {OPTIONS}; {_WAYS_OUT}")
        kept = read_yaml(folder / OPTIONS)
        # Values that follow from the number of GPUs may change with it.
        follow = {"computed", MADE_OF} | (computed & set(kept.get("computed") or ()))
        differences = compare_options(kept, given, follow)
        if differences:
            raise UserError(
                f"{folder}: was trained with other options: {'; '.join(differences)}; {_WAYS_OUT}"
            )
        before = kept.get(MADE_OF) or files  # an older training has none
        changed = [path for path, state in files.items() if before.get(path) != state]
        if changed:
            raise UserError(
                f"{folder}: was trained with other data: {name_some(changed)} changed since;"
                f" {_WAYS_OUT}"
            )
        config = folder / CONFIG
        trained = read_yaml(config).get("provenance") if config.is_file() else None
        args.provenance = resumed(trained, now)
        return
    args.provenance = now
    write_atomically(folder / OPTIONS, yaml.safe_dump({**given, MADE_OF: files}))


def claim_sources(args: argparse.Namespace) -> None:
    """Compare the pretrained weights with those that an experiment folder was trained with.

    Args:
        args: ESPnet's options of a training, with the checksums in `source_weights`.

    Raises:
        UserError: the folder has checkpoints that were trained with other pretrained weights.
    """
    folder = Path(args.output_dir or "")
    # Of several processes, the first one may be writing config.yaml already.
    config = folder / (COPY if (folder / COPY).is_file() else CONFIG)
    if any(config.parent.glob("*.pth")) and config.is_file():
        trained = argparse.Namespace(**read_yaml(config))
        check_source_weights(trained, args.source_weights, config.parent)


def compare_options(
    kept: Mapping[str, Any], given: Mapping[str, Any], ignored: Collection[str] = ()
) -> list[str]:
    """Return what differs between the options of a folder and those of now, one text each."""
    return [
        f"{name}: {_show(kept, name)} there, {_show(given, name)} here"
        for name in sorted((kept.keys() | given.keys()) - set(ignored))
        if kept.get(name) != given.get(name)
    ]


_WAYS_OUT = "name the new experiment with --slu_tag, or replace this one with --overwrite true"


def _options(args: argparse.Namespace) -> dict[str, Any]:
    """Return the options that matter, those of a `*_conf` as `section.name`."""
    found: dict[str, Any] = {}
    for name, value in vars(args).items():
        if name in INCIDENTAL or name.startswith(PREFIXES):
            continue
        if isinstance(value, dict):
            found |= {f"{name}.{key}": _plain(inner) for key, inner in value.items()}
        else:
            found[name] = _plain(value)
    return found


def _portable(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that do not say where files are; of a model its last name."""
    files = ("_path_and_name_and_type", "_shape_file", "token_list", "pretrained_model", "seed")
    return {
        name: Path(str(value)).name if name.endswith(SOURCE) else value
        for name, value in options.items()
        if not name.endswith(files)
    }


def _plain(value: Any) -> Any:
    """Return a value as yaml gives it back: lists instead of tuples, text instead of objects."""
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    return value if isinstance(value, bool | int | float | str | None) else str(value)


def _show(options: Mapping[str, Any], name: str) -> str:
    return str(options[name]) if name in options else "not given"
