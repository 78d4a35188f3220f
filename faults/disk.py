"""Full disks: one line, and the same command finishes when there is room.

Root can mount small disks in memory; for others a limit on the size of files stands for them.
"""

import random
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from faults import children
from faults.kills import again, clean_run, empty
from faults.operations import Operation, make_inputs, tree
from faults.outcomes import Outcome, Verdict, judge_message

ROOM = 64 << 20  # bytes of the disk when there is room


def verdicts(count: int, seed: int, work: Path) -> Iterator[tuple[str, str, Verdict]]:
    """Yield the verdicts of `count` full disks per operation, of each kind."""
    rng = random.Random(seed)
    operations = make_inputs(work / "inputs")
    for operation in operations:
        yield from _limited(operation, work / "out", count, rng)
    with small_disk(work / "disk") as disk:
        for operation in operations if disk else ():
            yield from _mounted(operation, work / "disk", count, rng)


def _limited(operation: Operation, folder: Path, count: int, rng: random.Random) -> Iterator:
    expected, _ = clean_run(operation, folder)
    largest = max(map(len, expected.values()))
    for index in range(count):
        empty(folder)
        limit = rng.randrange(largest)
        end = children.run(operation.run, folder, children.Limits(file_bytes=limit, full=True))
        what = f"{operation.name} {index}: {limit} bytes a file"
        yield "full disk", what, judged(operation, folder, expected, end, what)


def _mounted(operation: Operation, folder: Path, count: int, rng: random.Random) -> Iterator:
    resize(folder, ROOM)
    expected, _ = clean_run(operation, folder)
    needed = sum(map(len, expected.values()))
    for index in range(count):
        empty(folder)
        room = 4096 * rng.randrange(1, max(2, needed // 4096))
        resize(folder, room)
        end = children.run(operation.run, folder)
        resize(folder, ROOM)
        what = f"{operation.name} {index}: a disk of {room} bytes"
        yield "full disk", what, judged(operation, folder, expected, end, what)


def judged(
    operation: Operation, folder: Path, expected: dict[str, bytes], end: children.End, what: str
) -> Verdict:
    """Return the verdict of a run on a full disk: one line, or all files; then the next run."""
    bad = end.bad(what)
    if bad is not None:
        return bad
    if end.status == 0:
        if tree(folder) == expected:
            return Verdict(Outcome.RIGHT)
        return Verdict(Outcome.WRONG, f"{what}: ended well without all of its files")
    lines = [line for line in end.printed.splitlines() if line.startswith("error: ")]
    if len(lines) != 1 or "Traceback" in end.printed:
        return Verdict(Outcome.TRACEBACK, f"{what}: {end.printed[-400:]}")
    second = again(operation, folder, expected, what)
    return judge_message(lines[0]) if second.outcome == Outcome.RIGHT else second


@contextmanager
def small_disk(folder: Path) -> Iterator[bool]:
    """Mount a disk in memory; yield whether that was possible."""
    folder.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={ROOM}", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:  # there is no such command
        mounted = False
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", str(folder)], check=True)


def resize(folder: Path, size: int) -> None:
    """Change the size of a mounted disk in memory."""
    subprocess.run(["mount", "-o", f"remount,size={size}", str(folder)], check=True)
