"""Subtitles of aligned words: SRT and WebVTT.

The limits are those of broadcasters' guidelines (BBC, Netflix): lines of at most 42 characters, two
lines, at most 7 seconds.
"""

import html
import itertools
import math
import re
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pysubs2

from espnet_wabert.formats.lines import replacing
from espnet_wabert.formats.word import Word

WIDTH, LINES = 42, 2  # characters, lines of a subtitle
LONGEST, PAUSE = 7.0, 0.7  # seconds of a subtitle; a longer silence begins a new one
ALONE, SHORTEST = 1.0, 0.001  # seconds of a subtitle of unheard words only: at most, at least
JOINER = "\u2060"  # has no width
# Quotation marks and brackets may follow; the full stop of a title or an initial ends no sentence.
_SENTENCE_END = re.compile(
    r"(?!\W*(?:Mr|Mrs|Ms|Dr|Prof|St|vs|[A-HJ-Z])\.\Z).*[.!?][\"'\u201d\u2019)\]]*", re.DOTALL
)


class Cue(NamedTuple):
    """A subtitle with its times in seconds."""

    words: list[Word]
    start: float
    end: float


def cues(words: Sequence[Word]) -> list[list[Word]]:
    """Divide words into subtitles: at pauses, after sentences, and where one is full."""
    found: list[list[Word]] = []
    for word in words:
        if found and _fits(found[-1], word):
            found[-1].append(word)
        else:
            found.append([word])
    return found


def _fits(cue: list[Word], word: Word) -> bool:
    text = " ".join(w.word for w in [*cue, word])
    return (
        word.start - cue[-1].end <= PAUSE
        and word.end - cue[0].start <= LONGEST
        and not _SENTENCE_END.fullmatch(cue[-1].word)
        and len(textwrap.wrap(text, WIDTH)) <= LINES
    )


def timed(found: Sequence[list[Word]], last: float) -> list[Cue]:
    """Return subtitles with start and end: those of the words that have a duration.

    Subtitles of unheard words only share the time that is free around them. Without such time, they
    are part of the next subtitle, or of the one before.

    Args:
        found: subtitles in order.
        last: seconds of the recording; math.inf: unknown.
    """
    done: list[Cue] = []
    left: list[Word] = []  # unheard words without free time before the next subtitle
    groups = _groups(found)
    for number, group in enumerate(groups, start=1):
        span = _span(group[0])
        if span is None:
            following = groups[number][0][0].start if number < len(groups) else last
            own = _shared(group, done[-1].end if done else 0.0, following)
        else:
            own = [Cue(group[0], *span)]
        if own:
            done += [own[0]._replace(words=[*left, *own[0].words]), *own[1:]]
            left = []
        else:
            left += itertools.chain(*group)
    if left:
        before = done.pop() if done else Cue([], 0.0, last)
        done.append(before._replace(words=[*before.words, *left]))
    return done


def _span(cue: Sequence[Word]) -> tuple[float, float] | None:
    """Return start and end of a subtitle, by its words with a duration; None: it has no time."""
    heard = [word for word in cue if word.end - word.start >= SHORTEST] or cue
    start, end = heard[0].start, max(word.end for word in heard)
    return (start, end) if end - start >= SHORTEST else None


def _groups(found: Sequence[list[Word]]) -> list[list[list[Word]]]:
    """Put subtitles in sequence together that have no time of their own, but the same place."""
    groups: list[list[list[Word]]] = []
    for cue in found:
        alike = groups and cue[0].start == groups[-1][-1][0].start
        if alike and _span(cue) is None and _span(groups[-1][-1]) is None:
            groups[-1].append(cue)
        else:
            groups.append([cue])
    return groups


def _shared(unheard: Sequence[list[Word]], first: float, last: float) -> list[Cue]:
    """Return subtitles of unheard words in the free time from `first` to `last`; [] if none."""
    length = min((last - first) / len(unheard), ALONE)
    if length < SHORTEST:
        return []
    start = max(first, min(unheard[0][0].start, last - len(unheard) * length))
    return [Cue(cue, start + n * length, start + (n + 1) * length) for n, cue in enumerate(unheard)]


def write_subtitles(path: str | Path, words: Sequence[Word], duration: float = math.inf) -> None:
    """Write words with times in seconds as subtitles; the suffix is .srt or .vtt.

    `duration` (seconds) is that of the audio.
    """
    path = Path(path)
    file = pysubs2.SSAFile()
    in_html = path.suffix.lower() == ".vtt"
    for cue, *times in timed(cues(words), duration):
        lines = textwrap.wrap(" ".join(word.word for word in cue), WIDTH)
        text = "\n".join(html.escape(line, quote=False) if in_html else line for line in lines)
        text = text.replace("\\", f"\\{JOINER}")  # pysubs2 takes \N as the end of a line
        start, end = (round(1000 * time) for time in times)
        file.append(pysubs2.SSAEvent(start=start, end=max(end, start + 1), text=text))
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        file.save(str(temporary), encoding="utf-8", keep_ssa_tags=True)  # {} are parts of words
