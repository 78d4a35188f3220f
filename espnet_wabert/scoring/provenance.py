"""The provenance of the rows of a table: one line beside it, and a remark where rows differ.

A results.json has it under `provenance.<table>.<row>`, as `models.provenance` describes it:
`trained` of the model, `decoded` of its output, `scored` of the figures.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from espnet_wabert.constants import PROVENANCE
from espnet_wabert.errors import UserError
from espnet_wabert.formats.lines import load_json

KEY = "provenance"  # in a results.json
SHOWN = ("commit", "threads", "machine")  # of the training, in the line beside a table
COMPARED = ("commit", "threads", "machine", "corpus", "versions")


def read_provenance(decoded: Iterable[Path]) -> dict[str, Any]:
    """Return the provenance of what was decoded; of several seeds: what they have in common.

    A value that differs is the list of the values. Other aligners' output has none.
    """
    found = []
    for folder in decoded:
        path = folder / PROVENANCE
        if path.is_file():
            found.append(load_json(path))
            if not isinstance(found[-1], dict):
                raise UserError(f"{path}:1: is not a JSON object")
    return _common(found) if found else {}


def provenance_line(rows: Mapping[str, Any]) -> str:
    """Return one line on the provenance of a table, "" if nothing is known.

    Args:
        rows: provenance of each row by its name.
    """
    trained = {
        name: row["trained"] for name, row in rows.items() if isinstance(row.get("trained"), dict)
    }
    if not trained:
        return ""
    apart = []
    for field in COMPARED:
        values: dict[str, list[str]] = {}
        for name, row in trained.items():
            values.setdefault(json.dumps(row.get(field), sort_keys=True), []).append(name)
        if len(values) > 1:
            apart.append(f"{field} ({'; '.join(_of_rows(values, field))})")
    if apart:
        return f"the rows were not trained alike: {', '.join(apart)}"
    row = next(iter(trained.values()))
    shown = [f"{field}: {_text(row[field])}" for field in SHOWN if row.get(field) is not None]
    return f"trained with {', '.join(shown)}" if shown else ""


def _of_rows(values: Mapping[str, Sequence[str]], field: str) -> list[str]:
    """Return which rows have which value; of versions and hashes only which rows are alike."""
    if field in ("versions", "corpus"):
        return [", ".join(names) for names in values.values()]
    return [f"{_text(json.loads(value))}: {', '.join(names)}" for value, names in values.items()]


def _text(value: Any) -> str:
    return " and ".join(map(_text, value)) if isinstance(value, list) else str(value)


def _common(found: Sequence[Any]) -> Any:
    """Return the value that all have, the list of different ones, or that of each field."""
    if all(isinstance(one, dict) for one in found):
        names = dict.fromkeys(name for one in found for name in one)
        return {name: _common([one.get(name) for one in found]) for name in names}
    different = [one for place, one in enumerate(found) if one not in found[:place]]
    return different[0] if len(different) == 1 else different
