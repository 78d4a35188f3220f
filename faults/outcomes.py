"""One try, what came of it, and the counts of a class."""

import signal
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Any, NamedTuple

from espnet_wabert.errors import UserError, last_line

SECONDS = 20.0  # a try that takes longer hangs
LONGEST = 2000  # characters of an error


class Outcome(StrEnum):
    """What came of a try."""

    RIGHT = "right"
    CLEAN = "clean error"
    UNNOTICED = "cannot be noticed"  # the damaged file is itself a valid one
    TRACEBACK = "traceback"
    WRONG = "wrong, exit 0"
    HANG = "hang"
    LOST = "lost"


BAD = (Outcome.TRACEBACK, Outcome.WRONG, Outcome.HANG, Outcome.LOST)


class Verdict(NamedTuple):
    """The outcome of a try, and a line on it."""

    outcome: Outcome
    detail: str = ""


class Try(NamedTuple):
    """Something to do.

    Attributes:
        name: what it is, enough to do it again with the same seed.
        act: does it; a `UserError` is a clean error.
        verdict: judges the value that `act` has returned.
    """

    name: str
    act: Callable[[], Any]
    verdict: Callable[[Any], Verdict] = lambda value: Verdict(Outcome.RIGHT)


class TimeLimitError(BaseException):
    """A try has taken too long. No `except Exception` of the code under test catches it."""


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise `TimeLimitError` in the main thread after some seconds."""

    def stop(_signal, _frame):
        raise TimeLimitError

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds, 1.0)  # again: a library may swallow the first
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)


def judge(one: Try, seconds: float = SECONDS) -> Verdict:
    """Do a try and return its verdict."""
    try:
        with time_limit(seconds):
            value = one.act()
            return one.verdict(value)
    except UserError as error:
        return judge_message(last_line(error))
    except TimeLimitError:
        return Verdict(Outcome.HANG, f"more than {seconds:g} s")
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{place.filename.split('/')[-1]}:{place.lineno}"
        return Verdict(Outcome.TRACEBACK, f"{type(error).__name__} in {where}: {error}")


def judge_message(message: str) -> Verdict:
    """Return whether the message of an error is one printable line that a person can read."""
    if not message or not message.isprintable() or len(message) > LONGEST:
        return Verdict(Outcome.TRACEBACK, f"not one printable line: {message[:200]!r}")
    return Verdict(Outcome.CLEAN, message)


class Tally:
    """The counts of each class, and the tries that must not be."""

    def __init__(self) -> None:
        self.counts: dict[str, Counter[Outcome]] = {}
        self.bad: list[str] = []

    def run(self, name: str, tries: Iterator[Try], seconds: float = SECONDS) -> None:
        """Do all tries of a class."""
        for one in tries:
            self.add(name, one.name, judge(one, seconds))

    def add(self, name: str, what: str, verdict: Verdict) -> None:
        """Count a verdict."""
        self.counts.setdefault(name, Counter())[verdict.outcome] += 1
        if verdict.outcome in BAD:
            self.bad.append(f"{name}: {what}: {verdict.outcome}: {verdict.detail[:300]}")

    def total(self) -> int:
        """Return the number of tries."""
        return sum(sum(counts.values()) for counts in self.counts.values())

    def as_dict(self) -> dict[str, dict[str, int]]:
        """Return the counts by class and outcome."""
        return {
            name: {"tries": sum(counts.values()), **{str(o): counts[o] for o in Outcome}}
            for name, counts in self.counts.items()
        }
