"""Recordings: damaged files of every format, headers that lie, devices, and samples of no sound."""

import io
import os
import struct
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile

from espnet_wabert.corpora.formatting import Task, format_one
from espnet_wabert.corpora.speed import FACTOR_RANGE
from espnet_wabert.errors import UserError
from espnet_wabert.formats.audio import read_audio
from espnet_wabert.formats.kaldi import Segment
from espnet_wabert.inference.listing import is_list
from espnet_wabert.inference.recordings import from_stream, load, one_file
from faults import damage
from faults.drawn import drawn
from faults.outcomes import Outcome, Try, Verdict

RATE = 16000


class Kind(NamedTuple):
    """A format of audio; `checked`: it has checksums, so that every flipped bit can be seen."""

    suffix: str
    format: str
    subtype: str
    rate: int = RATE
    channels: int = 1
    checked: bool = False


KINDS = (
    Kind("flac", "FLAC", "PCM_16", checked=True),
    Kind("wav", "WAV", "PCM_16"),
    Kind("WAV", "NIST", "PCM_16"),
    Kind("wav", "WAV", "FLOAT"),
    Kind("flac", "FLAC", "PCM_24", 44100, 2, checked=True),
    Kind("ogg", "OGG", "VORBIS", checked=True),
    Kind("opus", "OGG", "OPUS", checked=True),
    Kind("mp3", "MP3", "MPEG_LAYER_III"),
    Kind("aiff", "AIFF", "PCM_16"),
)


def encoded(kind: Kind, samples: np.ndarray) -> bytes:
    """Return samples as a file."""
    stream = io.BytesIO()
    soundfile.write(stream, samples, kind.rate, format=kind.format, subtype=kind.subtype)
    return stream.getvalue()


def noise(kind: Kind, seconds: float = 0.4) -> np.ndarray:
    """Return noise of (S,) or (S, channels)."""
    rng = np.random.default_rng(5)
    shape = (round(seconds * kind.rate),) + (kind.channels,) * (kind.channels > 1)
    return rng.normal(size=shape).cumsum(axis=0) / 200


def prepared(path: Path, **changes) -> np.ndarray:
    """Return an utterance after stage 3 as training reads it; its fault is a clean error."""
    task = Task("u", str(path), None, 1.0, str(path.parent / "out.flac"))._replace(**changes)
    done = format_one(task)
    if done.fault is not None:
        raise UserError(f"{path}: {done.fault.kind}: {done.fault.detail}")
    samples = read_audio(done.path, "u")
    if len(samples) != done.samples:
        raise AssertionError(f"{done.samples} samples were promised, {len(samples)} are there")
    return samples


def loaded(path: Path) -> np.ndarray:
    """Return a recording as `wabert align` and the Python API load it."""
    is_list(str(path))
    return load(one_file("u", str(path), None))


def streamed(path: Path) -> np.ndarray:
    """Return a recording as `wabert align -` and the Python API load it from an open file."""
    with path.open("rb") as file:
        return load(from_stream("u", file, None))


WAYS: tuple[Callable[[Path], np.ndarray], ...] = (prepared, loaded, streamed)


def _same(expected: np.ndarray, unseen: bool, found: np.ndarray) -> Verdict:
    if not np.isfinite(found).all():
        return Verdict(Outcome.WRONG, "samples that are not finite")
    if found.shape == expected.shape and np.array_equal(found, expected):
        return Verdict(Outcome.RIGHT)
    outcome = Outcome.UNNOTICED if unseen else Outcome.WRONG
    return Verdict(outcome, f"{found.shape} samples that are not the {expected.shape} of the file")


def damaged(count: int, seed: int, work: Path) -> Iterator[Try]:
    """Yield files that are cut, have other bits, or are something else."""
    for number, kind in enumerate(KINDS):
        content = encoded(kind, noise(kind, 3.0))  # several pages of Ogg
        path = work / f"kind{number}" / f"u.{kind.suffix}"
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
        whole = {way: way(path) for way in WAYS}
        for name, strategy in (("cut", damage.cuts), ("bits", damage.flips)):
            for index, changed in enumerate(drawn(strategy(content), count, seed)):
                path.write_bytes(changed)
                way = WAYS[index % len(WAYS)]
                unseen = not kind.checked and name == "bits"
                yield Try(
                    f"{kind.format} {name} {index} {way.__name__}",
                    partial(way, path),
                    partial(_same, whole[way], unseen),
                )
    for index, changed in enumerate(drawn(damage.other_files(), count, seed)):
        path = work / f"other{index}.{KINDS[index % len(KINDS)].suffix}"
        path.write_bytes(changed)
        yield Try(f"no audio {index}: {changed[:50]!r}", partial(WAYS[index % 3], path), _refused)


def _refused(found) -> Verdict:
    return Verdict(Outcome.WRONG, f"{getattr(found, 'shape', found)} was read")


def _finite(found: np.ndarray) -> Verdict:
    if len(found) and np.isfinite(found).all() and np.abs(found).max() <= 1.5e9:
        return Verdict(Outcome.RIGHT)
    return Verdict(Outcome.WRONG, "no samples, or not finite ones")


def _wav(bits: int = 16, channels: int = 1, rate: int = RATE, data: int = 3200, have: int = 3200,
         format_tag: int = 1) -> bytes:  # fmt: skip
    """Return a WAV whose header promises `data` bytes and that has others."""
    block = max(1, channels * bits // 8)
    head = struct.pack(
        "<4sI4s4sIHHIIHH4sI", b"RIFF", (36 + data) & 0xFFFFFFFF, b"WAVE", b"fmt ", 16, format_tag,
        channels, rate, rate * block & 0xFFFFFFFF, block & 0xFFFF, bits, b"data", data,
    )  # fmt: skip
    return head + bytes(range(256)) * (have // 256) + bytes(have % 256)


LIES = {
    "more data than there is": _wav(data=64000),
    "2 GB promised": _wav(data=0x7FFFFFF0),
    "no channels": _wav(channels=0),
    "1000 channels": _wav(channels=1000),
    "65535 channels": _wav(channels=65535),
    "rate 0": _wav(rate=0),
    "rate 4 GHz": _wav(rate=0xFFFFFFFF),
    "rate 1": _wav(rate=1),
    "no bits": _wav(bits=0),
    "3 bits": _wav(bits=3),
    "no data": _wav(data=0, have=0),
    "one sample": _wav(data=2, have=2),
    "an unknown codec": _wav(format_tag=0x1234),
    "half a sample": _wav(data=3201, have=3201),
}
READ = {  # headers that are unusual, and right
    "written to a pipe": _wav(data=0xFFFFFFFF, have=6400),
    "8 bits": _wav(bits=8),
    "rate 8000": _wav(rate=8000),
}
SAMPLES = {
    "a NaN": (lambda x: x.__setitem__(1000, np.nan), False),
    "an infinity": (lambda x: x.__setitem__(-1, np.inf), False),
    "only NaN": (lambda x: x.fill(np.nan), False),
    "1e30": (lambda x: x.fill(1e30), None),
    "1e38 and -1e38": (lambda x: x.__setitem__(slice(None, None, 2), 3e38), None),
    "silence": (lambda x: x.fill(0), True),
    "denormal numbers": (lambda x: x.fill(1e-42), True),
    "a constant": (lambda x: x.fill(0.5), True),
}


def special(work: Path) -> Iterator[Try]:
    """Yield headers that lie, samples of no sound, and paths that are no files."""
    work.mkdir(parents=True, exist_ok=True)
    for name, content in {**LIES, **READ}.items():
        path = work / f"{name}.wav"
        path.write_bytes(content)
        for way in WAYS:
            verdict = _finite if name in READ or "pipe" in name else _either
            yield Try(f"header: {name} {way.__name__}", partial(way, path), verdict)
    for name, (change, right) in SAMPLES.items():
        for rate, channels in ((RATE, 1), (44100, 2)):
            kind = Kind("wav", "WAV", "FLOAT", rate, channels)
            samples = noise(kind)
            change(samples)
            path = work / f"{name} {rate}.wav"
            path.write_bytes(encoded(kind, samples))
            verdict = {True: _finite, False: _refused, None: _either}[right]
            for way in WAYS:
                yield Try(f"samples: {name} {rate} {way.__name__}", partial(way, path), verdict)
    for name, path in _no_files(work).items():
        for way in WAYS[:2]:
            yield Try(f"path: {name} {way.__name__}", partial(way, path), _refused)
    yield from _spans(work)


def _either(found: np.ndarray) -> Verdict:
    """Accept finite samples; an error is right, too."""
    return Verdict(Outcome.RIGHT) if np.isfinite(found).all() else _finite(found)


def _no_files(work: Path) -> dict[str, Path]:
    """Return paths that are no regular files, and a file of 40 hours that is nearly empty."""
    paths = {name: work / f"{name}.wav" for name in ("pipe", "folder", "dangling", "loop", "long")}
    os.mkfifo(paths["pipe"])
    paths["folder"].mkdir()
    paths["dangling"].symlink_to(work / "nothing")
    paths["loop"].symlink_to(paths["loop"])
    paths["long"].write_bytes(_wav(bits=8, data=0x87000000, have=0))
    os.truncate(paths["long"], 0x87000000 + 44)
    others = ("/dev/zero", "/dev/full", "/dev/null", "/proc/self/mem", "/", "")
    paths |= {f"device {name}": Path(name) for name in others}
    paths["a name of 300 letters"] = work / ("x" * 300)
    paths["a zero byte"] = Path("a\0b.wav")
    paths["no header"] = work / "x.raw"
    paths["no header"].write_bytes(bytes(3200))
    return paths


def _spans(work: Path) -> Iterator[Try]:
    """Yield segments and speed factors at and beyond the end of the audio."""
    kind = KINDS[0]
    path = work / "whole.flac"
    path.write_bytes(encoded(kind, noise(kind)))
    spans = {
        (0.0, 0.2): _finite, (0.1, 9999.5): _finite, (0.5, 0.6): _refused, (0.2, 0.2): _refused,
        (0.399999, 0.4): _refused, (9999.0, 9999.5): _refused,
    }  # fmt: skip
    for span, verdict in spans.items():
        act = partial(prepared, path, segment=Segment("r", *span))
        yield Try(f"segment {span}", act, verdict)
    for factor in FACTOR_RANGE:
        yield Try(f"speed {factor}", partial(prepared, path, factor=factor), _finite)


def tries(count: int, seed: int, work: Path) -> Iterator[Try]:
    """Yield `count` damaged files of each format, and the special ones."""
    yield from damaged(count, seed, work / "damaged")
    yield from special(work / "special")
