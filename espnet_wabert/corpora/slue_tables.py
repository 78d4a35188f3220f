"""SLUE-VoxCeleb's tables: the TSV files of the archive, and copies of the gated dataset.

Columns are found by their name in the header, never by position.
"""

import csv
import io
import math
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from espnet_wabert.errors import UserError, first_line
from espnet_wabert.formats.lines import to_number

COLUMNS = (
    "id",
    "speaker_id",
    "normalized_text",
    "sentiment",
    "start_second",
    "end_second",
)


class Row(NamedTuple):
    """One utterance of a table; None for a missing column or value."""

    id: str
    speaker_id: str | None
    normalized_text: str | None
    sentiment: str | None
    start_second: float | None
    end_second: float | None
    where: str


class Table(NamedTuple):
    """Rows of a table by id, its file, and the number of lines with stray quotation marks."""

    rows: dict[str, Row]
    path: Path
    stray: int = 0


def read_table(path: Path, needed: Iterable[str]) -> Table:
    """Read a .tsv or .parquet file that has the `needed` columns."""
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    stray = 0
    if path.suffix == ".parquet":
        columns, records = _read_parquet(path)
    else:
        columns, records, stray = _read_tsv(path)
    for name in needed:
        if name not in columns:
            raise UserError(
                f"{path}: column {name!r} is missing; the header has {', '.join(columns)}"
            )
    return Table(unique_rows(_row(record, where) for record, where in records), path, stray)


def unique_rows(rows: Iterable[Row]) -> dict[str, Row]:
    """Return rows by id; raise UserError for a repeated id."""
    unique: dict[str, Row] = {}
    for row in rows:
        if row.id in unique:
            first = unique[row.id].where
            raise UserError(f"{row.where}: id {row.id!r} is also in {first}; ids must be unique")
        unique[row.id] = row
    return unique


def _read_tsv(path: Path) -> tuple[list[str], list[tuple[dict, str]], int]:
    """Return the header; for each line its fields by name and its place; and the stray quotes."""
    stray = 0
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            text = file.read()
        try:
            lines = _lines(text, csv.QUOTE_MINIMAL)
        except csv.Error:
            lines, stray = _unquoted(_lines(text, csv.QUOTE_NONE))
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path}: not a table of tab-separated values: {error}") from None
    header = [name.strip() for name in lines[0][1]] if lines else []
    lines = lines[1:]
    if len(set(header)) != len(header):
        raise UserError(f"{path}:1: a column name occurs twice: {', '.join(header)}")
    records = []
    for number, fields in lines:
        if len(fields) != len(header):
            raise UserError(
                f"{path}:{number}: {len(fields)} fields, but the header has {len(header)}"
            )
        records.append((dict(zip(header, fields, strict=True)), f"{path}:{number}"))
    return header, records, stray


def _lines(text: str, quoting: int) -> list[tuple[int, list[str]]]:
    """Return the number and the fields of each line; csv.Error where quotation marks do not fit.

    A quotation mark that is never closed would take the lines after it into its field.
    """
    # str.splitlines would also part a text at U+2028 and the like.
    file = io.StringIO(text, newline="")
    reader = csv.reader(file, delimiter="\t", strict=True, quoting=quoting)  # type: ignore[arg-type]
    lines = [(reader.line_num, fields) for fields in reader if fields]
    if any("\n" in field for _, fields in lines for field in fields):
        raise csv.Error("a field of several lines")
    return lines


def _unquoted(lines: list[tuple[int, list[str]]]) -> tuple[list[tuple[int, list[str]]], int]:
    """Return the lines without the marks around whole fields; and how many have other marks."""
    found, stray = [], 0
    for number, fields in lines:
        whole = [len(f) > 1 and f[0] == f[-1] == '"' for f in fields]
        stray += any('"' in f for f, quoted in zip(fields, whole, strict=True) if not quoted)
        plain = zip(fields, whole, strict=True)
        found.append((number, [f[1:-1].replace('""', '"') if q else f for f, q in plain]))
    return found, stray


def _read_parquet(path: Path) -> tuple[list[str], list[tuple[dict, str]]]:
    """Return the same for a parquet file, without its audio column."""
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise UserError(f"{path}: reading parquet needs the package pyarrow") from None
    try:
        header = parquet.read_schema(path).names
        wanted = [name for name in header if name in COLUMNS]
        records = parquet.read_table(path, columns=wanted).to_pylist()
    except (pyarrow.ArrowException, OSError) as error:
        reason = first_line(error)
        raise UserError(f"{path}: not a parquet table: {reason}") from None
    return header, [(record, f"{path}: row {n}") for n, record in enumerate(records)]


def _row(record: dict, where: str) -> Row:
    texts = {
        name: None if record.get(name) is None else str(record[name]).strip()
        for name in ("id", "speaker_id", "normalized_text", "sentiment")
    }
    for name in ("id", "speaker_id"):
        # The archive's table completes a copy without speakers.
        given = name in record or name == "id"
        if given and len((texts[name] or "").split()) != 1:
            raise UserError(f"{where}: {name} is {record.get(name)!r}, not one word")
    seconds = {name: _second(record, name, where) for name in ("start_second", "end_second")}
    return Row(**texts, **seconds, where=where)  # type: ignore[arg-type]  # fields by name


def _second(record: dict, name: str, where: str) -> float | None:
    value = record.get(name)
    if value in (None, ""):
        return None
    try:
        second = to_number(value.strip() if isinstance(value, str) else value)
    except ValueError:
        second = math.nan
    if not math.isfinite(second):
        raise UserError(f"{where}: {name} is {value!r}, not a number of seconds")
    return second
