"""Read and write word times in all supported formats, from a file or a folder."""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from espnet_wabert.errors import UserError
from espnet_wabert.formats import word_files
from espnet_wabert.formats.lines import (
    as_id,
    fields_of,
    numbered_lines,
    parse_number,
    read_table,
    refuse_second,
    write_atomically,
    write_lines,
)
from espnet_wabert.formats.rows import to_json
from espnet_wabert.formats.textgrid import read_textgrid
from espnet_wabert.formats.word import Word, WordTimes


class WordFormat(NamedTuple):
    """How to recognize and read one file format."""

    suffix: str  # in lower case; corpora have upper and lower case names
    read: Callable[[Path, list[str] | None], WordTimes]  # a list gets the labels of silence
    first_line: str  # pattern of the first line, for files whose name does not tell


FORMATS = {
    "ctm": WordFormat(".ctm", word_files.read_ctm, r"(;;.*|\S+\s+\S+(\s+[\d.]+){2}\s+\S+.*)"),
    "wrd": WordFormat(".wrd", lambda path, _: word_files.read_wrd(path), r"\d+\s+\d+\s+\S+"),
    "librispeech": WordFormat(
        ".alignment.txt", word_files.read_librispeech, r'\S+\s+"[^"]*"\s+"[^"]*"'
    ),
    "textgrid": WordFormat(".textgrid", read_textgrid, r".*ooTextFile.*"),
    "buckeye": WordFormat(".words", word_files.read_buckeye, r"signal\s+\S+"),
    "json": WordFormat(".json", word_files.read_json, r"\{.*"),
}
# Phones and states of pocketsphinx, and what `wabert align` writes beside words.ctm.
_PARTS_OF_WORDS = (".phone.json", ".state.json", "subwords.ctm")


def read_words(
    path: str | Path, file_format: str | None = None, silent: list[str] | None = None
) -> WordTimes:
    """Read the word times of a file, or of all files of one format in a folder.

    Args:
        path: of the file or folder.
        file_format: one of `FORMATS`; None: found by file names, then by the first line.
        silent: gets the labels that are taken as silence, apart from blank ones.
    """
    read = _format_of(path, file_format).read
    times: WordTimes = {}
    origin: dict[str, Path] = {}
    for file in files_of(path, file_format):
        for utt_id, words in read(file, silent).items():
            if utt_id in times:
                raise UserError(f"{file}: utterance {utt_id} is also in {origin[utt_id]}")
            times[utt_id], origin[utt_id] = words, file
    return times


def files_of(path: str | Path, file_format: str | None = None) -> list[Path]:
    """Return the files that `read_words` reads: one, or those of a format in a folder."""
    path, kind = Path(path), _format_of(path, file_format)
    if not path.is_dir():
        return [path]
    files = _in_folder(path, kind)
    if not files:
        raise UserError(f"{path}: holds no file whose name ends in {kind.suffix}")
    return files


def _format_of(path: str | Path, file_format: str | None) -> WordFormat:
    """Return the format of that name, or the one that is found."""
    if file_format is not None and file_format not in FORMATS:
        raise UserError(f"format '{file_format}' is not one of {_names()}")
    if not Path(path).exists():
        raise UserError(f"{path}: no such file or folder")
    return FORMATS[file_format or detect_format(path)]


def detect_format(path: str | Path) -> str:
    """Return the format of a file or folder, by names and then by the first line."""
    path = Path(path)
    if path.is_dir():
        counts = {name: len(_in_folder(path, kind)) for name, kind in FORMATS.items()}
        found = {name: count for name, count in counts.items() if count}
        if len(found) == 1:
            return next(iter(found))
        several = ", ".join(f"{count} of {name}" for name, count in found.items())
        holds = f"holds files of several formats ({several})" if found else "holds no word times"
        raise UserError(f"{path}: {holds}; name the format: {_names()}")
    for name, kind in FORMATS.items():
        if path.name.lower().endswith(kind.suffix):
            return name
    if path.exists() and path.stat().st_size == 0:
        raise UserError(f"{path}:1: is empty; name the format if that is meant")
    _, line = next(numbered_lines(path), (1, ""))
    for name, kind in FORMATS.items():
        if re.fullmatch(kind.first_line, line):
            return name
    raise UserError(f"{path}:1: is in no known format of word times; name one: {_names()}")


def _names() -> str:
    return ", ".join(FORMATS)


def _in_folder(folder: Path, kind: WordFormat) -> list[Path]:
    """Return the files of a format in a folder, sorted."""
    return sorted(
        file
        for file in folder.rglob("*")
        if file.name.lower().endswith(kind.suffix)
        and not file.name.startswith(".")
        and not file.name.endswith(_PARTS_OF_WORDS)
        and file.is_file()
    )


def read_ids(path: str | Path) -> list[str]:
    """Read the ids in the first column of a Kaldi file (a list, wav.scp, text, ...)."""
    ids = list(read_table(path))
    if not ids:
        raise UserError(f"{path}:1: is empty; it must name utterances")
    return ids


def cut_segments(recordings: WordTimes, segments: str | Path) -> WordTimes:
    """Cut recordings (of Buckeye) into utterances by a Kaldi `segments` file.

    Lines are `utterance recording start end` in seconds. A word belongs to the utterance that
    contains its middle; its times are relative to the start of that utterance.
    """
    times: WordTimes = {}
    for number, line in numbered_lines(segments):
        where, fields = f"{segments}:{number}", fields_of(line)
        if len(fields) != 4:
            raise UserError(f"{where}: {len(fields)} fields, not 'utterance recording start end'")
        utt_id, recording = fields[:2]
        refuse_second(utt_id, times, where)
        if recording not in recordings:
            raise UserError(f"{where}: recording {recording} has no word times")
        start, end = (parse_number(field, "time", where) for field in fields[2:])
        times[utt_id] = [
            Word(word, left - start, right - start)
            for word, left, right in recordings[recording]
            if start <= (left + right) / 2 < end
        ]
    if not times:
        raise UserError(f"{segments}:1: is empty; it must have segments")
    return times


def write_ctm(
    path: str | Path,
    times: Mapping[str, Sequence[Word]],
    confidences: Mapping[str, Sequence[float]] | None = None,
) -> None:
    """Write a CTM in seconds with four decimals, and one confidence (0 to 1) per word if given.

    An utterance without words is written as one `<eps>` without duration, so that it is not lost.
    A blank in an id becomes "_".
    """
    lines = []
    names: dict[str, str] = {}
    for utt_id in sorted(times):
        name = as_id(utt_id)
        if name in names:
            raise UserError(f"{path}: utterances {names[name]} and {utt_id} have one id, {name}")
        names[name] = utt_id
        words = times[utt_id]
        scores: Sequence[float | None] = [None] * len(words)
        if confidences is not None:
            scores = confidences.get(utt_id, ())
            if len(scores) != len(words):
                raise UserError(
                    f"utterance {utt_id}: {len(scores)} confidences for {len(words)} words"
                )
        if not words:
            lines.append(f"{name} 1 0.0000 0.0000 <eps>")
        for (word, start, end), score in zip(words, scores, strict=True):
            if not word or any(character.isspace() for character in word):
                raise UserError(f"{path}: utterance {utt_id}: '{word}' cannot be a word of a CTM")
            length = round(end, 4) - round(start, 4)  # start + duration equals the rounded end
            tail = "" if score is None else f" {score:.4f}"
            lines.append(f"{name} 1 {start:.4f} {length:.4f} {word}{tail}")
    write_lines(path, lines)


def write_json(path: str | Path, times: Mapping[str, Sequence[Word]]) -> None:
    """Write `{utterance: {"words": [{"word", "start", "end"}]}}`, times in seconds."""
    content = {
        utt_id: {
            "words": [
                {"word": word, "start": round(start, 6), "end": round(end, 6)}
                for word, start, end in words
            ]
        }
        for utt_id, words in sorted(times.items())
    }
    write_atomically(path, to_json(content))
