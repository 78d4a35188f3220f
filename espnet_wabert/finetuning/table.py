"""Read the csv of a fine-tuning: one clip per row, with its label."""

import csv
import io
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from espnet_wabert.errors import UserError
from espnet_wabert.formats.lines import decoded
from espnet_wabert.text.transcript import all_as_said

SPLITS = ("train", "valid", "test")
SPLIT_NAMES = {
    **{name: name for name in SPLITS},
    "training": "train", "dev": "valid", "val": "valid", "validation": "valid", "eval": "test",
}  # fmt: skip
REQUIRED, OPTIONAL = ("path", "label"), ("text", "split", "speaker")  # columns
DELIMITERS = (",", "\t", ";")
FIELDS = {"label", "utterance"}  # of results, which have the classes too
FEWEST = 3  # clips of a class: one for each split


class Clip(NamedTuple):
    """A row of the csv."""

    where: str  # file:line
    utterance: str  # id in the data folders
    given: str  # the path in the csv
    path: str  # absolute
    label: str
    text: str = ""  # as it is read aloud; "": not known
    split: str = ""  # one of SPLITS; "": not given
    speaker: str = ""  # "": not known


class Clips(NamedTuple):
    """All rows, the classes, the columns that there are, and remarks."""

    clips: list[Clip]
    labels: list[str]  # sorted
    columns: list[str]  # that are used
    notes: list[str]


def read_clips(path: Path) -> Clips:
    """Read a csv, tsv or semicolon-separated file with a header.

    Its columns are `path` and `label`, and perhaps `text`, `split` and `speaker`.

    Args:
        path: of the file; paths in it are relative to its folder.

    Raises:
        UserError: a column or a value is missing or wrong; it names file, line and field.
    """
    rows = _rows(path)
    number, header = next(rows, (1, []))
    columns, notes = _match(path, number, header)
    clips: list[Clip] = []
    seen: dict[str, str] = {}
    for number, row in rows:
        where = f"{path}:{number}"
        if len(row) != len(header):
            raise UserError(f"{where}: {len(row)} fields, but the header has {len(header)}")
        clip = _clip(path, number, {name: row[place].strip() for name, place in columns.items()})
        if clip.path in seen:
            raise UserError(f"{where}: path: {clip.given} is also in {seen[clip.path]}")
        seen[clip.path] = where
        clips.append(clip)
    return Clips(clips, check_classes(path, clips), list(columns), notes)


def check_classes(path: Path, clips: list[Clip]) -> list[str]:
    """Return the sorted classes; refuse fewer than two, and a class with too few clips."""
    counts: dict[str, int] = {}
    for clip in clips:
        counts[clip.label] = counts.get(clip.label, 0) + 1
    if len(counts) < 2:
        found = f"one class only ({next(iter(counts))})" if counts else "no clips"
        raise UserError(f"{path}: label: {found}; at least two classes are needed")
    few = [f"{label} ({count})" for label, count in sorted(counts.items()) if count < FEWEST]
    if few:
        raise UserError(
            f"{path}: label: fewer than {FEWEST} clips of {', '.join(few)}; training, validation"
            " and test each need one"
        )
    if taken := sorted(FIELDS & counts.keys()):
        raise UserError(f"{path}: label: no class can have the name {taken[0]!r}, of a field")
    return sorted(counts)


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows that are not blank, with the number of their first line."""
    text = decoded(path)
    header = text.strip().split("\n", 1)[0]
    delimiter = max(DELIMITERS, key=header.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    start = 1
    try:
        for row in reader:
            if any(field.strip() for field in row):
                yield start, row
            start = reader.line_num + 1
    except csv.Error as error:  # such as a quotation mark that is not closed
        raise UserError(f"{path}:{start}: is not csv: {error}") from None


def _match(path: Path, line: int, header: list[str]) -> tuple[dict[str, int], list[str]]:
    """Return the place of each column that is used, and a remark on the others."""
    names = [name.strip().lower() for name in header]
    for name in (*REQUIRED, *OPTIONAL):
        if names.count(name) > 1:
            raise UserError(f"{path}:{line}: column {name!r} occurs twice in the header")
        if name in REQUIRED and name not in names:
            raise UserError(
                f"{path}:{line}: no column {name!r}; the header has"
                f" {', '.join(names) or 'no columns'}"
            )
    used = {name: names.index(name) for name in (*REQUIRED, *OPTIONAL) if name in names}
    rest = [name or "one without a name" for name in names if name not in used]
    return used, [f"{path}: columns that are not used: {', '.join(rest)}"] if rest else []


def _clip(path: Path, line: int, values: dict[str, str]) -> Clip:
    """Return a checked row; an empty text is checked in `data`: test clips need none."""
    where = f"{path}:{line}"
    for field, value in values.items():
        if not value and field != "text":
            raise UserError(f"{where}: {field}: is empty")
    split = values.get("split", "")
    if split and split.lower() not in SPLIT_NAMES:
        raise UserError(f"{where}: split: {split!r}: one of {', '.join(SPLITS)}")
    words = all_as_said(values.get("text", "").split())
    return Clip(
        where,
        f"line{line:07d}",
        values["path"],
        str((path.parent / values["path"]).resolve()),
        _name(values["label"]),
        " ".join(word for word in words if word),
        SPLIT_NAMES.get(split.lower(), ""),
        _name(values.get("speaker", "")),
    )


def _name(text: str) -> str:
    """Return a name in the form that is the same for all who write it."""
    return unicodedata.normalize("NFC", " ".join(text.split()))
