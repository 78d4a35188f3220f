"""Slow, strict readers of word times, written apart from those of the package.

They have no messages and share no code with `espnet_wabert.formats`: what both read must be equal.
A file that they refuse (`ValueError`) must not be read by the package either.
"""

import json
import re
from decimal import Decimal
from pathlib import Path

NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,5})?")
BLANKS = " \t\r\v\f"  # of a line; other white space of Unicode may be part of a word
SILENCE = re.compile(r"|!SIL|h#|<[^<>]*>|\[[^\[\]]*\]", re.IGNORECASE)
Times = dict[str, list[tuple[str, float, float]]]


def number(text: str) -> float:
    """Return a finite number in ASCII digits."""
    if not NUMBER.fullmatch(text):
        raise ValueError(text)
    value = float(Decimal(text))
    if value in (float("inf"), float("-inf")):
        raise ValueError(text)
    return value


def lines(content: bytes) -> list[str]:
    """Return the lines of UTF-8 text that have something in them."""
    text = content.removeprefix(b"\xef\xbb\xbf").decode("utf-8")
    return [line.strip(BLANKS) for line in text.split("\n") if line.strip(BLANKS)]


def fields(line: str, most: int = -1) -> list[str]:
    """Return the fields between blanks."""
    found = re.split(f"[{BLANKS}]+", line, maxsplit=max(0, most - 1))
    return [field for field in found if field]


def word(label: str, start: float, end: float, found: list, silence: bool | None = None) -> None:
    """Add a word to a list, unless it is silence."""
    if silence is None:
        silence = bool(SILENCE.fullmatch(label)) and label.lower() not in ("<unk>", "[unk]")
    if silence:
        return
    if not 0 <= start <= end:
        raise ValueError(f"{start} to {end}")
    found.append((label, start, end))


def ctm(content: bytes, path: Path) -> Times:
    """Read a CTM of seconds."""
    times: Times = {}
    channels: dict[str, str] = {}
    for line in lines(content):
        if line.startswith(";;"):
            continue
        utterance, channel, start, length, label, *more = fields(line)
        if channels.setdefault(utterance, channel) != channel:
            raise ValueError(line)
        if more and more[0] != "NA":
            number(more[0])
        if len(more) > 3:
            raise ValueError(line)
        found = times.setdefault(utterance, [])
        begin = number(start)
        word(label, begin, begin + number(length), found)
    return times


def wrd(content: bytes, path: Path) -> Times:
    """Read a .WRD file of TIMIT."""
    found: list = []
    for line in lines(content):
        start, end, label = fields(line)
        word(label, number(start) / 16000, number(end) / 16000, found, silence=False)
    return {f"{path.parent.name}_{path.stem}".upper(): found}


def librispeech(content: bytes, path: Path) -> Times:
    """Read a .alignment.txt of LibriSpeech."""
    times: Times = {}
    for line in lines(content):
        head, labels, between, ends, rest = line.split('"')
        (utterance,) = fields(head)
        if utterance in times or between.strip(BLANKS) or rest or not between:
            raise ValueError(line)
        found: list = []
        before = 0.0
        for label, end in zip(labels.split(","), ends.split(","), strict=True):
            word(label, before, number(end.strip(BLANKS)), found)
            before = number(end.strip(BLANKS))
        times[utterance] = found
    return times


def words_json(content: bytes, path: Path) -> Times:
    """Read the JSON of `wabert align`."""

    def unique(pairs):
        if len({key for key, _ in pairs}) != len(pairs):
            raise ValueError("a key occurs twice")
        return dict(pairs)

    values = json.loads(content.decode("utf-8-sig"), object_pairs_hook=unique)
    times: Times = {}
    for utterance, tiers in values.items():
        found: list = []
        for entry in tiers["words"]:
            if not isinstance(entry["word"], str):
                raise ValueError(entry["word"])
            start, end = (_json_number(entry[name]) for name in ("start", "end"))
            word(entry["word"], start, end, found, silence=not entry["word"].strip())
        times[utterance] = found
    return times


def _json_number(value: object) -> float:
    if isinstance(value, str):
        return number(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(value)
    return number(repr(value))


def textgrid(content: bytes, path: Path) -> Times:
    """Read the intervals of the only tier of a TextGrid in the long format."""
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        text = content.decode("utf-16")
    else:
        text = content.decode("utf-8-sig")
    rows = _intervals(_tokens(text))
    found: list = []
    for start, end, label in rows:
        shown = label.strip(BLANKS + "\n")
        silence = shown.lower() in ("", "sil", "sp", "spn", "pau") or (
            bool(SILENCE.fullmatch(shown)) and shown.lower() not in ("<unk>", "[unk]")
        )
        word(label, start, end, found, silence)
    return {path.stem: found}


def _tokens(text: str) -> list[str | float]:
    """Return the texts, flags and numbers of a TextGrid, letter by letter."""
    found: list[str | float] = []
    at = 0
    while at < len(text):
        if text[at] == '"':
            label = ""
            at += 1
            while text[at : at + 2] == '""' or text[at] != '"':
                label += text[at]
                at += 2 if text[at] == '"' else 1
            found.append(label)
            at += 1
        elif text[at].isspace():
            at += 1
        else:
            end = at
            while end < len(text) and not text[end].isspace() and text[end] != '"':
                end += 1
            token = text[at:end]
            alone = end == len(text) or text[end].isspace()
            begun = at == 0 or text[at - 1].isspace()
            if re.search(r"<\w+>", token):
                found += [f"<{name}>" for name in re.findall(r"<(\w+)>", token)]
            elif alone and begun and token[0] != "+" and NUMBER.fullmatch(token):
                found.append(number(token))
            at = end
    return found


def _intervals(tokens: list[str | float]) -> list[tuple[float, float, str]]:
    """Return the rows of the only tier."""
    head = ["ooTextFile", "TextGrid", float, float, "<exists>", 1.0, "IntervalTier", str, float,
            float, float]  # fmt: skip
    for token, wanted in zip(tokens, head, strict=False):
        same = type(token) is wanted if isinstance(wanted, type) else token == wanted
        if not same and not (wanted == "ooTextFile" and str(token).startswith(str(wanted))):
            raise ValueError(f"{token} where {wanted} must be")
    rest = tokens[len(head) :]
    if len(tokens) < len(head) or len(rest) != 3 * int(tokens[len(head) - 1]):
        raise ValueError("not whole")
    rows = []
    for start, end, text in zip(rest[::3], rest[1::3], rest[2::3], strict=True):
        if not (isinstance(start, float) and isinstance(end, float) and isinstance(text, str)):
            raise ValueError("not a start, an end and a text")
        rows.append((start, end, text))
    return rows


def table(content: bytes) -> dict[str, str]:
    """Read a file `key value` of a data folder, sorted and without a key twice."""
    text = content.decode("utf-8")
    rows = text.split("\n")
    if rows[-1] == "":
        rows.pop()
    found: dict[str, str] = {}
    for row in rows:
        key, value = fields(row.strip(BLANKS), 2)
        if key in found or list(found)[-1:] > [key]:
            raise ValueError(row)
        found[key] = value
    return found
