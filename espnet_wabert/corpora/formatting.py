"""Format audio (stage 3): one 16 kHz mono file per utterance.

A file with this format is used in place; new files are written for segments, speed factors, several
channels and other rates.
"""

from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import soundfile

from espnet_wabert.constants import SAMPLE_RATE
from espnet_wabert.corpora.rejects import Rejects
from espnet_wabert.errors import UserError, first_line
from espnet_wabert.formats.audio import (
    DAMAGED,
    OVERDRIVEN,
    AudioFault,
    inspect,
    is_ready,
    non_finite,
    read_mono,
    resample,
    write_audio,
)
from espnet_wabert.formats.kaldi import DataFolder, Segment, subset, write_folder
from espnet_wabert.formats.kaldi_checks import PAST_END
from espnet_wabert.workers.progress import progress
from espnet_wabert.workers.workers import HERE, Workers

AUDIO_FORMATS = ("flac", "wav")
# Of files that take 1 to 10 ms each: how many a worker gets at a time, and is started for.
FILES_AT_A_TIME, WORTH_A_WORKER = 32, 20


class Task(NamedTuple):
    """One utterance: its audio file, span and speed, and the file to write, if any."""

    utt: str
    path: str
    segment: Segment | None
    factor: float
    target: str


class Formatted(NamedTuple):
    """Result of a task: `path` is the file, `samples` its length at 16 kHz.

    `cut`: its segment ends after the recording.
    """

    path: str
    samples: int
    stereo: bool = False
    resampled: bool = False
    cut: bool = False
    fault: AudioFault | None = None


class FormatResult(NamedTuple):
    """The new folder, and one line with counts."""

    folder: DataFolder
    summary: str


def format_folder(
    folder: DataFolder,
    out: str | Path,
    audio_format: str = "flac",
    skip_bad: bool = False,
    workers: Workers = HERE,
) -> FormatResult:
    """Write the data folder `out` whose wav.scp has 16 kHz mono files without segments.

    New audio goes to `out`/audio/<speaker>/<utterance>; unused audio there is removed.
    """
    if audio_format not in AUDIO_FORMATS:
        raise UserError(f"--audio_format {audio_format}: one of {', '.join(AUDIO_FORMATS)}")
    audio_folder = Path(out).absolute() / "audio"
    make = partial(_tasks, folder, audio_folder, audio_format)
    results = workers.map(format_one, make(), FILES_AT_A_TIME, WORTH_A_WORKER)
    rejects = Rejects()
    counts: Counter = Counter()
    wav: dict[str, str] = {}
    samples: dict[str, int] = {}
    with progress(len(folder.utt2spk), f"{out}: audio") as bar:
        for task, result in zip(make(), results, strict=True):
            bar.update()
            if result.fault is None:
                # The path of a file that is used in place is in memory already.
                wav[task.utt] = task.path if result.path == task.path else result.path
                samples[task.utt] = result.samples
                _count(counts, task, result)
            else:
                rejects.add(task.utt, result.fault.kind, f"{task.path}: {result.fault.detail}")
    rejects.settle(out, skip_bad)
    if not wav:
        raise UserError(f"{out}: no utterances left; left out: {rejects.counts()}")
    seconds = {utt: count / SAMPLE_RATE for utt, count in samples.items()}
    formatted = subset(folder, wav)._replace(
        wav=wav, segments=None, speed=None, seconds=seconds, samples=samples
    )
    write_folder(formatted, out)
    written = _remove_stale(audio_folder, set(formatted.wav.values()))
    return FormatResult(formatted, _summary(formatted, counts, rejects, written, out))


def _tasks(folder: DataFolder, audio_folder: Path, suffix: str) -> Iterator[Task]:
    for utt, speaker in sorted(folder.utt2spk.items()):
        segment = folder.segments[utt] if folder.segments else None
        path = folder.wav[segment.recording if segment else utt]
        factor = folder.speed[utt] if folder.speed else 1.0
        target = f"{audio_folder}/{speaker}/{utt}.{suffix}"
        yield Task(utt, path, segment, factor, target)


def format_one(task: Task) -> Formatted:
    """Use a file in place, or write the task's part of it; return an error, do not raise it."""
    whole = task.segment is None and task.factor == 1.0
    info = inspect(task.path, SAMPLE_RATE if whole else None)
    if isinstance(info, AudioFault):
        return Formatted(task.path, 0, fault=info)
    start, stop, late = 0, info.samples, False
    if task.segment is not None:
        late = task.segment.end > info.samples / info.rate + PAST_END
        start = round(task.segment.start * info.rate)
        stop = min(round(task.segment.end * info.rate), info.samples)
    if start >= stop:
        fault = AudioFault("span outside the audio", f"samples {start} to {stop}")
        return Formatted(task.path, 0, fault=fault)
    if whole and is_ready(info, SAMPLE_RATE):
        return Formatted(task.path, info.samples)
    try:
        samples, rate = read_mono(task.path, start, stop)
    except (soundfile.LibsndfileError, OSError) as error:
        reason = first_line(error)
        return Formatted(task.path, 0, fault=AudioFault(DAMAGED, reason))
    bad = non_finite(samples, start, OVERDRIVEN)
    if bad is not None:
        return Formatted(task.path, 0, fault=bad)
    samples = resample(samples, rate, SAMPLE_RATE, task.factor)
    if len(samples) == 0:
        fault = AudioFault("audio without samples", f"none left at {SAMPLE_RATE} Hz")
        return Formatted(task.path, 0, fault=fault)
    write_audio(Path(task.target), samples, SAMPLE_RATE)
    return Formatted(task.target, len(samples), info.channels != 1, info.rate != SAMPLE_RATE, late)


def _remove_stale(audio_folder: Path, used: set[str]) -> int:
    """Remove files of earlier runs under `audio_folder`; how many are used."""
    count = 0
    for file in audio_folder.rglob("*") if audio_folder.is_dir() else ():
        if str(file) in used:
            count += 1
        elif file.is_file():
            file.unlink()
    return count


def _count(counts: Counter, task: Task, result: Formatted) -> None:
    counts["segments"] += task.segment is not None
    counts["speed"] += task.factor != 1.0
    counts["stereo"] += result.stereo
    counts["resampled"] += result.resampled
    counts["cut"] += result.cut


def _summary(
    folder: DataFolder, counts: Counter, rejects: Rejects, written: int, out: str | Path
) -> str:
    count, cut = len(folder.utt2spk), counts["cut"]
    return (
        f"{out}: {count} utterances, {folder.hours():.2f} h; {written} written, "
        f"{count - written} read where they are (segments {counts['segments']}, speed "
        f"{counts['speed']}, stereo {counts['stereo']}, other rate {counts['resampled']}); "
        f"left out as bad: {rejects.counts()}"
        + (f"; {cut} segments end after their recordings and were cut to them" if cut else "")
    )
