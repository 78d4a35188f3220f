"""`make faults`: all fault tests, the table of docs/reliability.md, and faults/results.json.

PYTHONPATH=tests python -m faults                     the long form, half an hour
PYTHONPATH=tests python -m faults --scale 0.1         a tenth of the tries
PYTHONPATH=tests python -m faults --only kills        one class
PYTHONPATH=tests python -m faults --only memory --minutes 60    an hour of alignment
"""

import json
import logging
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click

from espnet_wabert.formats.lines import write_atomically
from espnet_wabert.models.provenance import commit
from faults import (
    audio,
    commands,
    disk,
    kills,
    machines,
    memory,
    models,
    options,
    parsers,
    replays,
    trainings,
)
from faults.outcomes import SECONDS, Outcome, Tally

ROOT = Path(__file__).resolve().parent.parent
DOCS, RESULTS = ROOT / "docs/reliability.md", ROOT / "faults/results.json"
LOOP = "memory in a loop"
BEGIN, END = "<!-- faults: begin -->", "<!-- faults: end -->"
# Tries of the long form: damaged files of each format, wrong options, interruptions of each
# operation and kind.
TRIES: dict[str, tuple[Any, int]] = {
    "text, tables, yaml, json": (parsers, 60),
    "recordings": (audio, 40),
    "models and configurations": (models, 40),
    "commands": (commands, 15),
    "options and paths": (options, 40),
    "kills": (kills, 8),
    "full disk": (disk, 4),
    "damaged results": (replays, 8),
    "workers and machines": (machines, 6),
    "processes of a training": (trainings, 2),
}


@click.command()
@click.option("--seed", default=1, show_default=True, help="Of all tries.")
@click.option("--scale", default=1.0, show_default=True, help="Factor on the number of tries.")
@click.option("--only", help="A part of the names of the classes to run; nothing is written.")
@click.option("--minutes", default=10.0, show_default=True, help="Of the loop; 0: none.")
def main(seed: int, scale: float, only: str | None, minutes: float) -> None:
    """Run all fault tests; end with status 1 if a try is a traceback, wrong, a hang or a loss."""
    logging.disable(logging.ERROR)
    tally, begun, loop, code = Tally(), time.time(), None, commit()  # as it is loaded
    with tempfile.TemporaryDirectory(prefix="faults_") as work:
        os.environ["XDG_CACHE_HOME"] = f"{work}/cache"
        for number, (name, (module, count)) in enumerate(TRIES.items()):
            if only is None or only in name:
                run_class(tally, name, module, max(1, round(scale * count)), seed,
                          Path(work) / str(number))  # fmt: skip
                click.echo(f"{name}: {tally.total()} tries so far, {time.time() - begun:.0f} s")
        if minutes and (only is None or only in LOOP):
            found, loop = memory.verdict(minutes, Path(work) / "memory")
            tally.add(LOOP, f"{minutes} minutes", found)
            click.echo(f"{LOOP}: {json.dumps(loop)}")
    report = table(tally)
    click.echo(report)
    for line in tally.bad:
        click.echo(f"error: {line}", err=True)
    if only is None:
        write(report, tally, code, seed, scale, loop, time.time() - begun)
    sys.exit(bool(tally.bad))


def run_class(tally: Tally, name: str, module: Any, count: int, seed: int, work: Path) -> None:
    """Run one class of tries; those of interruptions name theirs."""
    work.mkdir(parents=True, exist_ok=True)
    verdicts: Callable | None = getattr(module, "verdicts", None)
    if verdicts is None:
        tally.run(name, module.tries(count, seed, work), getattr(module, "LIMIT", SECONDS))
        return
    for own, what, verdict in verdicts(count, seed, work):
        tally.add(own, what, verdict)


def table(tally: Tally) -> str:
    """Return the counts as Markdown."""
    heads = ["class", "tries", *map(str, Outcome)]
    counts = tally.as_dict()
    total = {key: sum(row[key] for row in counts.values()) for key in heads[1:]}
    lines = [f"| {' | '.join(heads)} |", f"|{' --- |' + ' --: |' * (len(heads) - 1)}"]
    for name, row in {**counts, "all": total}.items():
        lines.append(f"| {name} | {' | '.join(str(row[key]) for key in heads[1:])} |")
    return "\n".join(lines)


def write(
    report: str,
    tally: Tally,
    code: str | None,
    seed: int,
    scale: float,
    loop: dict | None,
    seconds: float,
) -> None:
    """Write the table into the documentation, and all figures as JSON."""
    names = ("torch", "transformers", "hypothesis", "soundfile", "numpy", "pyarrow")
    facts = {
        "commit": code, "seed": seed, "scale": scale, "seconds": round(seconds),
        "versions": {"python": platform.python_version(), **{n: version(n) for n in names}},
        "memory": loop, "counts": tally.as_dict(), "bad": tally.bad,
    }  # fmt: skip
    write_atomically(RESULTS, json.dumps(facts, indent=1, ensure_ascii=False) + "\n")
    note = f"Commit {code}, seed {seed}, {tally.total()} tries in {seconds / 60:.0f} minutes."
    if loop is not None:
        note += (
            f" {loop['minutes']:g} minutes of alignment and classification in a loop"
            f" ({loop['recordings']} recordings of 0.25 to 4 s): memory grew by"
            f" {loop['growth_megabytes']} MB of {loop['megabytes']}."
        )
    text = DOCS.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN, 1)
    after = rest.split(END, 1)[1]
    write_atomically(DOCS, f"{before}{BEGIN}\n{note}\n\n{report}\n{END}{after}")


if __name__ == "__main__":
    main()
