"""The tiers of a TextGrid, read as Praat reads it.

Praat takes the numbers, the quoted texts and the flags of a file that stand alone, and ignores what
is between them: the long and the short format are the same to it. Here their number must fit, too.
praatio reads its own format in JSON; of damaged text files it returns what it finds.
"""

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, NoReturn

from espnet_wabert.errors import UserError, first_line

INTERVALS, POINTS = "IntervalTier", "TextTier"
PAST_END = 0.1  # seconds that an interval may be past the end of its tier
_TOKEN = re.compile(
    r'"(?P<text>(?:[^"]|"")*)"|<(?P<flag>\w+)>'
    r"|(?<!\S)(?P<number>-?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?)(?!\S)"
)


class Interval(NamedTuple):
    """A label with its times in seconds."""

    start: float
    end: float
    label: str


class Tier(NamedTuple):
    """A tier of intervals."""

    name: str
    entries: list[Interval]


def read_tiers(path: Path, text: str) -> list[Tier]:
    """Return the interval tiers of a TextGrid; tiers of points are left out.

    Raises:
        UserError: the file is not whole, or the times of a tier are out of order.
    """
    if text.lstrip().startswith("{"):
        return _read_json(path)
    if "ooTextFile" not in text[:1000]:
        raise UserError(
            f"{path}:1: is not a whole TextGrid: it begins with 'File type = \"ooTextFile\"'"
        )
    tokens = _Tokens(path, text)
    tokens.texts("ooTextFile")
    tokens.texts("TextGrid")
    tokens.times()
    if tokens.next("flag") != "exists":
        tokens.fail("the flag <exists> is missing")
    tiers = []
    for _ in range(tokens.count()):
        kind = tokens.next("text")
        if kind not in (INTERVALS, POINTS):
            tokens.fail(f"{kind!r} is neither {INTERVALS} nor {POINTS}")
        name = tokens.next("text")
        _, last = tokens.times()
        if kind == INTERVALS:
            tiers.append(Tier(name, list(_intervals(tokens, last))))
        else:
            for _ in range(tokens.count()):
                tokens.number(), tokens.next("text")
    tokens.end()
    return tiers


def _intervals(tokens: "_Tokens", last: float) -> Iterator[Interval]:
    """Yield the intervals of a tier that ends at `last` seconds."""
    before = -math.inf
    for _ in range(tokens.count()):
        start = tokens.number()
        if start < before:
            tokens.fail(f"the interval at {start:g} s and the one above it overlap")
        end = tokens.number()
        if end < start:
            tokens.fail(f"the start {start:g} s cannot occur after its end time {end:g} s")
        if end > last + PAST_END:
            tokens.fail(f"the interval to {end:g} s is past the end of its tier, {last:g} s")
        yield Interval(start, end, tokens.next("text"))
        before = end


class _Tokens:
    """The tokens of a file, one after the other; errors name the line."""

    def __init__(self, path: Path, text: str):
        self.path, self.content = path, text
        self.found = _TOKEN.finditer(text)
        self.place = 0
        self.long_text: int | None = None  # place of the first text of several lines

    def next(self, kind: str) -> str:
        """Return the next token, which must be of a kind: text, flag or number."""
        match = next(self.found, None)
        if match is None:
            self.place = len(self.content.rstrip()) - 1
            self.fail(f"it ends where a {kind} must be; the file is not whole")
        self.place = match.start()
        if match["text"] and "\n" in match["text"] and self.long_text is None:
            self.long_text = self.place
        if match.lastgroup != kind:
            self.fail(f"{match[0][:40]!r} is where a {kind} must be")
        return match[kind].replace('""', '"') if kind == "text" else match[kind]

    def number(self) -> float:
        number = float(self.next("number"))
        if not math.isfinite(number):
            self.fail(f"{number} is no time")
        return number

    def count(self) -> int:
        text = self.next("number")
        if not text.isdecimal() or len(text) > 9:
            self.fail(f"{text[:20]} is no number of tiers or intervals")
        return int(text)

    def times(self) -> tuple[float, float]:
        return self.number(), self.number()

    def texts(self, wanted: str) -> None:
        if not self.next("text").startswith(wanted):
            self.fail(f"{wanted!r} must be here")

    def end(self) -> None:
        """Check that nothing is left."""
        match = next(self.found, None)
        if match is not None:
            self.place = match.start()
            self.fail("it goes on after its last tier")

    def fail(self, reason: str) -> NoReturn:
        # A quotation mark that is missing shows where a text has several lines.
        place = self.place if self.long_text is None else self.long_text
        line = self.content.count("\n", 0, place) + 1
        raise UserError(f"{self.path}:{line}: is not a whole TextGrid: {reason}")


def _read_json(path: Path) -> list[Tier]:
    from praatio import textgrid

    try:
        grid = textgrid.openTextgrid(str(path), includeEmptyIntervals=True, reportingMode="silence")
        tiers = [grid.getTier(name) for name in grid.tierNames]
        return [
            Tier(
                tier.name,
                [Interval(float(s), float(e), str(label)) for s, e, label in tier.entries],
            )
            for tier in tiers
            if type(tier) is textgrid.IntervalTier
        ]
    except Exception as error:  # praatio raises KeyError and others, depending on the error
        raise UserError(f"{path}:1: is not a whole TextGrid: {first_line(error)}") from None
