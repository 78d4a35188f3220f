"""Processes of a training that are lost: all end, and the same command goes on as if none were.

Two processes train on the CPU, as those of two GPUs do. Lost are one of the two, their launcher, or
a machine: the launcher with its process on one of two hosts, which a stand-in for ssh connects.
"""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil
import torch
from cluster import write_commands
from ranks import ROOT, command, launcher, write_data
from tiny_sources import write_tiny_sources

from faults.outcomes import Outcome, Verdict

KINDS = ("process 0", "process 1", "launcher", "launcher is told to end", "host")
NAME = "processes of a training"
LIMIT = 120.0  # seconds until all processes have ended; a torch launcher waits 30 for each
RESULTS = ("checkpoint.pth", "valid.acc.ave.pth")


class Training:
    """A training of two processes, on this machine or on two stand-ins for machines."""

    def __init__(self, work: Path):
        sources, data = write_tiny_sources(work), write_data(work / "data")
        self.work, self.command = work, lambda out: command("sentiment_text", sources, data, out)
        (work / "path.sh").write_text(f"export PYTHONPATH={ROOT}\n")
        path = f"{write_commands(work / 'bin')}:{os.environ['PATH']}"
        self.environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT),
                            "PATH": path, "CLUSTER_LOG": str(work / "cluster.log")}  # fmt: skip

    def start(self, out: Path, hosts: bool) -> subprocess.Popen:
        """Start it in an experiment folder."""
        words = launcher(self.command(out), out, nodes=2 if hosts else 1)
        if hosts:
            on_hosts = [sys.executable, "-m", "espnet_wabert.bin.on_hosts"]
            words = [*on_hosts, "--hosts", "first,second", "--", *words]
        return subprocess.Popen(
            words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env=self.environment, cwd=self.work,
        )  # fmt: skip


def verdicts(count: int, seed: int, work: Path) -> Iterator[tuple[str, str, Verdict]]:
    """Yield the verdicts of `count` losses of each kind."""
    rng = random.Random(seed)
    training = Training(work)
    expected = {}
    for hosts in (False, True):
        begun, out = time.monotonic(), work / f"whole{hosts}"
        printed, _ = training.start(out, hosts).communicate()
        expected[hosts] = weights(out), time.monotonic() - begun
        if not expected[hosts][0]:
            raise RuntimeError(printed[-3000:])
    for kind in KINDS:
        for index in range(count):
            out = work / f"{kind} {index}".replace(" ", "_")
            wanted, seconds = expected[kind == "host"]
            yield NAME, f"{kind} {index}", lose(training, out, kind, rng.random() * seconds, wanted)


def weights(out: Path) -> dict[str, dict[str, torch.Tensor]]:
    """Return the weights in the files of a finished training."""
    found = {}
    for name in RESULTS:
        if (out / name).is_file():
            state = torch.load(out / name, weights_only=True)
            found[name] = state.get("model", state)
    return found


def lose(training: Training, out: Path, kind: str, seconds: float, wanted: dict) -> Verdict:
    """Start a training, lose a process after some seconds, start it again, and compare."""
    process = training.start(out, hosts=kind == "host")
    time.sleep(seconds)
    family = [process, *psutil.Process(process.pid).children(recursive=True)]
    victims, by = chosen(family, kind)
    for victim in victims:
        try:
            os.kill(victim.pid, by)
        except ProcessLookupError:  # it has done its work
            continue
    printed, alive = ended(process, family)
    if alive:
        return Verdict(Outcome.HANG, f"at {seconds:.1f} s: after {LIMIT:g} s there are {alive}")
    lines = [line for line in printed.splitlines() if line.startswith("error: ")]
    if "Traceback" in printed or len(lines) > 1:
        return Verdict(Outcome.TRACEBACK, f"at {seconds:.1f} s: {printed[-2000:]}")
    if victims and by == signal.SIGKILL and kind != "launcher" and not lines and process.returncode:
        return Verdict(Outcome.TRACEBACK, f"at {seconds:.1f} s: not a line: {printed[-2000:]}")
    if process.returncode == 0 and not same(weights(out), wanted):
        return Verdict(Outcome.WRONG, f"at {seconds:.1f} s: exit 0 with other weights")
    printed, _ = training.start(out, hosts=kind == "host").communicate()
    if not same(weights(out), wanted):
        return Verdict(Outcome.LOST, f"at {seconds:.1f} s: {printed[-2000:]}")
    return Verdict(Outcome.RIGHT)


def chosen(family: Sequence, kind: str) -> tuple[list, int]:
    """Return which processes are lost, and by which signal."""
    process, *children = family
    if kind.startswith("launcher"):
        return [process], signal.SIGTERM if "told" in kind else signal.SIGKILL
    ranks = [child for child in children if "spawn_main" in words_of(child)]
    if kind == "host":
        lost = [child for child in children if "bin.launch" in words_of(child)][-1:]
        return [*lost, *(rank for rank in ranks if rank.ppid() == lost[0].pid)], signal.SIGKILL
    return ranks[int(kind[-1]) :][:1], signal.SIGKILL


def words_of(process: psutil.Process) -> str:
    """Return the command line of a process; "": it has ended."""
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def ended(process: subprocess.Popen, family: Sequence) -> tuple[str, list[str]]:
    """Wait for the end of all processes; return what they printed, and which have not ended."""
    try:
        printed, _ = process.communicate(timeout=LIMIT)
    except subprocess.TimeoutExpired:
        printed = "nothing yet"
    _, left = psutil.wait_procs(family[1:], timeout=1.0)
    alive = {one: words_of(one)[-200:] for one in left}  # nothing: it waits to be reaped
    for one in [process, *left]:
        one.kill()
    return printed, [words for words in alive.values() if words]


def same(found: dict, wanted: dict) -> bool:
    """Return whether the weights are equal, bit for bit."""
    if [[*found[name]] for name in sorted(found)] != [[*wanted[name]] for name in sorted(wanted)]:
        return False
    return all(torch.equal(found[f][key], wanted[f][key]) for f in wanted for key in wanted[f])
