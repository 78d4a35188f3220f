"""Kaldi data folders: read and check them, write valid ones.

A folder has wav.scp, utt2spk and spk2utt, and optionally text, sentiment, segments, words.ctm
(reference word times), utt2dur, utt2num_samples and utt2speed (a speed factor that `format_wav`
will apply, as it applies segments). wav.scp has paths, not pipes.
"""

import re
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from espnet_wabert.errors import UserError
from espnet_wabert.formats.kaldi_checks import inconsistencies
from espnet_wabert.formats.lines import fields_of, replacing, same_content, to_number
from espnet_wabert.formats.word import Word
from espnet_wabert.formats.word_files import read_ctm

BLANKS = " \t\r\v\f"  # at the end of a line


class Segment(NamedTuple):
    """The part of a recording that is an utterance; `start` and `end` in seconds."""

    recording: str
    start: float
    end: float


class DataFolder(NamedTuple):
    """One data folder: maps from utterance ids; a map that exists has all utterances.

    The keys of `wav` are recording ids, which are utterance ids without `segments`. `words` may
    lack utterances. `seconds` and `samples` are those of the utterance, after segments and speed
    factors.
    """

    wav: dict[str, str]
    utt2spk: dict[str, str]
    text: dict[str, str] | None = None
    sentiment: dict[str, str] | None = None
    segments: dict[str, Segment] | None = None
    words: dict[str, tuple[Word, ...]] | None = None
    speed: dict[str, float] | None = None
    seconds: dict[str, float] | None = None
    samples: dict[str, int] | None = None

    def hours(self) -> float | None:
        """Hours of audio; None if the durations are not known."""
        return None if self.seconds is None else sum(self.seconds.values()) / 3600

    def spk2utt(self) -> dict[str, list[str]]:
        """Return the utterances of each speaker, both sorted."""
        speakers: dict[str, list[str]] = {}
        for utt in sorted(self.utt2spk):
            speakers.setdefault(self.utt2spk[utt], []).append(utt)
        return dict(sorted(speakers.items()))


class Scan(NamedTuple):
    """Result of reading a folder: the folder, if its files are readable, and its problems."""

    folder: DataFolder | None
    problems: list[str]


def scan_folder(path: str | Path) -> Scan:
    """Read the data folder `path` and list every problem as `file:line: rule`."""
    path = Path(path)
    if not path.is_dir():
        return Scan(None, [f"{path}: no such data folder"])
    problems: list[str] = []
    maps = {}
    for name, column in _COLUMNS.items():
        file = path / name
        if file.is_file():
            maps[column.field] = _read_map(file, column.parse, problems)
        elif name in ("wav.scp", "utt2spk"):
            problems.append(f"{file}: missing; a data folder has wav.scp, utt2spk and spk2utt")
    if (path / "words.ctm").is_file():
        try:
            words = read_ctm(path / "words.ctm")
            maps["words"] = {utt: tuple(entries) for utt, entries in words.items()}
        except UserError as error:
            problems.append(str(error))
    if problems:
        return Scan(None, problems)
    folder = DataFolder(**maps)
    problems.extend(f"{path}/{problem}" for problem in inconsistencies(folder))
    problems.extend(_check_spk2utt(path / "spk2utt", folder))
    return Scan(folder, problems)


def read_folder(path: str | Path, need: Iterable[str] = ()) -> DataFolder:
    """Read a data folder that must be valid and have the files `need`, such as "text".

    Raises:
        UserError: the first problem, and how many more there are.
    """
    for name in need:
        if Path(path).is_dir() and not (Path(path) / name).is_file():
            raise UserError(f"{path}/{name}: missing, and needed here")
    folder, problems = scan_folder(path)
    if problems:
        more = f" (and {len(problems) - 1} more problems)" if len(problems) > 1 else ""
        raise UserError(problems[0] + more)
    assert folder is not None  # scan_folder: without problems there is a folder
    return folder


def write_folder(folder: DataFolder, path: str | Path) -> None:
    """Write `folder`, sorted, to `path`.

    New files are complete before they replace old ones, and wav.scp comes last: no interrupted
    write looks complete. Files of `DataFolder` that the new one lacks are removed, no others.
    """
    path = Path(path)
    for problem in inconsistencies(folder):
        raise UserError(f"{path}/{problem}")
    lines: dict[str, Iterable[str]] = {
        name: _table_lines(table, column)
        for name, column in _COLUMNS.items()
        if (table := getattr(folder, column.field)) is not None
    }
    lines["spk2utt"] = (f"{spk} {' '.join(utts)}\n" for spk, utts in folder.spk2utt().items())
    if folder.words is not None:
        lines["words.ctm"] = _ctm_lines(folder.words)
    lines["wav.scp"] = lines.pop("wav.scp")  # the last one to be written
    write_files(path, lines)
    for name in (*_COLUMNS, "words.ctm"):
        if name not in lines:
            (path / name).unlink(missing_ok=True)


def write_files(path: Path, contents: Mapping[str, Iterable[str]]) -> None:
    """Write text files, given as lines, into the folder `path`.

    All are complete before one is put into its place, the last one after all others.
    """
    path.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:  # the file that is opened first is put into its place last
        temporary = {n: stack.enter_context(replacing(path / n)) for n in reversed(list(contents))}
        for name, lines in contents.items():
            try:
                with temporary[name].open("w", encoding="utf-8", newline="") as file:
                    file.writelines(lines)
            except UnicodeEncodeError as error:
                bad = error.object[error.start : error.end]
                raise UserError(f"{path}/{name}: {bad!r} cannot be written as UTF-8") from None
        if not all(same_content(temporary[name], path / name) for name in contents):
            (path / list(contents)[-1]).unlink(missing_ok=True)


def subset(folder: DataFolder, utterances: Iterable[str]) -> DataFolder:
    """Return the folder with these utterances only."""
    kept = set(utterances)

    def cut(table):
        if table is None or table.keys() <= kept:
            return table
        return {utt: value for utt, value in table.items() if utt in kept}

    tables = {field: cut(getattr(folder, field)) for field in DataFolder._fields if field != "wav"}
    segments = tables["segments"]
    recordings = kept if segments is None else {s.recording for s in segments.values()}
    used = folder.wav.keys() <= recordings
    wav = folder.wav if used else {k: v for k, v in folder.wav.items() if k in recordings}
    return DataFolder(wav=wav, **tables)


def show_number(value: float) -> str:
    """Return `value` with 0.1 microseconds of precision: exact for samples at 16 kHz."""
    return f"{value:.7f}".rstrip("0").rstrip(".")


class _Column(NamedTuple):
    """How to parse the second column of a file (ValueError: the broken rule) and to write it."""

    field: str
    parse: Callable
    show: Callable


def _path(text: str) -> str:
    if text.endswith("|"):
        raise ValueError("a pipe; only plain paths are read")
    return text


def _one_word(text: str) -> str:
    if len(fields_of(text)) != 1:
        raise ValueError(f"expected one word after the id, found {text!r}")
    return sys.intern(text)  # a speaker has many utterances


def _label(text: str) -> str:
    if not text.strip():  # may have several words
        raise ValueError("expected a label after the id")
    return text


def _positive(text: str) -> float:
    value = to_number(text)
    if not 0 < value < float("inf"):
        raise ValueError(f"{text} is not a positive number")
    return value


def _count(text: str) -> int:
    if not re.fullmatch("0*[1-9][0-9]{0,14}", text):
        raise ValueError(f"{text!r} is not a positive whole number")
    return int(text)


def _segment(text: str) -> Segment:
    fields = fields_of(text)
    if len(fields) != 3:
        raise ValueError("expected 'utterance recording start end'")
    return Segment(fields[0], to_number(fields[1]), to_number(fields[2]))


def _show_segment(segment: Segment) -> str:
    return f"{segment.recording} {show_number(segment.start)} {show_number(segment.end)}"


_COLUMNS = {
    "wav.scp": _Column("wav", _path, str),
    "utt2spk": _Column("utt2spk", _one_word, str),
    "text": _Column("text", str, str),
    "sentiment": _Column("sentiment", _label, str),
    "segments": _Column("segments", _segment, _show_segment),
    "utt2speed": _Column("speed", _positive, show_number),
    "utt2dur": _Column("seconds", _positive, show_number),
    "utt2num_samples": _Column("samples", _count, str),
}


def _lines(file: Path, problems: list[str]) -> list[str]:
    """Return the lines of a UTF-8 file; add a problem if it is not UTF-8 or empty."""
    data = file.read_bytes()
    try:
        lines = data.decode("utf-8").split("\n")
    except UnicodeDecodeError as error:
        number = data.count(b"\n", 0, error.start) + 1
        problems.append(f"{file}:{number}: not UTF-8 text")
        return []
    if lines[-1] == "":
        lines.pop()
    if not lines:
        problems.append(f"{file}: empty")
    return lines


def _read_map(file: Path, parse: Callable, problems: list[str]) -> dict:
    """Return a two-column file as a map; add problems of unsorted, repeated or wrong lines."""
    table: dict = {}
    previous = ""
    for number, line in enumerate(_lines(file, problems), 1):
        key, *value = fields_of(line, 1) or [""]
        if not value:
            rule = f"nothing after the id {key!r}" if key else "blank line"
            problems.append(f"{file}:{number}: {rule}")
        elif key in table:
            problems.append(f"{file}:{number}: {key!r} occurs twice")
        elif key < previous:
            problems.append(f"{file}:{number}: {key!r} after {previous!r}; sort with LC_ALL=C")
        else:
            try:
                # The maps of a folder share their keys.
                table[sys.intern(key)] = parse(value[0].rstrip(BLANKS))
            except ValueError as error:
                problems.append(f"{file}:{number}: {key!r}: {error}")
            previous = key
    return table


def _table_lines(table: dict, column: _Column) -> Iterable[str]:
    return (f"{key} {column.show(table[key])}\n" for key in sorted(table))


def _ctm_lines(words: dict[str, tuple[Word, ...]]) -> Iterable[str]:
    for utt in sorted(words):
        for word, start, end in words[utt]:
            yield f"{utt} 1 {show_number(start)} {show_number(end - start)} {word}\n"


def _check_spk2utt(file: Path, folder: DataFolder) -> Iterable[str]:
    """Yield the problems of spk2utt, which must agree with utt2spk."""
    if not file.is_file():
        yield f"{file}: missing; a data folder has wav.scp, utt2spk and spk2utt"
        return
    problems: list[str] = []
    found = {spk: fields_of(utts) for spk, utts in _read_map(file, str, problems).items()}
    yield from problems
    expected = folder.spk2utt()
    for spk in sorted(found.keys() | expected.keys()):
        if not problems and found.get(spk) != expected.get(spk):
            yield f"{file}: speaker {spk!r} does not have the utterances that utt2spk gives it"
