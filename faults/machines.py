"""Workers, jobs of a scheduler and hosts that are lost: others do the work, or one line says why.

The workers are processes of this machine, of Dask, or of Dask's jobs under a stand-in for Slurm;
the hosts are reached by a stand-in for ssh.
"""

import contextlib
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from unittest import mock

import psutil
import worker_functions as functions
import yaml
from cluster import QUEUE, REFUSE, write_commands, write_queue
from recipe_runner import ROOT

from espnet_wabert.recipes.hosts import run_on_hosts
from espnet_wabert.workers.choice import open_workers
from faults.outcomes import Outcome, Try, Verdict

LIMIT = 120.0  # seconds of a try: new workers have to start
ITEMS, SECONDS = 300, 0.01  # of work, each
# A host does this; -9: its remote shell is killed.
FATES = (0, 0, 1, 255, -9)
LOOPBACK = {"host": "127.0.0.1", "dashboard_address": "127.0.0.1:0"}
LOCAL = str(ROOT / "egs2/dask/local.yaml")
JOBS = ("refused", "ends at once", "killed")


def tries(count: int, seed: int, work: Path) -> Iterator[Try]:
    """Yield `count` tries of each kind."""
    rng = random.Random(seed)
    for index in range(count):
        losses = rng.randint(1, 3)
        moments = sorted(rng.uniform(0, 4) for _ in range(losses))
        for name, dask in (("processes", None), ("Dask", LOCAL)):
            act = partial(losing, moments, _workers_here, rng.randrange(1 << 30), dask)
            yield Try(f"{name} {index}: {losses} workers killed", act, is_right)
        fate = JOBS[index % len(JOBS)]
        act = partial(under_slurm, work / f"slurm{index}", fate, rng.uniform(0, 4))
        yield Try(f"Slurm {index}: a job is {fate}", act, is_right)
        for _ in range(4):
            fates = [rng.choice(FATES) for _ in range(rng.randint(2, 4))]
            hosts = [f"host{n}" for n in range(len(fates))]
            if rng.random() < 0.2:
                hosts[-1] = "nowhere"  # cannot be reached
            run = partial(on_hosts, work / f"hosts{index}", hosts, fates)
            yield Try(f"hosts {index}: {hosts} {fates}", run, partial(of_hosts, hosts, fates))


def _work(dask: str | None) -> list[int]:
    """Return the squares that two workers compute."""
    with open_workers(2, dask) as workers:
        return list(workers.map(partial(functions.square_after, SECONDS), range(ITEMS), size=5))


def is_right(found: list[int]) -> Verdict:
    """Judge what the workers have computed."""
    right = found == [n * n for n in range(ITEMS)]
    return Verdict(Outcome.RIGHT if right else Outcome.WRONG, f"{len(found)} results")


def losing(moments: list[float], alive: Callable, seed: int, dask: str | None) -> list[int]:
    """Do the work while workers are killed at some moments."""
    done, rng = threading.Event(), random.Random(seed)
    before = set(alive())

    def kill() -> None:
        begun = time.monotonic()
        for moment in moments:
            if done.wait(max(0.0, moment - (time.monotonic() - begun))):
                return
            if victims := sorted(set(alive()) - before):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(rng.choice(victims), signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        return _work(dask)
    finally:
        done.set()
        killer.join()


def _workers_here() -> list[int]:
    """Return the processes of this machine's workers."""
    found = []
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            words = " ".join(process.cmdline())
            found += [process.pid] if "spawn_main" in words or "forkserver" in words else []
    return found


def under_slurm(folder: Path, fate: str, seconds: float) -> list[int]:
    """Do the work in two jobs, which the scheduler refuses, ends at once, or loses one of."""
    folder.mkdir()
    script = REFUSE if fate == "refused" else QUEUE
    write_queue(folder, "true" if fate == "ends at once" else "bash", script)
    arguments = {"cores": 1, "processes": 1, "memory": "1GB", "log_directory": str(folder),
                 "scheduler_options": LOOPBACK}  # fmt: skip
    conf = {"cluster": "dask_jobqueue.SLURMCluster", "arguments": arguments, "workers": 2}
    (folder / "slurm.yaml").write_text(yaml.safe_dump(conf | {"wait_seconds": 8}))
    path = {"PATH": f"{folder}:{os.environ['PATH']}", "PYTHONPATH": os.pathsep.join(sys.path)}

    def jobs() -> list[int]:
        """Return the processes that compute, one for each job that has started."""
        pids = (folder / "jobs").read_text().split() if (folder / "jobs").exists() else []
        found = []
        for pid in pids:
            with contextlib.suppress(psutil.Error):
                found += [child.pid for child in psutil.Process(int(pid)).children(recursive=True)]
        return found

    with mock.patch.dict(os.environ, path):
        moments = [seconds] if fate == "killed" else []
        return losing(moments, jobs, 0, str(folder / "slurm.yaml"))


def on_hosts(folder: Path, hosts: list[str], fates: list[int]) -> int:
    """Run a command on hosts, some of which fail; return its status."""
    folder.mkdir(exist_ok=True)
    (folder / "path.sh").write_text("")
    path = f"{write_commands(folder / 'bin')}:{os.environ['PATH']}"
    ends = " ".join(str(fate) for fate in fates)
    script = f"fates=({ends}); fate=${{fates[NODE_RANK]}}; sleep .$((RANDOM % 4))\n"
    script += 'if [ "${fate}" = -9 ]; then kill -9 $$; fi; exit "${fate}"'
    variables = {"PATH": path, "CLUSTER_LOG": str(folder / "log")}
    with mock.patch.dict(os.environ, variables), contextlib.chdir(folder):
        return run_on_hosts(hosts, ["bash", "-c", script])


def of_hosts(hosts: list[str], fates: list[int], status: int) -> Verdict:
    """Judge the status of a command on hosts; a lost connection is a line instead."""
    failed = any(fates) or "nowhere" in hosts
    if failed == (status != 0):
        return Verdict(Outcome.CLEAN if failed else Outcome.RIGHT)
    return Verdict(Outcome.WRONG, f"status {status}")
