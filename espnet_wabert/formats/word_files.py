"""Readers of word times in CTM, TIMIT, LibriSpeech, Buckeye and JSON files.

A list `silent` gets the labels that are taken as silence or noise, apart from blank ones.
"""

import logging
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from espnet_wabert.errors import UserError
from espnet_wabert.formats.lines import (
    fields_of,
    load_json,
    numbered_lines,
    parse_number,
    refuse_second,
    to_number,
)
from espnet_wabert.formats.word import Word, WordTimes, checked_word, is_silence

CTM_FIELDS = 8  # NIST has type and speaker after the confidence
TIMIT_RATE = 16000  # Hz: unit of the times in .WRD files
_LIBRISPEECH_LINE = re.compile(r'(\S+)\s+"([^"]*)"\s+"([^"]*)"', re.ASCII)


def read_ctm(path: Path, silent: list[str] | None = None) -> WordTimes:
    """Kaldi's and NIST's CTM: `utterance channel start duration word [confidence]`, in seconds.

    Lines that begin with `;;` are comments. An utterance with silence only is kept without words.
    An utterance of two channels, as NIST has telephone calls, would mix its speakers: an error.
    """
    times: WordTimes = {}
    channels: dict[str, str] = {}
    for number, line in numbered_lines(path):
        if line.startswith(";;"):
            continue
        where, fields = f"{path}:{number}", fields_of(line)
        if not 5 <= len(fields) <= CTM_FIELDS:
            raise UserError(
                f"{where}: {len(fields)} fields, "
                "not 'utterance channel start duration word [confidence]'"
            )
        utt_id, channel, start, duration, label, *more = fields
        first = channels.setdefault(utt_id, channel)
        if channel != first:
            raise UserError(
                f"{where}: utterance {utt_id} has channels {first} and {channel}; part them into"
                " two utterances"
            )
        if more and more[0] != "NA":
            parse_number(more[0], "confidence", where)
        words = times.setdefault(utt_id, [])
        begin = parse_number(start, "start", where)
        length = parse_number(duration, "duration", where)
        if not is_silence(label):
            words.append(checked_word(label, begin, begin + length, where))
        elif silent is not None:
            silent.append(label)
    if not times:
        raise UserError(f"{path}:1: is empty; it must have words")
    return times


def read_wrd(path: Path) -> WordTimes:
    """One TIMIT .WRD file: `start_sample end_sample word` at 16 kHz.

    The utterance id is speaker and sentence (`FAKS0_SA1`), because several speakers have the same
    sentence names.
    """
    path = Path(path)
    words = []
    for number, line in numbered_lines(path):
        where, fields = f"{path}:{number}", fields_of(line)
        if len(fields) != 3:
            raise UserError(f"{where}: {len(fields)} fields, not 'start_sample end_sample word'")
        start = parse_number(fields[0], "start_sample", where)
        end = parse_number(fields[1], "end_sample", where)
        for time in (start, end):
            if not time.is_integer():  # of seconds, perhaps
                raise UserError(f"{where}: {time:g}: not a whole number of samples")
        words.append(checked_word(fields[2], start / TIMIT_RATE, end / TIMIT_RATE, where))
    return {timit_utterance(path): words}


def timit_utterance(path: Path) -> str:
    """`.../DR1/FAKS0/SA1.WRD` is utterance `FAKS0_SA1`, in any letter case."""
    path = Path(path).absolute()
    return f"{path.parent.name}_{path.stem}".upper()


def read_librispeech(path: Path, silent: list[str] | None = None) -> WordTimes:
    """A LibriSpeech `.alignment.txt`: `utterance ",WORDS," "end times"`.

    The file has end times only: a word starts where the entry before it ends. An empty word is
    silence.
    """
    times: WordTimes = {}
    for number, line in numbered_lines(path):
        where, match = f"{path}:{number}", _LIBRISPEECH_LINE.fullmatch(line)
        if not match:
            raise UserError(f'{where}: is not \'utterance ",WORDS," "end times"\'')
        utt_id, labels, ends = match[1], match[2].split(","), match[3].split(",")
        if len(labels) != len(ends):
            raise UserError(f"{where}: {len(labels)} words but {len(ends)} end times in {utt_id}")
        refuse_second(utt_id, times, where)
        numbers = [parse_number(end, "end time", where) for end in ends]
        times[utt_id] = [
            checked_word(label, start, end, where)
            for label, start, end in zip(labels, [0.0, *numbers], numbers, strict=False)
            if not is_silence(label)
        ]
        if silent is not None:
            silent += [label for label in labels if label.strip() and is_silence(label)]
    return times


def read_buckeye(path: Path, silent: list[str] | None = None) -> WordTimes:
    """One Buckeye `.words` file: a header up to `#`, then `end_time color label; ...`.

    Entries in `<>` and `{}` (silence, noise, laughter, cut-off words) are not words. A few
    times in the corpus decrease: such a word gets its end time only, and is reported.
    """
    path, words, previous = Path(path), [], 0.0
    for where, entry in _buckeye_entries(path):
        fields = fields_of(entry.split(";")[0], 2)
        if len(fields) < 2:
            raise UserError(f"{where}: is not 'end_time color label; ...'")
        end = parse_number(fields[0], "end time", where)
        if end < previous:
            logging.warning("%s: time runs back from %g to %g s", where, previous, end)
        if len(fields) == 3 and fields[2][0] not in "<{":
            words.append(Word(fields[2], max(0.0, min(previous, end)), max(0.0, end)))
        elif len(fields) == 3 and silent is not None:
            silent.append(fields[2])
        previous = end
    return {path.stem: words}


def _buckeye_entries(path: Path) -> Iterator[tuple[str, str]]:
    """Yield the entries after the header, each with file:line."""
    lines = numbered_lines(path)
    if not any(line.startswith("#") for _, line in lines):
        raise UserError(f"{path}:1: has no line '#' that ends the header of a Buckeye file")
    return ((f"{path}:{number}", line) for number, line in lines)


def read_json(path: Path, silent: list[str] | None = None) -> WordTimes:
    """Read this toolkit's JSON, or that of pocketsphinx.

    This toolkit writes `{utterance: {"words": [{"word", "start", "end"}]}}`. pocketsphinx writes
    one file per utterance, with its name: `{"w": [{"t", "b", "d"}]}`.
    """
    path = Path(path)
    content = load_json(path)
    if isinstance(content, dict) and isinstance(content.get("w"), list):
        entries = [_spoken_part(entry, path) for entry in content["w"]]
        words = _json_words(entries, path)
        if silent is not None:
            silent += [word.word for word in words if is_silence(word.word)]
        return {path.stem: [word for word in words if not is_silence(word.word)]}
    if not isinstance(content, dict):
        raise UserError(f"{path}:1: is not an object {{utterance: {{'words': [...]}}}}")
    times = {}
    for utt_id, tiers in content.items():
        if not isinstance(tiers, dict) or not isinstance(tiers.get("words"), list):
            raise UserError(f"{path}: utterance {utt_id} has no list 'words'")
        times[utt_id] = _json_words(tiers["words"], path, utt_id)
    return times


def _spoken_part(entry: dict, path: Path) -> dict:
    """Convert begin and duration, as pocketsphinx writes them, to start and end."""
    try:
        start = to_number(entry["b"])
        return {"word": entry["t"], "start": start, "end": start + to_number(entry["d"])}
    except (KeyError, TypeError, ValueError):
        raise UserError(f"{path}: {entry!r} is not a word with 't', 'b' and 'd'") from None


def _json_words(entries: Iterable[dict], path: Path, utt_id: str = "") -> list[Word]:
    words = []
    for index, entry in enumerate(entries, start=1):
        where = f"{path}: {utt_id} word {index}" if utt_id else f"{path}: word {index}"
        try:
            label, start, end = entry["word"], entry["start"], entry["end"]
        except (KeyError, TypeError):
            raise UserError(f"{where} lacks one of 'word', 'start', 'end'") from None
        if not isinstance(label, str):
            raise UserError(f"{where}: {label!r} is not a word in quotation marks")
        start, end = parse_number(start, "start", where), parse_number(end, "end", where)
        if label.strip():
            words.append(checked_word(label, start, end, where))
    return words
