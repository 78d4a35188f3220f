"""Functions that the tests of workers run in other processes, which import this module."""

import os
import signal
import time
from pathlib import Path

from espnet_wabert.errors import UserError

calls = 0


def square(number: int) -> int:
    return number * number


def square_after(seconds: float, number: int) -> int:
    time.sleep(seconds)
    return number * number


def die_once(mark: str) -> None:
    """Kill this process by the signal that cannot be caught, if it is the first to come here."""
    try:
        os.close(os.open(mark, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return
    os.kill(os.getpid(), signal.SIGKILL)


def square_but_die_at(mark: str, victim: int, number: int) -> int:
    if number == victim:
        die_once(mark)
    return square(number)


def die_at(victim: int, number: int) -> int:
    if number == victim:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def refuse(number: int) -> int:
    if number == 5:
        raise UserError(f"number {number}: is refused")
    return number


# Heavy imports are in the functions: each new process has to do them.


def threads_and_folder(number: int) -> tuple[int, str]:
    import torch

    return torch.get_num_threads(), str(Path.cwd())


def frontend_but_die(mark: str, conf: str):
    """Return a frontend; the first process that comes here for its second batch is killed."""
    from espnet_wabert.training.feature_cache import build_frontend
    from espnet_wabert.workers.workers import made_once

    global calls
    calls += 1
    if calls == 2:
        die_once(mark)
    return made_once(build_frontend, "conf.yaml", conf, "float32")
