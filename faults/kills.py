"""Kills while files are written: the next run gives what a run without interruptions gives.

A third of the kills are inside a write: the kernel cuts a write at a random byte, and the next one
ends the process. A third are just before a file is made, renamed or removed. The others come at a
random moment.
"""

import random
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

from faults import children
from faults.operations import Operation, make_inputs, tree
from faults.outcomes import Outcome, Verdict

KINDS = ("inside a write", "before a step", "at a moment")
TRIALS = 20  # to hit an operation that may be faster than the kill


def verdicts(count: int, seed: int, work: Path) -> Iterator[tuple[str, str, Verdict]]:
    """Yield class, name and verdict of `count` kills of each kind per operation."""
    rng = random.Random(seed)
    for operation in make_inputs(work / "inputs"):
        folder = work / "out"
        expected, seconds = clean_run(operation, folder)
        largest = max(map(len, expected.values()))
        for kind in KINDS:
            for index in range(count):
                verdict = kill(operation, folder, expected, rng, kind, largest, seconds)
                yield f"kills {kind}", f"{operation.name} {index}", verdict


def clean_run(operation: Operation, folder: Path) -> tuple[dict[str, bytes], float]:
    """Return the files that an operation writes without interruptions, and its seconds."""
    for _ in range(2):  # the first one may compile
        empty(folder)
        end = children.run(operation.run, folder)
        if end.status or end.signal:
            raise RuntimeError(f"{operation.name}: {end.printed}")
    return tree(folder), end.seconds


def empty(folder: Path) -> None:
    """Make an empty folder; it may be the root of a mounted disk."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.iterdir():
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def kill(
    operation: Operation, folder: Path, expected: dict[str, bytes], rng: random.Random,
    kind: str, largest: int, seconds: float,
) -> Verdict:  # fmt: skip
    """Kill an operation, run it again, and compare."""
    for trial in range(TRIALS):
        empty(folder)
        limits = children.some_limits(rng, kind, largest, seconds / (trial + 1))
        killed = children.run(operation.run, folder, limits)
        if killed.signal and killed.signal != signal.SIGALRM:
            break
        if killed.signal or killed.status:
            return killed.bad(str(limits)) or Verdict(Outcome.TRACEBACK, killed.printed[-300:])
    else:
        return Verdict(Outcome.WRONG, "was never killed: it is too fast")
    if operation.whole:
        halves = [name for name, content in tree(folder).items() if half(name, content, expected)]
        if halves:
            return Verdict(Outcome.LOST, f"{halves[0]} was left half, at {limits}")
    return again(operation, folder, expected, str(limits))


def half(name: str, content: bytes, expected: dict[str, bytes]) -> bool:
    """Return whether a file is the beginning of the one that it should be, and less."""
    wanted = expected.get(name, b"")
    return len(content) < len(wanted) and wanted.startswith(content)


def again(operation: Operation, folder: Path, expected: dict[str, bytes], what: str) -> Verdict:
    """Run an operation once more and compare what it has written."""
    end = children.run(operation.run, folder)
    bad = end.bad(what)
    if bad is not None:
        return bad
    if end.status:
        return Verdict(Outcome.LOST, f"{what}: cannot go on: {end.printed[-300:]}")
    found = tree(folder)
    for name in expected.keys() | found.keys():
        if found.get(name) != expected.get(name):
            state = "is missing" if name not in found else "differs"
            return Verdict(Outcome.LOST, f"{what}: {name} {state} after the second run")
    return Verdict(Outcome.RIGHT)
