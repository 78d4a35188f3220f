"""Damaged results: a file that a stage has written is damaged, and the stage runs again."""

import random
from collections.abc import Iterator
from pathlib import Path

from espnet_wabert.models.weights_file import SUFFIX, intact
from faults import children, damage
from faults.drawn import drawn
from faults.kills import clean_run, empty
from faults.operations import Operation, make_inputs, tree
from faults.outcomes import Outcome, Verdict, judge_message


def verdicts(count: int, seed: int, work: Path) -> Iterator[tuple[str, str, Verdict]]:
    """Yield the verdicts of `count` damaged files per operation."""
    rng = random.Random(seed)
    for operation in make_inputs(work / "inputs"):
        folder = work / "out"
        expected, _ = clean_run(operation, folder)
        for index in range(count):
            empty(folder)
            children.run(operation.run, folder)
            files = [p for p in sorted(folder.rglob("*")) if p.is_file() and p.name[0] != "."]
            path = rng.choice(files)
            how = _damage(path, rng)
            what = f"{operation.name} {index}: {path.name} {how}"
            end = children.run(operation.run, folder)
            yield "damaged and run again", what, _judge(operation, expected, folder, end, what)


def _damage(path: Path, rng: random.Random) -> str:
    """Damage a file; return how."""
    how = rng.choice(["removed", "emptied", "cut", "other bits", "other bits", "anything"])
    content = path.read_bytes()
    kinds = {"cut": damage.cuts, "other bits": damage.flips, "anything": damage.of_bytes}
    if how == "removed":
        path.unlink()
    else:
        some = drawn(kinds[how](content), 3, rng.randrange(1 << 30)) if how in kinds else [b""]
        path.write_bytes(some[-1])
    return how


def _judge(
    operation: Operation, expected: dict[str, bytes], folder: Path, end: children.End, what: str
) -> Verdict:
    bad = end.bad(what)
    if bad is not None:
        return bad
    if end.status:
        return judge_message(end.printed.strip().splitlines()[-1])
    found = tree(folder)
    if found == expected:
        return Verdict(Outcome.RIGHT)
    differing = [n for n in expected.keys() | found.keys() if found.get(n) != expected.get(n)]
    other = differing[0]
    if operation.checked and ".pth" in other:
        if not intact(folder / other.removesuffix(SUFFIX)):
            return Verdict(Outcome.CLEAN, f"{what}: found when it is read")
        if all(name.endswith(SUFFIX) for name in differing):
            return Verdict(Outcome.RIGHT, f"{what}: only the file of a checksum differs")
    # A number that has become another one is still a number.
    outcome = Outcome.WRONG if operation.checked else Outcome.UNNOTICED
    return Verdict(outcome, f"{what}: {other} differs")
