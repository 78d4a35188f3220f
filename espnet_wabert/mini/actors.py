"""Recordings of people to train on: the actors of Flight of the Amazon Queen.

Debian's package of this game (1995; freeware, whose licence allows copies and changes) has 6,700
lines in clips of some seconds, 4.6 hours of English by men and women with accents and moods, MP3 at
11 kHz, and the text of each line. The names of the clips lead to their texts; the layouts of the
game's files are those that ScummVM reads (engines/queen). The times of the words are not known.
"""

import functools
import io
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from espnet_wabert.errors import UserError
from espnet_wabert.mini.debian import fetch_debian
from espnet_wabert.mini.sources import source_folder
from espnet_wabert.mini.speech import Manner, Speech

NAME = "actors"  # of the sources' folder
PACKAGE = "flight-of-the-amazon-queen"
OPTION = "--actors"  # of bin.fetch_sources
ARCHIVE = Path("scummvm") / PACKAGE / "queen.1c"
LICENCE = Path("doc") / PACKAGE / "copyright"
HEADER = 20  # bytes before the data of a dialogue or a scene
CODE = re.compile(r"\*..")  # a command to the animation; each ends a clip
SPOKEN = re.compile(r"[A-Za-z .,!?'\"-]*[A-Za-z][A-Za-z .,!?'\"-]*")
PACE = 0.035, 0.35  # s per letter; what is outside is a noise, or has another text
GENERAL, GENERAL_LINE = 40, 1186  # answers for all things: lines of QUEEN2.JAS from 1187 on


class Line(NamedTuple):
    """A line that an actor says in one clip."""

    clip: str  # name
    text: str  # lower-case words

    @property
    def actor(self) -> str:
        """Return who speaks: a dialogue's number with J (the hero) or P (the other), or a scene."""
        return self.clip[:2] + self.clip[6] if self.clip[0].isdigit() else self.clip[:3]


class ActorVoice(NamedTuple):
    """A recording of a line, as it was said or faster and higher."""

    actor: str
    speed: float = 1.0  # factor of the speed, and of the pitch and the resonances with it
    clip: str = ""  # the line's
    sources: Path | None = None  # folder of the fetched sources

    @property
    def name(self) -> str:
        """Return who speaks, and the factor."""
        return f"actor-{self.actor}+speed{self.speed:.2f}"

    def speak(self, text: str, manner: Manner, seed: int) -> Speech:
        """Return the recording; `text`, `manner` and `seed` change nothing."""
        samples, rate = _archive(self.sources).audio(self.clip)
        return Speech(samples, round(rate * self.speed), [])


class Archive:
    """The game's archive: a table of names, and the files one after another.

    Args:
        path: of queen.1c, with MP3 instead of the sounds' own format.

    Raises:
        UserError: it is not such an archive.
    """

    def __init__(self, path: Path):
        self.path = path
        self.content = path.read_bytes()
        if self.content[:4] != b"QTBL" or self.content[12:13] != b"\x01":
            raise UserError(f"{path}: not the archive of {PACKAGE} with MP3 sounds")
        count = int.from_bytes(self.content[13:15], "big")
        self.places: dict[str, tuple[int, int]] = {}  # name -> offset and size
        for at in range(15, 15 + 21 * count, 21):
            entry = self.content[at : at + 21]
            name = entry[:12].split(b"\0")[0].decode("ascii", "replace")
            place = int.from_bytes(entry[13:17], "big"), int.from_bytes(entry[17:], "big")
            if sum(place) > len(self.content):
                raise UserError(f"{path}: ends before {name}, one of its files")
            self.places[name] = place

    def read(self, name: str) -> bytes:
        """Return the bytes of a file."""
        if name not in self.places:
            raise UserError(f"{self.path}: holds no {name}")
        offset, size = self.places[name]
        return self.content[offset : offset + size]

    def audio(self, clip: str) -> tuple[np.ndarray, int]:
        """Return the samples (S,) float32 of a clip and their rate in Hz."""
        with self._open(clip) as sound:
            return sound.read(dtype="float32"), sound.samplerate

    def seconds(self, clip: str) -> float:
        """Return the length of a clip."""
        with self._open(clip) as sound:
            return sound.frames / sound.samplerate

    def _open(self, clip: str):
        import soundfile

        try:
            return soundfile.SoundFile(io.BytesIO(self.read(f"{clip}.SB")))
        except soundfile.LibsndfileError as error:
            raise UserError(f"{self.path}: {clip}.SB: {error}") from error

    def names(self, suffix: str) -> list[str]:
        """Return the names of the files of a kind, without the suffix, in order."""
        return sorted(n.removesuffix(suffix) for n in self.places if n.endswith(suffix))


@functools.lru_cache(maxsize=1)
def _archive(sources: Path | None) -> Archive:
    return Archive(source_folder(NAME, sources, OPTION) / ARCHIVE)


def fetch_actors(sources: Path | None = None) -> list[str]:
    """Download and unpack the package, without installing it; return the names of what is new."""
    return [NAME] if fetch_debian((PACKAGE,), NAME, (ARCHIVE, LICENCE), sources) else []


def read_lines(sources: Path | None = None) -> list[Line]:
    """Return the lines with words only, whose clips have a plausible length, by the clips' names.

    Raises:
        UserError: the package was not fetched.
    """
    archive = _archive(sources)
    texts = dict([*_dialogues(archive), *_scenes(archive), *_remarks(archive)])
    found = []
    for clip in archive.names(".SB"):
        said = texts.get(clip, "")
        words = re.sub(r"[^a-z' ]", " ", said.lower()).split()
        text = " ".join(word.strip("'") for word in words if word.strip("'"))
        if SPOKEN.fullmatch(said) and PACE[0] <= archive.seconds(clip) / len(text) <= PACE[1]:
            found.append(Line(clip, text))
    return found


def lines_by_actor(sources: Path | None = None) -> dict[str, list[Line]]:
    """Return the lines of `read_lines` by who says them."""
    found: dict[str, list[Line]] = defaultdict(list)
    for line in read_lines(sources):
        found[line.actor].append(line)
    return found


def _dialogues(archive: Archive) -> Iterator[tuple[str, str]]:
    """The texts of dialogues: a clip has the dialogue, the line's id, J or P, and a part."""
    for name in archive.names(".DOG"):
        data = archive.read(f"{name}.DOG")[HEADER:]
        levels, _, number, *counts = (_short(data, at) for at in range(0, 10, 2))
        starts = 32 + 96 * abs(levels), _short(data, 22)
        for speaker, at, count in zip("JP", starts, counts, strict=True):
            for _ in range(count):
                line, text = _short(data, at + 2) & 0xFFFF, _string(data, at + 4)
                at += 4 + -(-(1 + len(text)) // 4) * 4
                code = f"{line:04X}" if line or speaker == "P" else "SSSS"  # the first words
                yield from _parts(f"{number:02d}{code}{speaker}", text)


def _scenes(archive: Archive) -> Iterator[tuple[str, str]]:
    """The texts of scenes: a clip has the scene, the number of the object, and a part."""
    for name in archive.names(".CUT"):
        data = archive.read(f"{name}.CUT")[HEADER:]
        at, number = _short(data, 8) & 0xFFFF if len(data) > 10 else len(data), 0
        while at < len(data) and number < 100:
            text = _string(data, at)
            yield from _parts(f"{name:_<5}{number:02d}", text)
            at += 1 + len(text)
            at += at % 2 if text else 0
            number += 1


def _remarks(archive: Archive) -> Iterator[tuple[str, str]]:
    """What the hero says of things: the number of the remark, and a part."""
    lines = archive.read("QUEEN2.JAS").decode("latin-1").split("\r\n")
    order = [*lines[GENERAL_LINE + 1 : GENERAL_LINE + 1 + GENERAL], *lines]
    for number, text in enumerate(order, 1):
        yield from _parts(f"JOE{number:04d}", text)


def _parts(clip: str, text: str) -> Iterator[tuple[str, str]]:
    """Split a text at its commands: each part has a clip of its own, numbered from 1."""
    for number, part in enumerate(CODE.split(text), 1):
        yield f"{clip}{number}", part


def _short(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 2], "big", signed=True)


def _string(data: bytes, at: int) -> str:
    return data[at + 1 : at + 1 + data[at]].decode("latin-1")
