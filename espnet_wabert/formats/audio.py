"""Audio files: headers, completeness, and samples as 16 kHz mono."""

import os
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile
import soxr

from espnet_wabert.constants import SAMPLE_RATE
from espnet_wabert.errors import UserError, first_line
from espnet_wabert.formats.lines import replacing

# Formats that ESPnet's `sound` reader supports (with soundfile).
READABLE = ("FLAC", "WAV", "WAVEX", "NIST")

DAMAGED = "truncated or damaged audio"
# What libsndfile's log says of sizes in headers.
_SIZES = re.compile(
    r"^\s*(?:data|SSND|BODY|Data Size|riff)\s*: (\d+) \(should be (\d+)\)", re.MULTILINE
)
_FRAMES = re.compile(r"^\s*(?:Frames\s*: |sample_count -i )(\d+)", re.MULTILINE)
_TRUNCATED = re.compile(r"(?:file|chunk) seems to be truncated|a truncated file", re.IGNORECASE)
HEAD = 1024  # bytes of SPHERE's header
BLOCK = 1 << 20  # samples in memory while a file is checked
MOST_SAMPLES = 1 << 31  # of a file at 16 kHz: 37 hours
LOUDEST = 1e6  # full scale is 1, or 32768 in files of floats that were integers


class AudioInfo(NamedTuple):
    """A complete audio file: `samples` per channel, `rate` in Hz, soundfile's `format`."""

    samples: int
    rate: int
    channels: int
    format: str


class AudioFault(NamedTuple):
    """A file that cannot be used: the `kind` of error, and one line of `detail`."""

    kind: str
    detail: str


def inspect(path: str, fs: int | None = None) -> AudioInfo | AudioFault:
    """Read the header and the last sample, which a truncated file lacks.

    With `fs`, all samples of a file that `is_ready` for it are decoded, because a file can have a
    good header and a good end, and be damaged between them.
    """
    if not os.path.isfile(path):  # a device or a pipe can be read without end
        detail = "not a regular file" if os.path.lexists(path) else "no such file"
        return AudioFault("missing audio file", detail)
    if os.path.getsize(path) == 0:
        return AudioFault("zero-length file", "0 bytes")
    try:
        file = soundfile.SoundFile(path)
    except soundfile.LibsndfileError as error:
        return AudioFault("not an audio file", error.error_string)
    except (TypeError, ValueError) as error:  # soundfile on .raw, which has no header
        return AudioFault("not an audio file", first_line(error))
    with file:
        if file.frames == 0:
            return AudioFault("audio without samples", "0 samples")
        if file.frames * max(1, SAMPLE_RATE / file.samplerate) > MOST_SAMPLES:
            size = f"{file.frames} samples at {file.samplerate} Hz"
            return AudioFault("too long", f"{size}, more than {MOST_SAMPLES} at {SAMPLE_RATE} Hz")
        with open(path, "rb") as raw:
            cut = _declared_too_long(file, raw.read(HEAD))
        if cut:
            return AudioFault(DAMAGED, cut)
        info = AudioInfo(file.frames, file.samplerate, file.channels, file.format)
        if fs is not None and is_ready(info, fs):
            fault = _check_samples(file)
            header = info if fault is None else inspect(path)  # of a truncated file: that it is
            return header if isinstance(header, AudioFault) or fault is None else fault
        try:
            file.seek(file.frames - 1)
            if len(file.read(1)) == 1:
                return info
        except (soundfile.LibsndfileError, OSError):
            pass
        return AudioFault(DAMAGED, f"sample {file.frames}, the last, is not there")


def is_ready(info: AudioInfo, fs: int) -> bool:
    """Return whether a file has the format that training reads: mono at `fs` Hz."""
    return info.channels == 1 and info.rate == fs and info.format in READABLE


def _check_samples(file: soundfile.SoundFile) -> AudioFault | None:
    """Decode an open file from its start; return what is wrong with its samples, if anything."""
    position = 0
    try:
        for block in file.blocks(BLOCK, dtype="float32"):
            fault = non_finite(block, position)
            if fault is not None:
                return fault
            position += len(block)
    except (soundfile.LibsndfileError, OSError) as error:
        reason = first_line(error)
        return AudioFault(DAMAGED, f"after sample {position}: {reason}")
    if position != file.frames:
        return AudioFault(DAMAGED, f"{position} of {file.frames} samples are there")
    return None


def non_finite(samples: np.ndarray, first: int = 0) -> AudioFault | None:
    """Return a fault for a NaN, an infinity or a huge number in samples (S,) or (S, channels).

    Floats in the wrong byte order are huge: their power would be infinite.
    """
    good = np.abs(samples) <= LOUDEST
    if good.all():
        return None
    place = int(np.argwhere(~good)[0][0])
    value = samples.reshape(len(samples), -1)[place]
    if np.isfinite(value).all():
        return AudioFault("samples that are no audio", f"sample {first + place} is {value.max():g}")
    return AudioFault("samples that are no numbers", f"sample {first + place} is not finite")


def _declared_too_long(file: soundfile.SoundFile, head: bytes) -> str:
    """Return how a file is shorter than its header says; empty if it is not.

    Args:
        file: open audio; libsndfile's log tells what it found.
        head: its first bytes, for SPHERE.
    """
    log = file.extra_info
    for value in file.copy_metadata().values():  # which libsndfile repeats in its log
        log = log.replace(value, "")
    for found in _SIZES.finditer(log):
        # Programs that write to a pipe declare the largest possible number.
        if int(found[2]) < int(found[1]) < 0x7FFF0000:
            return f"{found[2]} of {found[1]} bytes are there"
    if file.format == "NIST":
        log += head.decode("latin-1")
    promised = _FRAMES.search(log)
    if promised and file.frames < int(promised[1]):
        return f"{file.frames} of {int(promised[1])} samples are there"
    return "libsndfile finds it cut off" if _TRUNCATED.search(log) else ""


def read_mono(path: str, start: int = 0, stop: int | None = None) -> tuple[np.ndarray, int]:
    """Return samples `start` to `stop` as float32 (S,), the mean of the channels, and the rate.

    Raises:
        OSError: some of them are not there.
    """
    with soundfile.SoundFile(path) as file:
        return _read(file, start, file.frames if stop is None else stop), file.samplerate


def _read(file: soundfile.SoundFile, start: int, stop: int) -> np.ndarray:
    """Return some samples (S,), a block at a time."""
    mono = np.empty(stop - start, dtype=np.float32)
    file.seek(start)
    read = 0
    with np.errstate(over="ignore"):  # infinity is found by `non_finite`
        for block in file.blocks(BLOCK, frames=len(mono), dtype="float32", always_2d=True):
            mono[read : read + len(block)] = block.mean(axis=1)
            read += len(block)
    if read != len(mono):
        raise OSError(f"{DAMAGED}: {read} of {len(mono)} samples are there")
    return mono


def resample(samples: np.ndarray, rate: int, fs: int, factor: float = 1.0) -> np.ndarray:
    """Resample (S,) from `rate` to `fs` Hz and change speed and pitch by `factor`."""
    if rate * factor == fs:
        return samples
    return soxr.resample(samples, rate * factor, fs)


def to_int16(audio: np.ndarray) -> np.ndarray:
    """Convert samples in -1..1 to 16-bit integers; what is larger is clipped."""
    return np.clip(np.round(audio * 2**15), -(2**15), 2**15 - 1).astype(np.int16)


def write_audio(path: Path, samples: np.ndarray, fs: int) -> None:
    """Write (S,) as 16-bit audio in the format of the suffix, completely or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with replacing(path) as partial:
            soundfile.write(partial, samples, fs, subtype="PCM_16", format=path.suffix[1:].upper())
            # libsndfile does not tell that the disk is full.
            if soundfile.info(partial).frames != len(samples):
                raise OSError("it is not complete: the disk may be full")
    except (soundfile.LibsndfileError, OSError) as error:
        raise UserError(f"{path}: cannot be written: {first_line(error)}") from error


def read_audio(path: str, utterance: str) -> np.ndarray:
    """Read one utterance's 16 kHz mono audio as float32 (S,)."""
    try:
        samples, rate = soundfile.read(path, dtype="float32")
    except (OSError, RuntimeError) as error:
        raise UserError(f"utterance {utterance}: {path} cannot be read: {error}") from error
    if rate != SAMPLE_RATE or samples.ndim != 1:
        raise UserError(
            f"utterance {utterance}: {path} has {rate} Hz and {samples[:1].size} channels;"
            f" format_wav (stage 3) makes {SAMPLE_RATE} Hz and 1"
        )
    return samples
