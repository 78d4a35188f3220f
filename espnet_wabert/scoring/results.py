"""results.json: the figures of a run; each stage merges its own."""

import json
import math
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock

from espnet_wabert.errors import UserError, first_line
from espnet_wabert.formats.lines import load_json, write_atomically

DIGITS = 6  # significant digits of every number


def read_results(path: str | Path) -> dict[str, Any]:
    """Return the content of a results.json."""
    results = load_json(path)
    if not isinstance(results, dict):
        raise UserError(f"{path}:1: is not a JSON object of results")
    return results


def update_results(
    path: str | Path, values: Mapping[str | tuple[str, ...], Any], whole: bool = False
) -> dict[str, Any]:
    """Merge `values` into results.json and return all of it; several stages may do so at once.

    Keys may be nested (`{"tokens": {"top1": .3}}`), dotted (`{"tokens.top1": .3}`) or tuples
    (`{("tokens", "top1"): .3}`); inside a value a dot is part of the name. Other
    keys are kept; with `whole`, the named values are replaced, so that a row has no figures of an
    earlier run. Numbers are rounded to 6 digits; NaN and infinity, which JSON does not have, become
    null. Without values nothing is written, but the file and its folder are checked.

    Raises:
        UserError: the file is no JSON object, or it cannot be written.
    """
    path = Path(path)
    if path.is_dir():
        raise UserError(f"{path}: is a folder, not a results.json")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_name(f".{path.name}.lock")):
            return _update(path, values, whole)
    except OSError as error:
        reason = error.strerror or first_line(error)
        raise UserError(f"{path}: cannot be written: {reason}") from error


def _update(path: Path, values: Mapping[str | tuple[str, ...], Any], whole: bool) -> dict[str, Any]:
    results = read_results(path) if path.exists() else {}
    if values:
        for key, value in values.items():
            *parents, last = key if isinstance(key, tuple) else str(key).split(".")
            nested = {last: value}
            if whole:
                _drop(results, (*parents, last))
            for name in reversed(parents):
                nested = {name: nested}
            _merge(results, nested, str(path))
        write_atomically(path, json.dumps(results, indent=2, ensure_ascii=False) + "\n")
    return results


def mean_and_sd(runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the mean of each figure over runs (seeds) and its deviation, `<figure>_sd`.

    Only numbers are averaged; a figure that is None in any run is None. One run has no deviation.
    """
    if not runs:
        raise UserError("there is no run to average")
    means: dict[str, Any] = {}
    for key in runs[0]:
        apart = [number for number, run in enumerate(runs, start=1) if key not in run]
        if apart:
            raise UserError(f"run {apart[0]} lacks the figure {key}, which run 1 has")
        figures = [run[key] for run in runs]
        if any(figure is None for figure in figures):
            means[key] = None
        elif all(map(is_number, figures)):
            means[key] = statistics.fmean(figures)
            if len(runs) > 1:
                means[f"{key}_sd"] = statistics.stdev(figures)
    return means


def _drop(results: dict[str, Any], names: Sequence[str]) -> None:
    """Remove the value at the path `names`, if it exists."""
    inner: Any = results
    for name in names[:-1]:
        inner = inner.get(name)
        if not isinstance(inner, dict):
            return
    inner.pop(names[-1], None)


def _merge(results: dict[str, Any], values: Mapping[str, Any], where: str) -> None:
    """Merge `values` into `results`, recursively."""
    for key, value in values.items():
        name = str(key)
        if results.get(name) is None:
            results.pop(name, None)  # null: there was no figure; any type may replace it
        if name in results and isinstance(results[name], dict) != isinstance(value, Mapping):
            kinds = ["a value", "an object"]
            if isinstance(results[name], dict):
                kinds.reverse()
            raise UserError(f"{where}: {name} is {kinds[0]} there and cannot become {kinds[1]}")
        if isinstance(value, Mapping):
            _merge(results.setdefault(name, {}), value, f"{where}: {name}")
        else:
            results[name] = _plain(value)


def _plain(value: Any) -> Any:
    """Convert numpy numbers and arrays for JSON; round numbers."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None
    if value is None or isinstance(value, (bool, int, str)):
        return value
    return str(value)


def is_number(value: Any) -> bool:
    """Return whether a value of a results.json is a figure."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)
