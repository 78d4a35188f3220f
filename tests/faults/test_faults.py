"""A few fault and fuzz tries of each class; `make faults` runs thousands."""

import os
import signal
import threading
from pathlib import Path

import pytest
from tqdm import tqdm

from espnet_wabert.errors import UserError
from faults import children, disk, kills, memory, replays
from faults.__main__ import TRIES, run_class, table
from faults.operations import Operation, make_inputs
from faults.outcomes import Outcome, Tally, Try, Verdict, judge

FEW = {"text, tables, yaml, json": 6, "recordings": 4, "models and configurations": 4,
       "commands": 1, "options and paths": 9}  # fmt: skip


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.mark.parametrize("name", FEW)
def test_hostile_input_is_right_or_one_line(name, tmp_path, monkeypatch):
    module = TRIES[name][0]
    monkeypatch.setattr("faults.options._values", lambda work, mark: iter(()))  # a minute
    monkeypatch.setattr("faults.options._paths", lambda work, mark: iter(()))
    tally = Tally()
    run_class(tally, name, module, FEW[name], 3, tmp_path)
    assert tally.total() >= FEW[name] and not tally.bad


@pytest.mark.parametrize("module", [kills, disk, replays])
def test_interruptions_lose_nothing(module, tmp_path, monkeypatch):
    """Of the operations without a model: the others take longer."""
    some = [o for o in make_inputs(tmp_path / "made") if o.name in QUICK]
    monkeypatch.setattr(module, "make_inputs", lambda work: some)
    tally = Tally()
    run_class(tally, "", module, 1, 2, tmp_path)
    assert len(some) == len(QUICK) and tally.total() >= len(QUICK) and not tally.bad


QUICK = ("checkpoints of training", "results.json", "alignments", "unpacked model")


def test_every_operation_runs_without_a_kill(tmp_path):
    for operation in make_inputs(tmp_path / "made"):
        expected, _ = kills.clean_run(operation, tmp_path / operation.name.replace(" ", "_"))
        assert expected, operation.name


def test_memory_of_a_loop(tmp_path):
    found, figures = memory.verdict(0.05, tmp_path)
    assert found.outcome == Outcome.RIGHT and figures["rounds"] > 3


def outcome_of(act, verdict=lambda value: Verdict(Outcome.RIGHT), seconds=5.0):
    return judge(Try("", act, verdict), seconds).outcome


def failing(error):
    raise error


def test_the_judge_tells_outcomes_apart():
    assert outcome_of(lambda: 1) == Outcome.RIGHT
    assert outcome_of(lambda: failing(UserError("x.ctm:1: no"))) == Outcome.CLEAN
    assert outcome_of(lambda: failing(UserError(""))) == Outcome.TRACEBACK
    assert outcome_of(lambda: failing(KeyError("x"))) == Outcome.TRACEBACK
    assert outcome_of(lambda: 1, lambda value: Verdict(Outcome.WRONG)) == Outcome.WRONG
    read, _ = os.pipe()
    assert outcome_of(lambda: os.read(read, 1), seconds=0.2) == Outcome.HANG


def write_in_place(folder: Path) -> None:
    (folder / "out.txt").write_text("x" * 1000)


def write_once(folder: Path) -> None:
    """Lose what a kill interrupts: a second run believes that all is there."""
    if not (folder / "out.txt").exists():
        write_in_place(folder)


@pytest.mark.parametrize("act", [write_in_place, write_once])
def test_a_half_file_is_found(act, tmp_path):
    """A write in place is seen after a kill inside it, whether or not it is mended later."""
    operation = Operation("in place", act)
    expected, _ = kills.clean_run(operation, tmp_path / "out")
    kills.empty(tmp_path / "out")
    killed = children.run(act, tmp_path / "out", children.Limits(file_bytes=400))
    assert killed.signal and (tmp_path / "out/out.txt").stat().st_size == 400
    halves = [n for n, c in kills.tree(tmp_path / "out").items() if kills.half(n, c, expected)]
    assert halves == ["out.txt"]
    after = kills.again(operation, tmp_path / "out", expected, "")
    assert after.outcome == (Outcome.LOST if act is write_once else Outcome.RIGHT)


def test_a_full_disk_is_seen(tmp_path):
    limits = children.Limits(file_bytes=400, full=True)
    end = children.run(write_in_place, tmp_path, limits)
    assert end.status == children.CLEAN and "File too large" in end.printed


def test_a_child_that_hangs_is_ended(tmp_path, monkeypatch):
    monkeypatch.setattr(children, "SECONDS", 1)
    end = children.run(lambda folder: threading.Event().wait(), tmp_path)
    assert end.bad("waits").outcome == Outcome.HANG


def test_a_killed_child_keeps_no_lock_of_the_next_one(tmp_path):
    def killed(folder):
        tqdm.get_lock().acquire()
        os.kill(os.getpid(), signal.SIGKILL)

    assert children.run(killed, tmp_path).signal == signal.SIGKILL
    assert children.run(lambda folder: list(tqdm(range(2))), tmp_path).bad("counts") is None


def test_the_table_has_every_outcome():
    tally = Tally()
    tally.add("one", "", Verdict(Outcome.RIGHT))
    tally.add("one", "a", Verdict(Outcome.LOST, "b"))
    assert "| all | 2 | 1 | 0 | 0 | 0 | 0 | 0 | 1 |" in table(tally)
    assert tally.bad == ["one: a: lost: b"]
