"""Audio files: headers, completeness, and samples as 16 kHz mono."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Thread
from typing import NamedTuple

import numpy as np
import soundfile
import soxr

from espnet_wabert.constants import SAMPLE_RATE
from espnet_wabert.errors import UserError, first_line
from espnet_wabert.formats.channels import to_mono
from espnet_wabert.formats.containers import UNREADABLE, cut_by_header, feed, read_mp3, read_ogg
from espnet_wabert.formats.lines import replacing

# Formats that ESPnet's `sound` reader supports (with soundfile).
READABLE = ("FLAC", "WAV", "WAVEX", "NIST")

DAMAGED = "truncated or damaged audio"
BLOCK = 1 << 20  # samples in memory while a file is checked
MOST_SAMPLES = 1 << 31  # of a file at 16 kHz: 37 hours
UNKNOWN = (1 << 63) - 1  # libsndfile's number of samples of a stream
FULL_SCALE = 1 << 15  # of floats that were 16-bit integers
LOUDEST = 2.0 * FULL_SCALE
# Floats above it were integers. Recorders of floats stay below: it is 24 dB above full scale.
OVERDRIVEN = 16.0


class AudioInfo(NamedTuple):
    """A complete audio file: `samples` per channel, `rate` in Hz, soundfile's `format`.

    `counted`: its header tells the samples, which soundfile's `read` needs.
    """

    samples: int
    rate: int
    channels: int
    format: str
    counted: bool = True


class AudioFault(NamedTuple):
    """A file that cannot be used: the `kind` of error, and one line of `detail`."""

    kind: str
    detail: str


class _Audio(soundfile.SoundFile):
    """Open audio that is read without seeking, which some codecs cannot.

    soundfile seeks after each read of what it takes for seekable. A read that is short is noticed
    here, not by `blocks`, which gives what was in its memory before.
    """

    def seekable(self) -> bool:
        return False

    def parts(self, count: int) -> Iterator[np.ndarray]:
        """Yield up to `count` samples (S, channels) float32, a block at a time."""
        while count > 0:
            block = self.read(min(BLOCK, count, self.frames), dtype="float32", always_2d=True)
            if len(block) == 0:
                return
            yield block
            count -= len(block)


@contextmanager
def _opened(path: str) -> Iterator[_Audio]:
    """Open audio; the number of samples of a stream is `UNKNOWN`.

    libsndfile guesses the length of an MP3 from its first frame if no header counts its frames, and
    reads no more. It gets such a file through a pipe, where it does not guess.
    """
    with _Audio(path) as file:
        mp3 = read_mp3(path) if file.format == "MP3" else None
        if mp3 is None or mp3.counted:
            yield file
            return
    reading, writing = os.pipe()
    Thread(target=feed, args=(path, mp3.start, writing), daemon=True).start()
    try:
        with _Audio(reading, closefd=False) as file:
            yield file
    finally:
        os.close(reading)


def inspect(path: str, fs: int | None = None) -> AudioInfo | AudioFault:
    """Read the header and the last sample, which a truncated file lacks.

    A file whose length is unknown or whose codec cannot seek is decoded. With `fs`, so is a file
    that `is_ready` for it, because it can have a good header and a good end, and be damaged between
    them.
    """
    if not os.path.isfile(path):  # a device or a pipe can be read without end
        detail = "not a regular file" if os.path.lexists(path) else "no such file"
        return AudioFault("missing audio file", detail)
    if os.path.getsize(path) == 0:
        return AudioFault("zero-length file", "0 bytes")
    with ExitStack() as stack:
        try:
            file = stack.enter_context(_opened(path))
        except soundfile.LibsndfileError as error:
            return _unreadable(path, error.error_string)
        except (TypeError, ValueError) as error:  # soundfile on .raw, which has no header
            return AudioFault("not an audio file", first_line(error))
        fault = _check_header(file, path)
        if fault is not None:
            return fault
        info = _info(file, file.frames)
        if fs is not None and is_ready(info, fs):
            found = _decode(file, OVERDRIVEN)
            if isinstance(found, AudioInfo):
                return found
            header = inspect(path)  # says of a truncated file that it is truncated
            return header if isinstance(header, AudioFault) else found
        try:
            file.seek(file.frames - 1)
            if len(file.read(1)) == 1:
                return info
        except (soundfile.LibsndfileError, OSError):
            pass
    with _opened(path) as file:
        return _decode(file)


def _unreadable(path: str, reason: str) -> AudioFault:
    """Return why libsndfile does not open a file; recordings of phones are often such (.m4a)."""
    suffix = os.path.splitext(path)[1].lower()
    if suffix not in UNREADABLE:
        return AudioFault("not an audio file", reason)
    advice = "convert it to WAV or FLAC, for example with ffmpeg"
    return AudioFault("a format that is not read", f"libsndfile has no {suffix}; {advice}")


def _info(file: soundfile.SoundFile, samples: int) -> AudioInfo:
    counted = file.frames < UNKNOWN
    return AudioInfo(samples, file.samplerate, file.channels, file.format, counted)


def is_ready(info: AudioInfo, fs: int) -> bool:
    """Return whether a file has the format that training reads: mono at `fs` Hz."""
    mono = info.channels == 1 and info.rate == fs
    return mono and info.format in READABLE and info.counted


def _check_header(file: _Audio, path: str) -> AudioFault | None:
    """Return what is wrong with an open file as its headers and its size tell, if anything."""
    if file.frames == 0:
        return AudioFault("audio without samples", "0 samples")
    if _most(file) < file.frames < UNKNOWN:
        return _too_long(file, str(file.frames))
    cut, rest = cut_by_header(file, path), 0
    if file.format == "OGG":
        cut, rest = read_ogg(path)
    elif file.format == "MP3":
        rest = read_mp3(path).rest
    if cut:
        return AudioFault(DAMAGED, cut)
    if rest:
        size = f"{rest} of {os.path.getsize(path)} bytes are not read"
        return AudioFault("several recordings in one file", f"{size}; split it or convert it")
    return None


def _most(file: soundfile.SoundFile) -> int:
    """Return the largest number of samples that a file may have."""
    return int(MOST_SAMPLES / max(1, SAMPLE_RATE / file.samplerate))


def _too_long(file: soundfile.SoundFile, samples: str) -> AudioFault:
    size = f"{samples} samples at {file.samplerate} Hz"
    return AudioFault("too long", f"{size}, more than {MOST_SAMPLES} at {SAMPLE_RATE} Hz")


def _decode(file: _Audio, loudest: float = LOUDEST) -> AudioInfo | AudioFault:
    """Decode a newly opened file; return what it has, or what is wrong with its samples."""
    position, most = 0, _most(file)
    try:
        for block in file.parts(most + 1):
            fault = non_finite(block, position, loudest)
            if fault is not None:
                return fault
            position += len(block)
    except (soundfile.LibsndfileError, OSError) as error:
        reason = first_line(error)
        return AudioFault(DAMAGED, f"after sample {position}: {reason}")
    if position > most:
        return _too_long(file, f"at least {position}")
    if position == 0 or position < file.frames < UNKNOWN:
        return AudioFault(DAMAGED, f"{position} of {file.frames} samples are there")
    return _info(file, position)


def non_finite(samples: np.ndarray, first: int = 0, loudest: float = LOUDEST) -> AudioFault | None:
    """Return a fault for a NaN, an infinity or a huge number in samples (S,) or (S, channels).

    Floats in the wrong byte order are huge: their power would be infinite.
    """
    good = np.abs(samples) <= loudest
    if good.all():
        return None
    place = int(np.argwhere(~good)[0][0])
    value = samples.reshape(len(samples), -1)[place]
    if np.isfinite(value).all():
        return AudioFault("samples that are no audio", f"sample {first + place} is {value.max():g}")
    return AudioFault("samples that are no numbers", f"sample {first + place} is not finite")


def read_mono(path: str, start: int = 0, stop: int | None = None) -> tuple[np.ndarray, int]:
    """Return samples `start` to `stop` as float32 (S,), of one channel (`to_mono`), and the rate.

    Those of a whole file are scaled by `at_full_scale`; a part may be too quiet to tell.

    Raises:
        OSError: some of them are not there.
    """
    with _opened(path) as file:
        if start == 0 and stop is None:
            return at_full_scale(_read(file, 0, file.frames)), file.samplerate
        return _read(file, start, file.frames if stop is None else stop), file.samplerate


def _read(file: _Audio, start: int, stop: int) -> np.ndarray:
    """Return some samples (S,); to the end of the file, if `stop` is `UNKNOWN`."""
    if start:
        try:
            file.seek(start)
        except soundfile.LibsndfileError:
            for _ in file.parts(start):
                pass
    blocks = [to_mono(block) for block in file.parts(stop - start)]
    mono = np.concatenate(blocks) if blocks else np.empty(0, np.float32)
    if len(mono) < stop - start and stop < UNKNOWN:
        raise OSError(f"{DAMAGED}: {len(mono)} of {stop - start} samples are there")
    return mono


def at_full_scale(samples: np.ndarray) -> np.ndarray:
    """Return samples of any shape as floats whose full scale is 1.

    Integers are divided by their largest value; those without sign have their zero in the middle.
    Integers of more bits whose values all fit in 16 are 16-bit samples. So are floats whose peak is
    above `OVERDRIVEN`.
    """
    if np.issubdtype(samples.dtype, np.integer):
        signed = np.issubdtype(samples.dtype, np.signedinteger)
        middle, narrow = (0, np.int16) if signed else (1, np.uint16)
        if samples.itemsize > 2 and (samples == samples.astype(narrow)).all():
            samples = samples.astype(narrow)
        return samples / (np.iinfo(samples.dtype).max / (1 + middle)) - middle
    peak = np.abs(samples).max(initial=0)
    return samples / np.float32(FULL_SCALE) if OVERDRIVEN < peak <= LOUDEST else samples


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
            if soundfile.info(partial).frames != len(samples):
                raise OSError("it is not complete")
    except (soundfile.LibsndfileError, OSError) as error:
        # libsndfile does not tell that the disk is full: it writes less, or has a "System error".
        hint = "" if getattr(error, "errno", None) else " (is the disk full?)"
        raise UserError(f"{path}: cannot be written: {first_line(error)}{hint}") from error


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
