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

# Formats that ESPnet's `sound` reader supports (with soundfile).
READABLE = ("FLAC", "WAV", "WAVEX", "NIST")

DAMAGED = "truncated or damaged audio"
BLOCK = 1 << 20  # samples in memory while a file is checked


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
    if not os.path.isfile(path):
        return AudioFault("missing audio file", "no such file")
    if os.path.getsize(path) == 0:
        return AudioFault("zero-length file", "0 bytes")
    try:
        file = soundfile.SoundFile(path)
    except soundfile.LibsndfileError as error:
        return AudioFault("not an audio file", error.error_string)
    with file:
        if file.frames == 0:
            return AudioFault("audio without samples", "0 samples")
        cut = _declared_too_long(path, file)
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
    """Return a fault for a NaN or an infinity in samples (S,) or (S, channels)."""
    finite = np.isfinite(samples)
    if finite.all():
        return None
    place = int(np.argwhere(~finite)[0][0])
    return AudioFault("samples that are no numbers", f"sample {first + place} is not finite")


def _declared_too_long(path: str, file: soundfile.SoundFile) -> str:
    """Return how an uncompressed file is shorter than its header says; empty if it is not."""
    if file.format in ("WAV", "WAVEX"):
        found = re.search(r"data : (\d+) \(should be (\d+)\)", file.extra_info)
        # Programs that write to a pipe declare the largest possible number.
        if found and int(found[2]) < int(found[1]) < 0x7FFF0000:
            return f"{found[2]} of {found[1]} bytes are there"
    if file.format == "NIST":
        with open(path, "rb") as raw:
            promised = re.search(rb"sample_count -i (\d+)", raw.read(1024))
        if promised and file.frames < int(promised[1]):
            return f"{file.frames} of {int(promised[1])} samples are there"
    return ""


def read_mono(path: str, start: int = 0, stop: int | None = None) -> tuple[np.ndarray, int]:
    """Return samples `start` to `stop` as float32 (S,), the mean of the channels, and the rate."""
    samples, rate = soundfile.read(path, start=start, stop=stop, dtype="float32", always_2d=True)
    return samples.mean(axis=1), rate


def resample(samples: np.ndarray, rate: int, fs: int, factor: float = 1.0) -> np.ndarray:
    """Resample (S,) from `rate` to `fs` Hz and change speed and pitch by `factor`."""
    if rate * factor == fs:
        return samples
    return soxr.resample(samples, rate * factor, fs)


def write_audio(path: Path, samples: np.ndarray, fs: int) -> None:
    """Write (S,) as 16-bit audio in the format of the suffix, completely or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.tmp")
    soundfile.write(partial, samples, fs, subtype="PCM_16", format=path.suffix[1:].upper())
    os.replace(partial, path)


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
