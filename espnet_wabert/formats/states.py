"""What stands for the content of files and folders, to tell later whether they have changed.

A file of up to `SMALL` bytes is its content; of a larger one, size and time of change are looked
at, as make does. A data folder is its files and the recordings that its wav.scp names.
"""

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

from espnet_wabert.errors import UserError
from espnet_wabert.formats.checksums import file_sha256

SMALL = 64 << 20  # bytes; this much is read in 0.05 s
MISSING = "missing"
RECORDINGS = ": recordings"


def file_state(path: str | Path) -> str:
    """Return what stands for the content of a file.

    Raises:
        UserError: it cannot be read.
    """
    try:
        status = os.stat(path)
        if status.st_size > SMALL:
            return f"{status.st_size} bytes of {status.st_mtime_ns}"
        return file_sha256(Path(path))[:32]
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None


def states(path: str | Path) -> dict[str, str]:
    """Return the state of a file, or of each file of a folder, by path.

    The folders in a folder have one state each; hidden files are left out. A data folder has the
    state of its recordings instead, under `<wav.scp>: recordings`. Of FOLDER/* only the files are
    looked at. What does not exist is `MISSING`.
    """
    path = Path(path)
    if path.name == "*":
        inner = path.parent.iterdir() if path.parent.is_dir() else ()
        names = sorted(entry for entry in inner if not entry.name.startswith("."))
        return {str(entry): file_state(entry) for entry in names if entry.is_file()}
    if not path.is_dir():
        return {str(path): file_state(path) if path.exists() else MISSING}
    table = path / "wav.scp"
    found = {str(path): "folder"}
    for entry in sorted(path.iterdir()):
        if entry.name.startswith("."):
            continue
        if not entry.is_dir():
            found |= states(entry)
        elif not table.is_file():
            found[str(entry)] = _tree_state(entry)
    if table.is_file():
        found[f"{table}{RECORDINGS}"] = recordings_state(read_wav_scp(table).items())
    return found


def read_wav_scp(path: str | Path) -> dict[str, str]:
    """Return the files of a wav.scp by id, without any check."""
    lines = Path(path).read_text(encoding="utf-8", errors="replace").splitlines()
    rows = (line.split(maxsplit=1) for line in lines)
    return {row[0]: row[1].strip() for row in rows if len(row) == 2}


def recordings_state(recordings: Iterable[tuple[str, str]]) -> str:
    """Return the state of recordings (id, path): of each, the size and time of change."""
    lines = [f"{name} {_size_and_time(path)}\n" for name, path in sorted(recordings)]
    return hashlib.sha256("".join(lines).encode()).hexdigest()[:32]


def _tree_state(folder: Path) -> str:
    """Return one state for all files below a folder: names, sizes and times of change."""
    digest = hashlib.sha256()
    for inner, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            path = os.path.join(inner, name)
            digest.update(f"{path} {_size_and_time(path)}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()[:32]


def _size_and_time(path: str) -> str:
    try:
        status = os.stat(path)
    except OSError:
        return MISSING
    return f"{status.st_size} {status.st_mtime_ns}"
