"""Tables of a results.json, with the rows and columns that it has."""

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import batched
from typing import Any, NamedTuple

import numpy as np

from espnet_wabert.errors import UserError
from espnet_wabert.scoring.provenance import KEY, provenance_line
from espnet_wabert.scoring.results import is_number
from espnet_wabert.scoring.sentiment import confusion_scores
from espnet_wabert.scoring.table import Table

MISSING = "-"
MOST_COUNTS = 50  # characters of the heads of a confusion in a table
_WITHIN = re.compile(r"within_([\d.]+)ms")
_LOSSES = ("infonce", "cosine", "cosine_sum")  # the paper's loss first, then its baseline
_KNOWN = ("tokens", "seconds", "versions", "seed", KEY)


class Column(NamedTuple):
    """One column: its title, the key of its figures, and their format."""

    head: str
    key: str
    scale: float = 1.0
    decimals: int = 1
    spread: bool = True  # show `<key>_sd` too


SENTIMENT = (
    Column("weighted recall", "weighted_recall", 100),
    Column("weighted F1", "weighted_f1", 100),
    Column("macro F1", "macro_f1", 100),
    Column("Neutral+Positive F1", "neutral_positive_f1", 100),
    Column("WER", "wer", 100),
    Column("WER with apostrophes", "wer_apostrophes", 100),
)
TOKENS = (
    Column("count error", "count_error", decimals=2),
    Column("top-1 %", "top1", 100),
    Column("top-5 %", "top5", 100),
    Column("top-1 % with [CLS], [SEP]", "top1_with_cls_sep", 100),
    Column("WER %", "wer", 100),
    Column("WER % with apostrophes", "wer_apostrophes", 100),
)


def tables(results: Mapping[str, Any], commands: bool = False) -> list[Table]:
    """Return every table that the results have figures for, the paper's tables first.

    With `commands`, the last column shows the command of each row that has one.
    """
    found = []
    made_by = _object(results, KEY)
    for key in sorted((key for key in results if key.startswith("alignment")), key=len):
        table = alignment_table(_object(results, key), commands, key)
        found.append(_with_provenance(table, _object(made_by, key)))
    for key in results:
        if key == "sentiment" or key.startswith("sentiment_"):
            table = sentiment_table(_object(results, key), key, commands)
            found.append(_with_provenance(table, _object(made_by, key)))
    title = "Tokens (count and WER without, top-1 and top-5 with the number known)"
    found.append(_figures(title, (), [((), _object(results, "tokens"))], TOKENS, commands=False))
    seconds = [(key, _seconds(value)) for key, value in _flat(_object(results, "seconds"))]
    found.append(_pairs_table("Seconds per stage", ("stage", "s"), seconds))
    versions = [(key, str(value)) for key, value in _flat(_object(results, "versions"))]
    found.append(_pairs_table("Versions", ("package", "version"), versions))
    rest = {
        key: value
        for key, value in results.items()
        if key not in _KNOWN and not key.startswith(("alignment", "sentiment"))
    }
    lines = [(key, str(value)) for key, value in _flat({"seed": results.get("seed")} | rest)]
    shown = tuple(line for line in lines if line[1] != "None")
    found.append(Table("Also", ("key", "value"), shown, names=2) if shown else None)
    return [table for table in found if table is not None]


def _with_provenance(table: Table | None, rows: Mapping[str, Any]) -> Table | None:
    """Add a line on where the rows come from to the note of a table."""
    notes = [table.note, provenance_line(rows)] if table else []
    return table and table._replace(note="; ".join(filter(None, notes)))


def alignment_table(
    losses: Mapping[str, Any], commands: bool = False, key: str = "alignment"
) -> Table | None:
    """Word boundaries: one row per loss and method, the paper's Tables 1 and 2 side by side."""
    best = losses.get("best")
    rows: list[tuple] = []
    keys: dict[str, Any] = {}
    marked = None
    for loss in sorted(losses, key=lambda name: (*(name != known for known in _LOSSES),)):
        if not isinstance(losses[loss], Mapping):
            continue
        own = {key: value for key, value in losses[loss].items() if not isinstance(value, Mapping)}
        methods = {key: v for key, v in losses[loss].items() if isinstance(v, Mapping)}
        for method, figures in (methods or {MISSING: {}}).items():
            if best in (method, f"{loss}.{method}") and marked is None:
                marked = len(rows)
            row = {**own, **figures}
            rows.append(((loss, method), row))
            keys |= dict.fromkeys(row)
    tolerances = sorted(float(match[1]) for key in keys if (match := _WITHIN.fullmatch(key)))
    columns = (
        Column("mean", "mean_ms"),
        Column("median", "median_ms"),
        *(Column(f"≤{t:g}", f"within_{t:g}ms", 100, spread=False) for t in tolerances),
        Column("diagonal", "diagonal_accuracy", 100),
        Column("with [CLS], [SEP]", "diagonal_accuracy_with_cls_sep", 100),
        Column("words", "words", decimals=0, spread=False),
        Column("failed", "failed", decimals=0, spread=False),
    )
    spread = "; ±: deviation over seeds" if any(key.endswith("_sd") for key in keys) else ""
    note = "mean, median: ms; ≤N: % of boundaries within N ms; diagonal: % of aligned vectors "
    note += "nearest to their own token; failed: utterances" + spread
    if marked is not None:
        note += f"; the best method is {best}"
    part = key.removeprefix("alignment").strip("_").replace("_", " ")
    title = f"Word boundaries, {part}" if part else "Word boundaries"
    table = _figures(title, ("loss", "method"), rows, columns, commands)
    return table and table._replace(note=note, marked=marked)


def sentiment_table(
    systems: Mapping[str, Any], key: str = "sentiment", commands: bool = False
) -> Table | None:
    """Sentiment: one row per system, the majority class first."""
    names = sorted(systems, key=lambda name: name != "majority")
    rows = [((name,), systems[name]) for name in names if isinstance(systems[name], Mapping)]
    part = key.removeprefix("sentiment").strip("_").replace("_", " ")
    title = f"Sentiment, {part} (%)" if part else "Sentiment (%)"
    table = _figures(title, ("system",), rows, SENTIMENT, commands)
    spread = any(key.endswith("_sd") for _, row in rows for key in row)
    notes = ["±: deviation over seeds"] if spread else []
    counts = {row["utterances"] for _, row in rows if _has(row, "utterances")}
    if len(counts) > 1:
        notes.append("the rows were not scored on the same utterances")
    return table and table._replace(note="; ".join(notes))


def _figures(
    title: str,
    names: tuple[str, ...],
    rows: Sequence[tuple[tuple[str, ...], Mapping[str, Any]]],
    columns: Iterable[Column],
    commands: bool,
) -> Table | None:
    """Return the table of rows, without empty columns."""
    columns = [column for column in columns if any(_has(row, column.key) for _, row in rows)]
    heads = [column.head for column in columns]
    cells = [[*name, *(_cell(row, column) for column in columns)] for name, row in rows]
    bounds = "macro_f1_low", "macro_f1_high"
    if any(_has(row, bounds[0]) for _, row in rows):
        heads.append("macro F1 95 %")
        for line, (_, row) in zip(cells, rows, strict=True):
            ends = [_cell(row, Column("", key, 100)) for key in bounds]
            line.append(MISSING if MISSING in ends else "-".join(ends))
    if commands and any("command" in row for _, row in rows):
        heads.append("command")
        for line, (_, row) in zip(cells, rows, strict=True):
            line.append(f"`{row['command']}`" if "command" in row else MISSING)
    if not rows or not heads:
        return None
    return Table(title, (*names, *heads), tuple(map(tuple, cells)), len(names))


def _pairs_table(
    title: str, heads: tuple[str, str], pairs: Sequence[tuple[str, str]]
) -> Table | None:
    """Return a table of short pairs in three columns, to fit on one screen."""
    if not pairs:
        return None
    height = -(-len(pairs) // 3)
    stacks = [list(stack) for stack in batched(pairs, height)]
    rows = tuple(
        tuple(cell for stack in stacks for cell in (stack[row] if row < len(stack) else ("", "")))
        for row in range(height)
    )
    return Table(title, heads * len(stacks), rows, names=2 * len(stacks))


def _cell(row: Mapping[str, Any], column: Column) -> str:
    if not _has(row, column.key):
        return MISSING
    text = f"{row[column.key] * column.scale:.{column.decimals}f}"
    deviation = f"{column.key}_sd"
    if column.spread and _has(row, deviation):
        text += f"±{row[deviation] * column.scale:.{column.decimals}f}"
    return text


def _has(row: Mapping[str, Any], key: str) -> bool:
    return is_number(row.get(key))


def _seconds(value: Any) -> str:
    return f"{value:.1f}" if is_number(value) else str(value)


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, Any]]:
    """Nested objects as dotted keys."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _object(results: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = results.get(key, {})
    if not isinstance(value, Mapping):
        raise UserError(f"results: {key} is {value!r}; it must be an object")
    return value


def class_table(confusion: np.ndarray, classes: Sequence[str]) -> Table:
    """Precision, recall, F1, support and the confusion (C, C), rows: reference, by class.

    The confusion is left out if its columns would not fit on a terminal.
    """
    _, by_class = confusion_scores(confusion, classes)
    counted = [f"as {label}" for label in classes]
    if len(" ".join(counted)) > MOST_COUNTS:
        counted = []
    rows = tuple(
        (
            label,
            *(f"{100 * scores[place]:.1f}" for scores in by_class),
            str(confusion[place].sum()),
            *(str(count) for count in confusion[place][: len(counted)]),
        )
        for place, label in enumerate(classes)
    )
    title = "By class (%, and how many were called what)" if counted else "By class (%)"
    return Table(title, ("class", "precision", "recall", "F1", "support", *counted), rows)
