"""Recordings, with transcripts or without, from files, folders or lists, and their problems."""

import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, NamedTuple

import kaldiio
import numpy as np

from espnet_wabert.constants import SAMPLE_RATE
from espnet_wabert.errors import UserError, first_line, last_line
from espnet_wabert.formats.audio import (
    AudioFault,
    at_full_scale,
    inspect,
    non_finite,
    read_mono,
    resample,
)
from espnet_wabert.formats.channels import to_mono
from espnet_wabert.formats.lines import (
    NO_FILE_NAME,
    is_file_name,
    is_utf8,
    name_some,
    parse_number,
)
from espnet_wabert.inference.listing import (
    STDIN,
    audio_paths,
    left_in_folders,
    read_list,
    transcript_of,
    transcripts,
)

MOST_CHANNELS = 64  # a larger first dimension is that of samples
MOST_BYTES = 1 << 31  # of audio on standard input
SHORTEST = 400  # samples: the receptive field of a frame
_ARK = re.compile(r".+\.ark:\d+")  # features as cached, in a feats.scp


class Recording(NamedTuple):
    """An utterance to align or to read."""

    utterance: str  # id
    path: str  # of the audio, or of cached features (file.ark:offset)
    text: str  # "" without a transcript
    length: float  # in seconds, or in frames of cached features
    rate: int | None  # Hz; None for features
    channels: int
    samples: np.ndarray | None = None  # (S,) float32, where they are in memory already


class Recordings(NamedTuple):
    """Recordings to use, and skipped ones with the reason."""

    recordings: list[Recording]
    skipped: dict[str, str]  # utterance id -> reason
    notes: list[str]  # remarks, one line each
    alone: dict[str, str]  # recordings without a transcript and the reverse -> what is missing


def one_recording(audio: str, text: str) -> Recordings:
    """Return one audio file with its transcript: text, a text file, a list or a folder."""
    utterance = "stdin" if audio == STDIN else Path(audio).stem
    words = transcript_of(text, utterance)
    if audio == STDIN:
        return Recordings([_standard_input(utterance, words)], {}, [], {})
    found = _inspected(utterance, audio, words)
    if isinstance(found, str):
        raise UserError(f"utterance {utterance}: {audio}: {found}")
    return Recordings([found], {}, _channel_notes([found]), {})


def one_file(utterance: str, path: str, text: str | None) -> Recording:
    """Return one audio file with its transcript, if it has one."""
    found = _inspected(utterance, path, text)
    if isinstance(found, str):
        raise UserError(f"{path}: {found}")
    return found


def from_samples(utterance: str, samples: np.ndarray, rate: int, text: str | None) -> Recording:
    """Return samples (S,) or (channels, S) in memory as a recording of one channel.

    `at_full_scale` tells what integers, and floats far above 1, are divided by.
    """
    where = f"recording {utterance}"
    if samples.ndim not in (1, 2) or (samples.ndim == 2 and not 0 < len(samples) <= MOST_CHANNELS):
        raise UserError(f"{where}: shape {samples.shape}, neither (S,) nor (channels, S)")
    if not np.issubdtype(samples.dtype, np.number) or np.iscomplexobj(samples):
        raise UserError(f"{where}: {samples.dtype} samples, which are no real numbers")
    mono = to_mono(np.atleast_2d(at_full_scale(samples)).T)
    if not rate > 0 or len(mono) * SAMPLE_RATE < SHORTEST * rate:
        raise UserError(f"{where}: {len(mono)} samples at {rate} Hz, less than a frame")
    bad = non_finite(mono)
    if bad is not None:
        raise UserError(f"{where}: {bad.detail}")
    if text is not None and not text.split():
        raise UserError(f"{where}: its transcript is empty")
    return Recording(utterance, "", text or "", len(mono) / rate, rate, 1, mono)


def from_stream(utterance: str, stream: IO[bytes], text: str | None) -> Recording:
    """Return the audio of an open file as a recording.

    libsndfile needs a file that it can move in, and reads less of others than of a file on disk.
    """
    where = f"recording {utterance}"
    with NamedTemporaryFile(prefix="wabert_") as copy:
        size = 0
        while block := stream.read(1 << 20):
            size += len(block)
            if size > MOST_BYTES:
                raise UserError(f"{where}: more than {MOST_BYTES} bytes; give it as a file")
            copy.write(block)
        copy.flush()
        info = inspect(copy.name)
        if isinstance(info, AudioFault):
            raise UserError(f"{where}: {info.kind}: {info.detail}")
        try:
            samples, rate = read_mono(copy.name)
        except (OSError, RuntimeError) as error:
            raise UserError(f"{where}: cannot be read: {first_line(error)}") from error
    return from_samples(utterance, samples, rate, text)


def _standard_input(utterance: str, text: str | None) -> Recording:
    """Return the audio of standard input."""
    if sys.stdin is None:
        raise UserError(f"recording {utterance}: standard input is closed")
    return from_stream(utterance, sys.stdin.buffer, text)


def many_recordings(scp: str, text: str) -> Recordings:
    """Return the utterances that are in both wav.scp (or feats.scp, or a folder) and text.

    `text` is a list or a folder of transcripts. Those in one of the two only are `alone`; a note
    names some. An utterance with an unreadable file or an empty transcript is skipped with the
    reason.
    """
    paths = audio_paths([scp])
    texts = transcripts(text, paths.keys())
    both = [u for u in paths if u in texts]
    if not both:
        raise UserError(f"{scp} and {text} have no utterance in common")
    notes = left_in_folders([scp])
    missing: dict[str, str] = {}
    for name, other, alone, what in (
        (scp, text, [u for u in paths if u not in texts], "transcript"),
        (text, scp, [u for u in texts if u not in paths], "recording"),
    ):
        missing |= dict.fromkeys(alone, f"has no {what} in {other}")
        if alone:
            notes.append(
                f"{len(alone)} utterances of {name} are not in {other}: {name_some(alone)}"
            )
    recordings, skipped = [], {}
    counts = _frame_counts(scp) if any(_ARK.fullmatch(paths[u]) for u in both) else {}
    for u in both:
        text_or_error = texts[u]
        if isinstance(text_or_error, UserError):
            skipped[u] = last_line(text_or_error)
            continue
        found = _inspected(u, paths[u], text_or_error, counts)
        if isinstance(found, str):
            skipped[u] = found if not text_or_error else f"{paths[u]}: {found}"
        else:
            recordings.append(found)
    return Recordings(recordings, skipped, notes + _channel_notes(recordings), missing)


def without_transcript(sources: Sequence[str], to_files: bool = False) -> Recordings:
    """Return the recordings of audio files, folders of them, and wav.scp lists.

    Unreadable files and ids that cannot be written are skipped with the reason; with `to_files`,
    ids that cannot name a file, too.
    """
    recordings, skipped = [], {}
    for utterance, path in audio_paths(sources).items():
        try:
            if not is_utf8(utterance):  # results with it could not be written
                raise UserError(f"{path}: its name is not UTF-8 text")
            if to_files and not is_file_name(utterance):
                raise UserError(f"{path}: {NO_FILE_NAME}")
            given = _standard_input(utterance, None) if path == STDIN else None
            recordings.append(given or one_file(utterance, path, None))
        except UserError as error:
            skipped[utterance] = last_line(error).removeprefix(f"recording {utterance}: ")
    notes = left_in_folders(sources) + _channel_notes(recordings)
    return Recordings(recordings, skipped, notes, {})


def load(recording: Recording) -> np.ndarray:
    """Read samples as float32 (S,) at 16 kHz, of one channel; or features (T, D)."""
    if recording.samples is not None:
        assert recording.rate is not None  # of audio
        return resample(recording.samples, recording.rate, SAMPLE_RATE)
    if recording.rate is None:
        try:  # a copy, because torch needs writable memory
            return np.array(kaldiio.load_mat(recording.path))
        except Exception as error:  # kaldiio raises what it stumbles over in a damaged file
            raise UserError(
                f"utterance {recording.utterance}: {recording.path} cannot be read:"
                f" {first_line(error)}"
            ) from error
    try:
        samples, rate = read_mono(recording.path)
    except (OSError, RuntimeError) as error:
        raise UserError(
            f"utterance {recording.utterance}: {recording.path} cannot be read: {error}"
        ) from error
    bad = non_finite(samples)
    if bad is not None:
        raise UserError(f"utterance {recording.utterance}: {recording.path}: {bad.detail}")
    return resample(samples, rate, SAMPLE_RATE)


def _inspected(
    utterance: str, path: str, text: str | None, counts: Mapping[str, float] | None = None
) -> Recording | str:
    """Return the recording, or the reason why it cannot be used; `text` None: no transcript.

    With a transcript the id names the files of the alignment. `counts` are the frames of cached
    features.
    """
    if text is not None and not is_file_name(utterance):
        return NO_FILE_NAME
    if text is not None and not text.split():
        return "its transcript is empty"
    if counts is not None and _ARK.fullmatch(path):
        if utterance not in counts:
            return "not in utt2num_frames"
        return Recording(utterance, path, text or "", counts[utterance], None, 1)
    if path.endswith("|"):
        return "a pipe; only plain paths are read"
    info = inspect(path)
    if isinstance(info, AudioFault):
        return f"{info.kind}: {info.detail}"
    if info.samples * SAMPLE_RATE < SHORTEST * info.rate:
        return f"{info.samples} samples at {info.rate} Hz, less than a frame"
    return Recording(
        utterance, path, text or "", info.samples / info.rate, info.rate, info.channels
    )


def _channel_notes(recordings: list[Recording]) -> list[str]:
    several = [r.utterance for r in recordings if r.channels > 1]
    if not several:
        return []
    return [
        f"{len(several)} recordings of several channels, whose mean is used: {name_some(several)}"
    ]


def _frame_counts(scp: str) -> dict[str, float]:
    """Read the number of frames of each utterance of a feats.scp, from utt2num_frames."""
    path = str(Path(scp).parent / "utt2num_frames")
    return {
        utterance: parse_number(count, "number of frames", f"{path}: utterance {utterance}")
        for utterance, count in read_list(path, "frames").items()
    }
