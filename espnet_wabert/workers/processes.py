"""Workers that are processes of this machine."""

import logging
import multiprocessing
import os
from collections import deque
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from threading import Thread
from typing import Any, NamedTuple

from espnet_wabert.errors import UserError
from espnet_wabert.workers.workers import LOST, OtherProcesses, one_core


class _Given(NamedTuple):
    """A call that was given out."""

    call: tuple
    future: Future


class Processes(OtherProcesses):
    """Processes of this machine, which start with the first piece.

    If one of them is killed, all are started anew and do again what is not back yet.
    """

    def __init__(self, count: int):
        self.count = count
        self._pool: ProcessPoolExecutor | None = None
        self._lost = 0  # since the last result

    def _start(self, *call: Any) -> _Given:
        if self._pool is None:
            # spawn: a process forked from one that already runs torch threads can hang.
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(self.count, context, _begin)
        try:
            return _Given(call, self._pool.submit(*call))
        except BrokenProcessPool as error:  # `_first` will see it
            future: Future = Future()
            future.set_exception(error)
            return _Given(call, future)

    def _first(self) -> list:
        while True:
            try:
                results = self._waiting[0].future.result()
            except BrokenProcessPool:
                self._again()
            else:
                self._waiting.popleft()
                self._lost = 0
                return results

    def _again(self) -> None:
        """Start the processes anew, and what is waiting in them."""
        self.close()
        self._lost += 1
        if self._lost > LOST:
            self._lost = 0
            raise UserError(
                f"a process was killed {LOST + 1} times in a row, perhaps because the memory is"
                f" full: fewer processes (--nj, now {self.count}) need less"
            )
        logging.warning("a process was killed; what it did is done again")
        self._waiting = deque(
            self._start(*given.call) if _is_lost(given.future) else given for given in self._waiting
        )

    def close(self) -> None:
        """End the processes, also in the middle of their work."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None


def _begin() -> None:
    """Prepare a process for its work."""
    one_core()
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """End this process when its parent is killed: its pool would wait for work forever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _is_lost(future: Future) -> bool:
    return future.cancelled() or isinstance(future.exception(), BrokenProcessPool)
