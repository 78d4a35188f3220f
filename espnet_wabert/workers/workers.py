"""The interface of all workers, and what one of them does."""

import os
import re
import socket
import sys
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import batched, chain, islice
from typing import Any

from espnet_wabert.errors import UserError

AHEAD = 4  # pieces per worker that are given out before the first of them is back
LOST = 3  # how often a piece is repeated whose worker was lost


class Workers(ABC):
    """Workers that run a function on many items; used as a context.

    Attributes:
        count: number of workers.
    """

    count: int

    def map(
        self, function: Callable, items: Iterable, size: int = 1, worth: int = 0
    ) -> Iterator[Any]:
        """Yield the function of every item, in the order of the items.

        Few items are on their way at a time, so that neither items nor results fill the memory.

        Args:
            function: one that can be pickled. Each worker computes with one core (or with
                OMP_NUM_THREADS), so that numbers do not depend on the number of workers.
            items: items that can be pickled, as their results.
            size: items that a worker gets at a time; more for quick functions.
            worth: the number of items per worker for which it is worth to start workers. With one
                worker, or too few items for two, this process does the work; 0: never.

        Raises:
            UserError: a piece lost its worker too often, or no worker can be had.
        """
        items = iter(items)
        first = list(islice(items, 2 * worth))
        everything = chain(first, items)
        if worth and (self.count < 2 or len(first) < 2 * worth):
            return map(function, everything)
        return self._in_order(function, batched(everything, size))

    @abstractmethod
    def _in_order(self, function: Callable, pieces: Iterable[Sequence]) -> Iterator[Any]:
        """Yield the results of all items of the pieces."""

    def close(self) -> None:  # noqa: B027  not abstract: there may be nothing to end
        """End the workers."""

    def __enter__(self) -> "Workers":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


class Here(Workers):
    """No worker but this process, with all the cores that its libraries use."""

    count = 1

    def _in_order(self, function: Callable, pieces: Iterable[Sequence]) -> Iterator[Any]:
        return map(function, chain.from_iterable(pieces))


HERE = Here()


class OtherProcesses(Workers):
    """Workers outside this process, which get pieces of work and give futures."""

    def _in_order(self, function: Callable, pieces: Iterable[Sequence]) -> Iterator[Any]:
        self._waiting: deque = deque()
        for piece in pieces:
            self._waiting.append(self._start(run_piece, os.getcwd(), function, piece))
            if len(self._waiting) >= AHEAD * self.count:
                yield from self._first()
        while self._waiting:
            yield from self._first()

    @abstractmethod
    def _start(self, *call: Any) -> Any:
        """Let a worker start a call; return what stands for its result."""

    @abstractmethod
    def _first(self) -> list:
        """Wait for the first of what is waiting, remove it and return its result."""


def run_piece(folder: str, function: Callable, piece: Sequence) -> list:
    """Do a piece, in a worker; relative paths are relative to `folder`."""
    try:
        os.chdir(folder)
    except OSError as error:
        reason = f"{error.strerror} on {socket.gethostname()}; all machines must share this folder"
        raise UserError(f"{folder}: {reason}") from None
    one_core()
    return [function(item) for item in piece]


def one_core() -> None:
    """Let this process compute with one core, or with OMP_NUM_THREADS."""
    given = re.match(r"\d+", os.environ.setdefault("OMP_NUM_THREADS", "1"))  # of "4,2" the first
    threads = max(1, int(given[0])) if given else 1
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(threads)


@lru_cache(maxsize=1)
def made_once(make: Callable, *arguments: Any) -> Any:
    """Return `make(*arguments)`, such as a model: a process makes it for its first item only."""
    return make(*arguments)
