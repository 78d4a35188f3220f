"""Headers of audio files, of Ogg and MP3 above all: what libsndfile does not tell of them."""

import os
import re
import zlib
from typing import BinaryIO, NamedTuple

import soundfile

# Suffixes of recordings that libsndfile cannot read.
UNREADABLE = {
    ".3g2", ".3gp", ".aac", ".ac3", ".aifc", ".amr", ".ape", ".asf", ".avi", ".dff", ".dsf", ".dss",
    ".ds2", ".dts", ".eac3", ".f4v", ".flv", ".m2ts", ".m4a", ".m4b", ".m4v", ".mka", ".mkv",
    ".mov", ".mp4", ".mpc", ".mpeg", ".mpg", ".mts", ".ogv", ".pcm", ".ra", ".rm", ".spx", ".tta",
    ".vob", ".webm", ".wma", ".wmv", ".wv",
}  # fmt: skip
# What libsndfile's log says of sizes in headers.
_SIZES = re.compile(
    r"^\s*(?:data|SSND|BODY|Data Size|riff)\s*: (\d+) \(should be (\d+)\)", re.MULTILINE
)
_FRAMES = re.compile(r"^\s*(?:Frames\s*: |sample_count -i )(\d+)", re.MULTILINE)
_TRUNCATED = re.compile(r"(?:file|chunk) seems to be truncated|a truncated file", re.IGNORECASE)
HEAD = 1024  # bytes of SPHERE's header
_MIRROR = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
_BEGINS, _ENDS = 2, 4  # flags of an Ogg page: the first and the last of its stream
_MPEG = re.compile(rb"\xff[\xe2-\xe7\xf2-\xf7\xfa-\xff]")  # MPEG audio, layers I to III
_XING = re.compile(rb"(?:Xing|Info)(.{4})(.{4})(.{4})", re.DOTALL)  # flags, frames, bytes
_CHUNK = re.compile(rb"[ -~]{4}.{4}", re.DOTALL)  # of a WAV: its name and length
_NEAR = 1 << 16  # bytes in which the first frame of an MP3 is
_FEW = 4096  # bytes: more than two frames, which encoders count differently, and than most tags


class Ogg(NamedTuple):
    """How an Ogg file is cut off, "" if it is not, and the bytes after its first recording."""

    cut: str
    rest: int


class MP3(NamedTuple):
    """Where an MP3's first frame is, whether a header counts the frames, and the bytes after them.

    `rest` is 0 where only tags follow.
    """

    start: int
    counted: bool
    rest: int


def cut_by_header(file: soundfile.SoundFile, path: str) -> str:
    """Return how a file is shorter or longer than its header says; empty if it is not.

    Args:
        file: open audio; libsndfile's log tells what it found.
        path: of the same file, for the headers of SPHERE and WAV.
    """
    log = file.extra_info
    for value in file.copy_metadata().values():  # which libsndfile repeats in its log
        log = log.replace(value, "")
    for found in _SIZES.finditer(log):
        # Programs that write to a pipe declare the largest possible number.
        if int(found[2]) < int(found[1]) < 0x7FFF0000:
            return f"{found[2]} of {found[1]} bytes are there"
    if file.format == "NIST":
        with open(path, "rb") as raw:
            log += raw.read(HEAD).decode("latin-1")
    promised = _FRAMES.search(log)
    if promised and file.frames < int(promised[1]):
        return f"{file.frames} of {int(promised[1])} samples are there"
    more = uncounted(path) if file.format in ("WAV", "WAVEX") else 0
    if more:
        counted = f"its header counts {file.frames} samples, and {more} bytes follow"
        return f"{counted}; repair it, for example with sox --ignore-length"
    if file.format == "WAV" and file.subtype == "GSM610":
        return ""  # libsndfile takes the byte that makes a chunk's length even for a cut
    return "libsndfile finds it cut off" if _TRUNCATED.search(log) else ""


def uncounted(path: str) -> int:
    """Return the bytes after the chunks of a WAV, which are samples; 0: there are none.

    Recorders leave such headers that lost their power, or wrote more than 4 GB.
    """
    size, place, counted = os.path.getsize(path), 12, False
    with open(path, "rb") as file:
        if _at(file, 0, 4) != b"RIFF":
            return 0
        while _CHUNK.match(head := _at(file, place, 8)):
            length = int.from_bytes(head[4:], "little")
            end = place + 8 + length
            if end > size:
                break
            counted |= head.startswith(b"data")
            odd = length % 2 and not _CHUNK.match(_at(file, end, 8))  # its last byte is a pad
            place = end + odd
        rest = size - place
        tag = _at(file, place, 3) in (b"ID3", b"TAG", b"APE")
        if not counted or rest <= _FEW or tag:
            return 0
        file.seek(place)
        blocks = iter(lambda: file.read(_NEAR), b"")
        return rest if any(block.strip(b"\0") for block in blocks) else 0


def read_ogg(path: str) -> Ogg:
    """Go through the pages of an Ogg file.

    libsndfile takes a stream that is cut off, or whose last page is damaged, for a shorter one.
    One that is cut between two pages is taken for a whole one: it lacks the mark of a last page,
    but so do the files of some recorders (Android's, streams to a disk).
    """
    size = os.path.getsize(path)
    place, flags, begun = 0, 0, False
    with open(path, "rb") as file:
        while place < size:
            head = _at(file, place, 27)
            if head[:4] != b"OggS"[: len(head)]:
                break  # damage, or something else after the last page
            lengths = file.read(head[-1])
            end = place + len(head) + len(lengths) + sum(lengths)
            if len(head) < 27 or len(lengths) < head[26] or end > size:
                return Ogg("its last page is not complete", 0)
            if _checksum(head, lengths + file.read(sum(lengths))) != head[22:26]:
                return Ogg(f"the page at byte {place} is damaged", 0)
            flags = head[5]
            if begun and flags & _BEGINS:
                return Ogg("", size - place)
            begun = not flags & _BEGINS
            place = end
    if place < size and not flags & _ENDS:
        return Ogg(f"no page at byte {place} of {size}", 0)
    return Ogg("", 0)


def _checksum(head: bytes, body: bytes) -> bytes:
    """Return the checksum of an Ogg page: zlib's with the bits of each byte in the other order."""
    page = (head[:22] + bytes(4) + head[26:] + body).translate(_MIRROR)
    return (zlib.crc32(page, 0xFFFFFFFF) ^ 0xFFFFFFFF).to_bytes(4).translate(_MIRROR)


def read_mp3(path: str) -> MP3:
    """Read the header of an MP3's first frame."""
    with open(path, "rb") as file:
        start = 0
        while (tag := _at(file, start, 10))[:3] == b"ID3" and len(tag) == 10:
            length = sum(byte << shift for byte, shift in zip(tag[6:], (21, 14, 7, 0), strict=True))
            start += 10 + length
        frame = _MPEG.search(_at(file, start, _NEAR))
        start += frame.start() if frame else 0
        header = _XING.search(_at(file, start, 64))
        flags, frames, size = (int.from_bytes(f) for f in header.groups()) if header else (0, 0, 0)
        counted = bool(flags & 1 and frames)
        end = start + size
        rest = os.path.getsize(path) - end
        after = _at(file, end, 3)
        more = flags & 2 and rest > _FEW and (after == b"ID3" or _MPEG.match(after))
    return MP3(start, counted, rest if counted and more else 0)


def feed(path: str, start: int, pipe: int) -> None:
    """Write a file from byte `start` into a pipe, and close that."""
    try:
        with open(path, "rb") as source, open(pipe, "wb", buffering=0) as sink:
            source.seek(start)
            while block := source.read(_NEAR):
                sink.write(block)
    except OSError:  # what reads it has seen enough, or finds it too short
        pass


def _at(file: BinaryIO, place: int, count: int) -> bytes:
    """Return up to `count` bytes from `place`."""
    file.seek(place)
    return file.read(count)
