"""The record of a stage, or of a part of one: its options, what it read and what it wrote.

`begin` and `end` write it around a stage; `reason_to_run` compares it with the files as they are.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from espnet_wabert.errors import UserError
from espnet_wabert.formats.lines import read_bytes, write_atomically
from espnet_wabert.formats.states import MISSING, RECORDINGS, states

BEGUN = ".begun"  # suffix of the record of a stage that has not ended


@dataclass
class StageRecord:
    """What a stage depends on, and what it wrote.

    Attributes:
        options: those of the recipe that change the stage, by name.
        inputs: state of each file that the stage reads, from before it began.
        wanted: the files and folders that the stage writes.
        outputs: state of each file that the stage has written.
        existing: FILE or FILE#KEY: what must exist of a file that others change too; KEY is a
            dotted name in JSON.
    """

    options: dict[str, str]
    inputs: dict[str, str]
    wanted: list[str]
    outputs: dict[str, str] = field(default_factory=dict)
    existing: list[str] = field(default_factory=list)


def describe(
    options: Mapping[str, str],
    inputs: Iterable[str],
    outputs: Iterable[str],
    existing: Iterable[str] = (),
) -> StageRecord:
    """Return the record of a stage that begins now."""
    return StageRecord(
        dict(options), _states(inputs), list(dict.fromkeys(outputs)), {}, list(existing)
    )


def reason_to_run(path: Path, now: StageRecord) -> str | None:
    """Return why a stage has to be run, "" if it was never done, or None if it is done.

    Args:
        path: of the record of its last run.
        now: the record of a run that would begin now.
    """
    if not path.is_file():
        return ""
    try:
        before = StageRecord(**json.loads(path.read_text(encoding="utf-8")))
        same = (before.wanted, before.existing) == (now.wanted, now.existing)
        return (
            _changed_option(before.options, now.options)
            or ("" if same else "it writes other files")
            or _changed_file(before.inputs, now.inputs)
            or _changed_file(before.outputs, _states(now.wanted), more=False)
            or next((f"{name} is missing" for name in now.existing if not _exists(name)), None)
        )
    except (ValueError, TypeError, AttributeError):
        return f"{path} is damaged"


def begin(path: Path, record: StageRecord) -> None:
    """Note that a stage begins; its last record is no longer valid."""
    _write(Path(f"{path}{BEGUN}"), record)
    path.unlink(missing_ok=True)


def end(path: Path) -> None:
    """Write the record of the stage that has begun at `path`, with what it has written.

    Raises:
        UserError: no stage has begun there.
    """
    begun = Path(f"{path}{BEGUN}")
    if not begun.is_file():
        raise UserError(
            f"{begun}: missing: its folder was removed, or another run is in this stage"
        )
    record = StageRecord(**json.loads(begun.read_text(encoding="utf-8")))
    record.outputs = _states(record.wanted)
    _write(path, record)
    begun.unlink()


def _states(paths: Iterable[str]) -> dict[str, str]:
    return {name: state for path in dict.fromkeys(paths) for name, state in states(path).items()}


def _write(path: Path, record: StageRecord) -> None:
    try:
        write_atomically(path, json.dumps(asdict(record), indent=1))
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror}") from error


def _exists(wanted: str) -> bool:
    file, _, key = wanted.partition("#")
    if not Path(file).is_file():
        return False
    value = json.loads(read_bytes(file)) if key else {}
    for name in filter(None, key.split(".")):
        if name not in value:
            return False
        value = value[name]
    return True


def _changed_option(before: Mapping[str, str], now: Mapping[str, str]) -> str:
    for name in dict.fromkeys([*now, *before]):
        if before.get(name) != now.get(name):
            return f"--{name} was '{before.get(name, '')}', is '{now.get(name, '')}'"
    return ""


def _changed_file(before: Mapping[str, str], now: Mapping[str, str], more: bool = True) -> str:
    """Name the first file that has changed; with `more`, one that is new is a change."""
    for name in dict.fromkeys([*before, *(now if more else ())]):
        if before.get(name, MISSING) == now.get(name, MISSING):
            continue
        if name.endswith(RECORDINGS):
            return f"a recording of {name.removesuffix(RECORDINGS)} has changed"
        if before.get(name, MISSING) == MISSING:
            return f"{name} is new"
        return f"{name} {'is missing' if now.get(name, MISSING) == MISSING else 'has changed'}"
    return ""
