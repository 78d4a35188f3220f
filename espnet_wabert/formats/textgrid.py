"""Read and write Praat's TextGrids with praatio."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from espnet_wabert.errors import UserError
from espnet_wabert.formats.lines import read_bytes
from espnet_wabert.formats.word import Word, WordTimes, checked_word, is_silence

SHORTEST = 0.001  # seconds; Praat has no empty intervals
_COUNTS = re.compile(
    r"intervals:\s*size\s*=\s*(\d+)"  # the long format
    r'|"IntervalTier"\s+"(?:[^"]|"")*"\s+[-\d.eE+]+\s+[-\d.eE+]+\s+(\d+)'  # the short one
)

_TIERS = re.compile(r"<exists>\s*(?:size\s*=\s*)?(\d+)")


def read_textgrid(path: Path) -> WordTimes:
    """Read the words of a TextGrid (long, short or JSON format); the file name is the utterance.

    The tier is `words` (Montreal Forced Aligner: `words` or `speaker - words`), in
    any letter case, or the only tier. Empty, `sil`, `sp` and `spn` intervals are silence.
    """
    path = Path(path)
    text = _decoded(path)
    tier = _words_tier(path, text)
    words = []
    for index, (start, end, label) in enumerate(tier.entries, start=1):
        if not is_silence(label, in_tier=True):
            where = f"{path}: tier {tier.name}, interval {index}"
            words.append(checked_word(label, float(start), float(end), where))
    return {path.stem: words}


def write_textgrid(
    path: str | Path, tiers: Mapping[str, Sequence[Word]], duration: float | None = None
) -> None:
    """Write one utterance's tiers (name -> intervals) as a TextGrid in the long format.

    `duration` (seconds) is that of the audio; without it the file ends with its last word. A word
    without a duration is written with 1 ms, because Praat rejects empty intervals.
    """
    from praatio import textgrid

    path = Path(path)
    drawn = {name: _drawable(words, f"{path}: tier {name}") for name, words in tiers.items()}
    last = max((end for entries in drawn.values() for _, end, _ in entries), default=0.0)
    last = max(last, duration or 0.0, SHORTEST)
    grid = textgrid.Textgrid(0.0, last)
    for name, entries in drawn.items():
        grid.addTier(textgrid.IntervalTier(name, entries, 0.0, last))
    path.parent.mkdir(parents=True, exist_ok=True)
    grid.save(str(path), "long_textgrid", includeBlankSpaces=True)


def _drawable(words: Sequence[Word], where: str) -> list[tuple[float, float, str]]:
    """Return intervals of at least the smallest duration, without overlap."""
    entries, previous_end, free = [], 0.0, 0.0
    for word in words:
        if word.start < previous_end - SHORTEST:
            raise UserError(
                f"{where}: '{word.word}' starts at {word.start:g} s, before the word above ends "
                f"({previous_end:g} s); the intervals of a tier do not overlap"
            )
        start = max(word.start, free)
        end = max(word.end, start + SHORTEST)
        entries.append((start, end, word.word))
        previous_end, free = word.end, end
    return entries


def _decoded(path: Path) -> str:
    """Return the text of a file in UTF-8, or in UTF-16 with byte order mark, as Praat may write."""
    content = read_bytes(path)
    encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise UserError(f"{path}:{line}: is neither UTF-8 nor UTF-16 text") from None


def _words_tier(path: Path, text: str):
    """Return the tier of words after a check that the file is complete."""
    from praatio import textgrid

    try:
        # Keep empty intervals: they are counted and compared with the number in the file.
        grid = textgrid.openTextgrid(str(path), includeEmptyIntervals=True, reportingMode="silence")
    except Exception as error:  # praatio raises IndexError and others, depending on the error
        reason = str(error).split("\n")[0] or type(error).__name__
        if not isinstance(error, ValueError) and "ooTextFile" not in text:
            reason = "a TextGrid begins with 'File type = \"ooTextFile\"'"
        raise UserError(f"{path}:{_faulty_line(text)}: is not a whole TextGrid: {reason}") from None
    tiers = [grid.getTier(name) for name in grid.tierNames]
    intervals = [tier for tier in tiers if type(tier) is textgrid.IntervalTier]
    _check_counts(path, text, len(tiers), intervals)
    return _chosen(path, intervals)


def _check_counts(path: Path, text: str, tiers: int, intervals: Sequence) -> None:
    """Check the counts in the file: praatio reads a truncated file without an error."""
    promised_tiers = _TIERS.search(text)
    if not promised_tiers:
        return  # praatio's JSON format: a truncated file is not valid JSON
    promised = [int(long or short) for long, short in _COUNTS.findall(text)]
    holds = [(tier.name, len(tier.entries)) for tier in intervals]
    fault = ""
    if int(promised_tiers[1]) != tiers or len(promised) != len(holds):
        fault = f"holds {min(tiers, len(promised))} whole tiers of the {promised_tiers[1]}"
    for (name, count), more in zip(holds, promised, strict=False):
        if count != more and not fault:
            fault = f"tier {name} holds {count} intervals of the {more}"
    if fault:
        line = len(text.splitlines())
        raise UserError(f"{path}:{line}: {fault} it promises; the file is not whole")


def _chosen(path: Path, tiers: Sequence):
    named = [tier for tier in tiers if tier.name.strip().lower() in ("words", "word")]
    named = named or [tier for tier in tiers if tier.name.strip().lower().endswith("- words")]
    if len(named) == 1:
        return named[0]
    if not named and len(tiers) == 1:
        return tiers[0]
    found = ", ".join(tier.name for tier in tiers) or "none"
    which = "more than one tier of words" if named else "no tier called 'words'"
    raise UserError(f"{path}: {which} among its interval tiers ({found})")


def _faulty_line(text: str) -> int:
    """Return the number of the first wrong line in the long format; else that of the last line."""
    lines = text.splitlines()
    if "ooTextFile" not in text or not lines:
        return 1
    previous_end = start = time = 0.0
    for number, line in enumerate(lines, start=1):
        key, equals, value = (part.strip() for part in line.partition("="))
        if not equals:
            previous_end = 0.0 if key.startswith("item") else previous_end
            continue
        if key in ("text", "name", "class") and (len(value) < 2 or value[-1] != '"'):
            return number
        if key in ("xmin", "xmax"):
            try:
                time = float(value)
            except ValueError:
                return number
            start, ok = (time, time >= previous_end) if key == "xmin" else (start, time >= start)
            if not ok:
                return number
        if key == "text":
            previous_end = time
    return len(lines)
