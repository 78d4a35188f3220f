"""What all benchmarks tell: the machine, the versions, and the noise of their times."""

import json
import platform
import statistics

import torch

from espnet_wabert.models.provenance import commit, machine


def describe(threads):
    """The kind of processor and the versions; nothing that names the machine."""
    return {
        "cpu": machine(), "threads": threads,
        "torch": torch.__version__, "python": platform.python_version(),
        "commit": commit() or "none",
    }  # fmt: skip


def spread(times):
    """Minimum, median and maximum of the repetitions."""
    return {"min": min(times), "median": statistics.median(times), "max": max(times)}


def save(out, name, result):
    """Write a result to OUT/NAME.json."""
    out.mkdir(parents=True, exist_ok=True)
    (out / f"{name}.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
