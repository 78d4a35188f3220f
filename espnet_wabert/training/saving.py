"""Checkpoints that survive a kill, a full disk and a damaged file.

ESPnet's trainer writes `checkpoint.pth` (the whole state) and `<epoch>epoch.pth` (the weights) with
`torch.save`, in place: a kill in the middle leaves a file that no later start can read. Here each
file is written under a temporary name, synced and renamed, with its checksum beside it, and the
state of the epoch before is kept. All of this belongs in ESPnet's trainer.
"""

import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from espnet_wabert.errors import UserError, first_line
from espnet_wabert.models.weights_file import SUFFIX, intact, read_weights, write_checksum

CHECKPOINT, PREVIOUS, BROKEN = "checkpoint.pth", "checkpoint.previous.pth", "checkpoint.broken.pth"
_save = torch.save


def save(content: Any, path: Path) -> None:
    """Write a file as `torch.save` does, completely or not at all, with its checksum.

    Raises:
        UserError: the disk is full, or the file cannot be written.
    """
    temporary = path.with_name(f".{path.name}.part")
    try:
        with temporary.open("wb") as file:
            _save(content, file)
            file.flush()
            os.fsync(file.fileno())
        if path.name == CHECKPOINT and intact(path):
            _rename(path, path.with_name(PREVIOUS))
        write_checksum(temporary, path)
        os.replace(temporary, path)
        _sync_folder(path.parent)
    except (OSError, RuntimeError) as error:  # torch raises RuntimeError on a full disk
        temporary.unlink(missing_ok=True)
        if isinstance(error.__context__, KeyboardInterrupt):  # torch then finds its file cut off
            raise error.__context__ from None
        reason = first_line(error)
        raise UserError(
            f"{path}: cannot be written: {reason}; the epoch before is kept: make room and run the"
            " same command again"
        ) from error


@contextmanager
def safe_saving() -> Iterator[None]:
    """Let `torch.save` to a path, as ESPnet's trainer calls it, be `save`."""

    def replacement(content, target, *args, **kwargs):
        if isinstance(target, str | os.PathLike):
            return save(content, Path(target))
        return _save(content, target, *args, **kwargs)

    torch.save = replacement  # type: ignore[assignment]
    try:
        yield
    finally:
        torch.save = _save


def recover(folder: Path) -> None:
    """Repair an experiment folder after a kill or a damaged file, before training resumes.

    A checkpoint that is broken or missing is replaced by the one of the epoch before. The weights
    of its epoch are written again if the kill came before them.

    Raises:
        UserError: there is no checkpoint to go back to, or a file of an earlier epoch is damaged.
    """
    checkpoint, previous = folder / CHECKPOINT, folder / PREVIOUS
    for path in folder.glob(".*.part"):
        path.unlink()
    if not (checkpoint.exists() or previous.exists()):
        return
    state = _read(checkpoint)
    if state is None:
        state = _read(previous)
        if state is None:
            raise UserError(
                f"{checkpoint}: damaged, and there is no checkpoint of the epoch before; train"
                " again with --overwrite true, or under another name with --slu_tag"
            )
        logging.warning("%s is damaged or missing: going back to the epoch before", checkpoint)
        if checkpoint.exists():
            _rename(checkpoint, folder / BROKEN)
        shutil.copyfile(previous, checkpoint)
        write_checksum(checkpoint, checkpoint)
    epoch = state["reporter"]["epoch"]
    weights = folder / f"{epoch}epoch.pth"
    if not (weights.exists() and intact(weights)):
        save(state["model"], weights)
    for path in sorted(folder.glob("*epoch.pth")):
        number = path.name.removesuffix("epoch.pth")
        if number.isdigit() and int(number) < epoch and not intact(path):
            raise UserError(
                f"{path}: damaged: its checksum is not the one of {path.name}{SUFFIX}; train again"
                " with --overwrite true, or under another name with --slu_tag"
            )
    for path in folder.glob(f"*{SUFFIX}"):
        if not path.with_name(path.name.removesuffix(SUFFIX)).exists():
            path.unlink()  # ESPnet removes the weights of old epochs


def require_room(folder: Path, model: torch.nn.Module, kept: int) -> None:
    """Check that the disk has room for the checkpoints of a training.

    Args:
        folder: of the experiment.
        model: whose state is saved.
        kept: number of epochs whose weights are kept (keep_nbest_models).

    Raises:
        UserError: it has less.
    """
    weights = sum(value.nbytes for value in model.state_dict().values())
    moments = 2 * sum(p.nbytes for p in model.parameters() if p.requires_grad)  # of Adam
    # The checkpoint, the previous one and the next one; the best epochs, the last one, the average.
    needed = 3 * (weights + moments) + (kept + 2) * weights
    there = sum(path.stat().st_size for path in folder.glob("*.pth") if not path.is_symlink())
    free = shutil.disk_usage(folder).free
    if free < needed - there:
        raise UserError(
            f"{folder}: {free / 1e9:.1f} GB are free, the checkpoints need"
            f" {(needed - there) / 1e9:.1f} GB"
        )


def _read(path: Path) -> dict | None:
    """Return the state of a checkpoint; None if it is missing or damaged."""
    if not path.exists():
        return None
    try:
        return read_weights(path)
    except UserError as error:
        logging.warning("%s", error)
        return None


def _rename(path: Path, target: Path) -> None:
    """Rename a file and its checksum."""
    for source, goal in ((f"{path}{SUFFIX}", f"{target}{SUFFIX}"), (path, target)):
        if Path(source).exists():
            os.replace(source, goal)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
