"""Results as rows for other programs: JSON, JSON Lines and CSV."""

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence

Row = Mapping[str, object]


def to_json(rows: Sequence[Row]) -> str:
    """Return a list of objects."""
    return json.dumps(rows, ensure_ascii=False, indent=1) + "\n"


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
