"""Subtitles of aligned words: SRT and WebVTT.

The limits are those of broadcasters' guidelines (BBC, Netflix): lines of at most 42 characters, two
lines, at most 7 seconds.
"""

import html
import textwrap
from collections.abc import Sequence
from pathlib import Path

import pysubs2

from espnet_wabert.formats.lines import replacing
from espnet_wabert.formats.word import Word

WIDTH, LINES = 42, 2  # characters, lines of a subtitle
LONGEST, PAUSE = 7.0, 0.7  # seconds of a subtitle; a longer silence begins a new one
JOINER = "\u2060"  # has no width
SENTENCE_ENDS = (".", "!", "?")


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
        and not cue[-1].word.endswith(SENTENCE_ENDS)
        and len(textwrap.wrap(text, WIDTH)) <= LINES
    )


def write_subtitles(path: str | Path, words: Sequence[Word]) -> None:
    """Write words with times in seconds as subtitles; the suffix is .srt or .vtt."""
    file = pysubs2.SSAFile()
    in_html = Path(path).suffix.lower() == ".vtt"
    for cue in cues(words):
        lines = textwrap.wrap(" ".join(word.word for word in cue), WIDTH)
        text = "\n".join(html.escape(line, quote=False) if in_html else line for line in lines)
        text = text.replace("\\", f"\\{JOINER}")  # pysubs2 takes \N as the end of a line
        start, end = (round(1000 * time) for time in (cue[0].start, cue[-1].end))
        file.append(pysubs2.SSAEvent(start=start, end=end, text=text))
    with replacing(path) as temporary:
        file.save(str(temporary), encoding="utf-8", keep_ssa_tags=True)  # {} are parts of words
