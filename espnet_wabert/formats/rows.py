"""Results for other programs: JSON, and rows as JSON Lines and CSV."""

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence

Row = Mapping[str, object]


def to_json(value: object) -> str:
    """Return lists and objects with a line for each entry."""
    return json.dumps(value, ensure_ascii=False, indent=1) + "\n"


def to_jsonl(rows: Sequence[Row]) -> str:
    """Return an object per line."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def to_csv(rows: Sequence[Row]) -> str:
    """Return a table with a header; its columns are the keys of the first row."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]) if rows else [], lineterminator="\n")
    if rows:
        writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


FORMATS: dict[str, Callable[[Sequence[Row]], str]] = {
    "json": to_json,
    "jsonl": to_jsonl,
    "csv": to_csv,
}
