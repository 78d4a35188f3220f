"""Text files line by line, with the file and the line number in every complaint."""

import json
import math
import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from espnet_wabert.errors import UserError


def read_bytes(path: str | Path) -> bytes:
    """The content of a file, or a `UserError` that says why it cannot be had."""
    path = Path(path)
    if path.is_dir():
        raise UserError(f"{path}: is a folder where a file is wanted")
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None


def numbered_lines(path: str | Path) -> Iterator[tuple[int, str]]:
    """The lines of a UTF-8 file that are not blank, each with its number counted from 1."""
    content = read_bytes(path).removeprefix(b"\xef\xbb\xbf")
    for number, raw in enumerate(content.split(b"\n"), start=1):
        try:
            line = raw.decode("utf-8").strip()
        except UnicodeDecodeError:
            raise UserError(f"{path}:{number}: is not UTF-8 text") from None
        if line:
            yield number, line


def read_table(path: str | Path) -> dict[str, str]:
    """Return a file of `id value` lines as a map, such as a Kaldi `text`; values may be empty.

    Raises:
        UserError: an id stands in two lines.
    """
    table: dict[str, str] = {}
    for number, line in numbered_lines(path):
        key, *value = line.split(None, 1)
        if key in table:
            raise UserError(f"{path}:{number}: utterance {key} is there a second time")
        table[key] = value[0] if value else ""
    return table


def parse_number(text: str | float, what: str, where: str) -> float:
    """A finite number, or a `UserError` at `where` (file:line) that names the field."""
    try:
        number = float(text)
    except (ValueError, TypeError):
        raise UserError(f"{where}: {what} '{text}' is not a number") from None
    if not math.isfinite(number):
        raise UserError(f"{where}: {what} is {text}; it must be finite")
    return number


def parse_json(text: str, where: str) -> Any:
    """A JSON value; a fault is told with its line (added to `where`, a file) and its column.

    A key that comes twice in one object is a fault: JSON would silently keep the second.
    """

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        keys = [key for key, _ in pairs]
        if len(set(keys)) != len(keys):
            twice = name_some({key for key in keys if keys.count(key) > 1})
            raise UserError(f"{where}: has a key more than once: {twice}")
        return dict(pairs)

    try:
        return json.loads(text, object_pairs_hook=unique)
    except json.JSONDecodeError as error:
        raise UserError(
            f"{where}:{error.lineno}: is not JSON: {error.msg} at column {error.colno}"
        ) from None


def name_some(names: Iterable[str], most: int = 5) -> str:
    """The first few of `names` in order, and how many more there are."""
    names = sorted(names)
    some = ", ".join(names[:most])
    return f"{some} and {len(names) - most} more" if len(names) > most else some


def write_atomically(path: str | Path, text: str) -> None:
    """Write a whole file or nothing: a reader never sees half of it."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
        # mkstemp makes a private file; the result is for everybody the umask allows.
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
