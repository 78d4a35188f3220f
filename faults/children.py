"""Forked children that do one operation, and may be killed while they do."""

import fcntl
import io
import os
import random
import resource
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any, NamedTuple

from tqdm import tqdm

from espnet_wabert.errors import one_line_errors
from faults.outcomes import Outcome, Verdict

# A child would wait forever for a lock that a thread of tqdm holds while it is forked, or that a
# killed child held: tqdm's own lock is shared between processes.
tqdm.monitor_interval = 0
tqdm.set_lock(threading.RLock())
SECONDS = 120  # a child that takes longer hangs, and is ended
# Events of Python's audit hooks that change files.
STEPS = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "shutil.copyfile")
CLEAN, FAILED = 1, 3  # exit status of one line, and of a traceback


class End(NamedTuple):
    """How a child has ended: a signal, or a status with what it has printed."""

    signal: int
    status: int
    printed: str
    seconds: float

    def bad(self, what: str) -> Verdict | None:
        """Return the verdict of a child that did not end by itself, or with a traceback."""
        if self.signal == signal.SIGALRM:
            return Verdict(Outcome.HANG, f"{what}: more than {SECONDS} s")
        if self.signal or self.status not in (0, CLEAN):
            return Verdict(Outcome.TRACEBACK, f"{what}: {self.printed[-400:]}")
        return None


class Limits(NamedTuple):
    """What happens to a child.

    Attributes:
        file_bytes: writes beyond this size of a file are cut, and the next one kills.
        full: they fail as on a full disk instead.
        step: the number of the change of files before which the child is killed.
        seconds: after these it is killed.
    """

    file_bytes: int | None = None
    full: bool = False
    step: int | None = None
    seconds: float | None = None


def run(act: Callable[[Path], Any], folder: Path, limits: Limits = Limits()) -> End:  # noqa: B008
    """Do an operation in a child."""
    read, write = os.pipe()
    fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, 1 << 20)  # all that it prints
    begun = time.monotonic()
    child = os.fork()
    if child == 0:
        status = FAILED
        try:
            os.close(read)
            status = _in_child(act, folder, limits, write)
        finally:
            os._exit(status)
    os.close(write)
    if limits.seconds is not None:
        time.sleep(limits.seconds)
        os.kill(child, signal.SIGKILL)  # it is no zombie that another process could have become
    _, how = os.waitpid(child, 0)
    with os.fdopen(read, encoding="utf-8", errors="replace") as pipe:
        printed = pipe.read()
    ended = os.WTERMSIG(how) if os.WIFSIGNALED(how) else 0
    status = os.WEXITSTATUS(how) if os.WIFEXITED(how) else 0
    return End(ended, status, printed, time.monotonic() - begun)


def _in_child(act: Callable[[Path], Any], folder: Path, limits: Limits, output: int) -> int:
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.dup2(null, 2)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(SECONDS)
    errors = io.StringIO()
    if limits.step is not None:
        _kill_at(limits.step)
    if limits.file_bytes is not None:
        # Python ignores the signal; by default it ends the process inside the call.
        action = signal.SIG_IGN if limits.full else signal.SIG_DFL
        signal.signal(signal.SIGXFSZ, action)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_FSIZE, (limits.file_bytes, resource.RLIM_INFINITY))
    status = 0
    try:
        with redirect_stderr(errors):
            one_line_errors(act)(folder)
    except SystemExit as end:
        status = int(end.code or 0)
    except BaseException:
        status = FAILED
        errors.write(traceback.format_exc())
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
    os.write(output, errors.getvalue()[-100_000:].encode("utf-8", "replace"))
    return status


def _kill_at(step: int) -> None:
    """Let this process be killed just before its `step`-th change of files."""
    left = [step]

    def hook(event: str, args: tuple) -> None:
        writes = event == "open" and isinstance(args[1], str) and set(args[1]) & set("wax+")
        if writes or event in STEPS:
            left[0] -= 1
            if left[0] < 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


def some_limits(rng: random.Random, kind: str, largest: int, seconds: float) -> Limits:
    """Return where a child is killed: inside a write, at a step or at a time."""
    if kind == "inside a write":
        return Limits(file_bytes=rng.randrange(max(1, largest)))
    if kind == "before a step":
        return Limits(step=int(rng.expovariate(1 / 8)))
    return Limits(seconds=rng.uniform(0, seconds))
