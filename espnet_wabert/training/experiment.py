"""An experiment folder belongs to the options it was trained with."""

import argparse
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import yaml

from espnet_wabert.config import read_yaml
from espnet_wabert.errors import UserError

OPTIONS = "options.yaml"  # as they were given; ESPnet's config.yaml has what became of them

# Options that change neither the weights nor which of them are chosen.
INCIDENTAL = (
    "config", "output_dir", "ngpu", "resume", "dry_run", "print_config", "max_epoch",
    "log_level", "log_interval", "num_workers", "num_att_plot", "use_matplotlib",
    "use_tensorboard", "create_graph_in_tensorboard", "multiprocessing_distributed", "local_rank",
)  # fmt: skip
PREFIXES = ("dist_", "wandb_", "use_wandb", "cudnn_")


def claim_folder(args: argparse.Namespace) -> None:
    """Write the options to the experiment folder, or compare them with those that are there.

    Options that both trainings list in --computed are not compared.

    Args:
        args: ESPnet's options of a training, before the model is built.

    Raises:
        UserError: the folder has checkpoints that were trained with other options.
    """
    if args.output_dir is None or args.collect_stats:
        return
    folder = Path(args.output_dir)
    given = _options(args)
    computed = set(given["computed"])
    if any(folder.glob("*.pth")):
        if not (folder / OPTIONS).is_file():
            raise UserError(f"{folder}: has a trained model, but no {OPTIONS}; {_WAYS_OUT}")
        kept = read_yaml(folder / OPTIONS)
        # Values that follow from the number of GPUs may change with it.
        follow = {"computed"} | (computed & set(kept.get("computed") or ()))
        differences = compare_options(kept, given, follow)
        if differences:
            raise UserError(
                f"{folder}: was trained with other options: {'; '.join(differences)}; {_WAYS_OUT}"
            )
        return
    folder.mkdir(parents=True, exist_ok=True)
    (folder / OPTIONS).write_text(yaml.safe_dump(given), encoding="utf-8")


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


def _plain(value: Any) -> Any:
    """Return a value as yaml gives it back: lists instead of tuples, text instead of objects."""
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    return value if isinstance(value, bool | int | float | str | None) else str(value)


def _show(options: Mapping[str, Any], name: str) -> str:
    return str(options[name]) if name in options else "not given"
