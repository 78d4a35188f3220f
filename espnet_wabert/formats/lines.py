"""Read text files line by line, with file and line number in every error; write atomically."""

import filecmp
import json
import math
import os
import re
import tempfile
import unicodedata
from collections.abc import Container, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from espnet_wabert.errors import UserError, first_line

# Python's float() also takes 1_000 and the digits of other scripts.
_NUMBER = re.compile(
    r"[+-]?(([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?|nan|inf|infinity)", re.IGNORECASE
)
PART = ".part."  # begins the name of a file that is being written
MOST_BYTES_OF_NAME = 240  # file systems take 255, with the suffix
NO_FILE_NAME = (
    f"its id holds a '/' or a control character, is not UTF-8, or has more than"
    f" {MOST_BYTES_OF_NAME} bytes, and cannot name a file"
)
_STREAM = re.compile(r"/dev/(?:std(out|err)|fd/([0-9]+))")
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")  # half a character in JSON


def read_bytes(path: str | Path) -> bytes:
    """Return the content of a file, or raise a `UserError` with the reason."""
    path = Path(path)
    if path.is_dir():
        raise UserError(f"{path}: is a folder, not a file")
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None


def numbered_lines(path: str | Path) -> Iterator[tuple[int, str]]:
    """Yield the lines of a UTF-8 file that are not blank, with their numbers from 1."""
    content = read_bytes(path).removeprefix(b"\xef\xbb\xbf")
    for number, raw in enumerate(content.split(b"\n"), start=1):
        try:
            line = raw.strip().decode("utf-8")  # ASCII blanks only
        except UnicodeDecodeError:
            raise UserError(f"{path}:{number}: is not UTF-8 text") from None
        if line:
            yield number, line


def decoded(path: str | Path) -> str:
    """Return the text of a file in UTF-8, or in UTF-16 with byte order mark, as Windows writes."""
    content = read_bytes(path)
    encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise UserError(f"{path}:{line}: is neither UTF-8 nor UTF-16 text") from None
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise UserError(f"{path}:{line}: has a NUL: UTF-16 needs a byte order mark")
    return text


def fields_of(line: str, most: int = -1) -> list[str]:
    """Return the fields between ASCII blanks, as Kaldi's tools part them.

    Other white space, such as a no-break space, belongs to its field. After `most` splits the rest
    is one field.
    """
    return [field.decode("utf-8") for field in line.encode("utf-8").split(None, most)]


def read_table(path: str | Path) -> dict[str, str]:
    """Return a file of `id value` lines as a map, such as a Kaldi `text`; values may be empty.

    Raises:
        UserError: an id occurs twice.
    """
    table: dict[str, str] = {}
    for number, line in numbered_lines(path):
        key, *value = fields_of(line, 1)
        refuse_second(key, table, f"{path}:{number}")
        table[key] = value[0] if value else ""
    return table


def refuse_second(utterance: str, seen: Container[str], where: str) -> None:
    """Raise a `UserError` with `where` (file:line) if an id was seen before."""
    if utterance in seen:
        raise UserError(f"{where}: utterance {utterance} occurs twice")


def to_number(text: str | float) -> float:
    """Return a number; raise ValueError for what is none in ASCII digits."""
    if isinstance(text, str):
        if not _NUMBER.fullmatch(text):
            raise ValueError(f"{text!r} is not a number")
    elif isinstance(text, bool) or not isinstance(text, int | float):
        raise ValueError(f"{text!r} is not a number")
    try:
        return float(text)
    except OverflowError:  # an integer of hundreds of digits
        return math.inf


def parse_number(text: str | float, what: str, where: str) -> float:
    """Return a finite number, or raise a `UserError` with `where` (file:line) and the field."""
    try:
        number = to_number(text)
    except ValueError:
        raise UserError(f"{where}: {what} '{text}' is not a number") from None
    if not math.isfinite(number):
        raise UserError(f"{where}: {what} is {text}; it must be finite")
    return number


def parse_json(text: str, where: str) -> Any:
    """Return a JSON value; an error has the line (added to `where`, a file) and the column.

    A repeated key in an object is an error: the json module would silently keep the last one.
    """

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        keys = [key for key, _ in pairs]
        if len(set(keys)) != len(keys):
            twice = name_some({key for key in keys if keys.count(key) > 1})
            raise UserError(f"{where}: has a key more than once: {twice}")
        return dict(pairs)

    try:
        value = json.loads(text, object_pairs_hook=unique)
        if _SURROGATE.search(text):
            json.dumps(value, ensure_ascii=False).encode("utf-8")
        return value
    except json.JSONDecodeError as error:
        raise UserError(
            f"{where}:{error.lineno}: is not JSON: {error.msg} at column {error.colno}"
        ) from None
    except RecursionError:
        raise UserError(f"{where}: is nested too deeply") from None
    except UnicodeEncodeError:
        raise UserError(f"{where}: has half a character, a surrogate such as \\ud800") from None
    except ValueError as error:  # an integer of thousands of digits
        if isinstance(error, UserError):
            raise
        raise UserError(f"{where}: {first_line(error)}") from None


def load_json(path: str | Path) -> Any:
    """Return the JSON value of a UTF-8 file; an error names the file, the line and the column."""
    try:
        return parse_json(read_bytes(path).decode("utf-8-sig"), str(path))
    except UnicodeDecodeError:
        raise UserError(f"{path}: is not UTF-8 text") from None


def name_some(names: Iterable[str], limit: int = 5) -> str:
    """Return the first `limit` of the sorted names and the number of the others."""
    names = sorted(names)
    some = ", ".join(names[:limit])
    return f"{some} and {len(names) - limit} more" if len(names) > limit else some


def is_file_name(name: str) -> bool:
    """Return whether an utterance id can name a file; `NO_FILE_NAME` says why not.

    Marks of direction, joiners and blanks of Unicode are parts of names in many languages.
    """
    bad = {"Cc", "Cs", "Zl", "Zp"}  # controls, half characters, ends of lines and paragraphs
    if "/" in name or any(unicodedata.category(c) in bad for c in name):
        return False
    return name not in ("", ".", "..") and len(name.encode()) <= MOST_BYTES_OF_NAME


def is_utf8(text: str) -> bool:
    """Return whether a text can be written: the arguments of a command may be in another code."""
    return not any(unicodedata.category(c) == "Cs" for c in text)


def as_id(name: str) -> str:
    """Return a name as an id in Kaldi's files, whose fields have no blanks: "_" for each."""
    return re.sub(r"[ \t\n\v\f\r]+", "_", name)


def same_content(temporary: Path, path: Path) -> bool:
    """Return whether a file is there already, with the content of another one."""
    return path.is_file() and filecmp.cmp(temporary, path, shallow=False)


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Name the file in an error of the disk, which has no name when a write fails."""
    try:
        yield
    except OSError as error:
        if error.errno is None or error.filename is not None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Give a temporary path with the same suffix, which replaces `path` when all is written.

    A kill or a full disk leaves the file that was there before, or none. A file with the same
    content stays, and with it the time of its last change.
    """
    path = Path(path).resolve()  # a link stays one
    # Several processes may write the same file: each has its own temporary one.
    handle, name = tempfile.mkstemp(path.suffix, PART, path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        with _naming(path):
            yield temporary
        # mkstemp makes a private file; apply the umask as open() does.
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        if same_content(temporary, path):
            temporary.unlink()
        else:
            os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_atomically(path: str | Path, text: str) -> None:
    """Write a file completely or not at all; write into a pipe, a device or an open stream."""
    path = Path(path)
    number = _descriptor(path)
    if path.exists() and (number is not None or not path.is_file()):
        with (
            _naming(path),
            open(path if number is None else os.dup(number), "w", encoding="utf-8") as file,
        ):
            file.write(text)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_lines(path: str | Path, lines: Iterable[str]) -> None:
    """Write lines, as `write_atomically` writes a text."""
    write_atomically(path, "".join(f"{line}\n" for line in lines))


def is_stream(path: str | Path) -> bool:
    """Return whether a path is that of an open stream, such as /dev/stdout."""
    return _descriptor(Path(path)) is not None


def _descriptor(path: Path) -> int | None:
    """Return the number of an open stream; a file that it is redirected to must not be replaced."""
    found = _STREAM.fullmatch(str(path))
    return found and int(found[2] or ("out", "err").index(found[1]) + 1)
