"""Options that several commands have."""

import os
from collections.abc import Callable
from pathlib import Path

import click

AUDIO_NJ = min(8, os.cpu_count() or 1)  # processes that read audio files, by default


def all_of(*options: Callable) -> Callable:
    """Return a decorator that adds several options to a command."""

    def add(command: Callable) -> Callable:
        for option in reversed(options):
            command = option(command)
        return command

    return add


def seeds_option(name: str, variable: str, what: str) -> Callable:
    """Return a required option for a path, which is repeated for each seed."""
    text = f"{what}; repeat it for each seed."
    return click.option(name, variable, required=True, multiple=True, type=Path, help=text)


def worker_options(nj: int | None = None) -> Callable:
    """Add --nj (with this default) and --dask, which choose the workers of a command."""
    one = "one core each" + ("; default: this process, with all cores" if nj is None else "")
    return all_of(
        click.option(
            "--nj",
            type=click.IntRange(1),
            default=nj,
            show_default=nj is not None,
            help=f"Processes, {one}.",
        ),
        click.option(
            "--dask",
            help="Workers of a Dask cluster instead: its yaml, such as egs2/dask/local.yaml.",
        ),
    )
