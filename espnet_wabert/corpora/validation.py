"""Validate the audio of a data folder, and describe the folder in one line."""

from collections import Counter
from pathlib import Path

from espnet_wabert.corpora.assemble import HEADERS_AT_A_TIME, WORTH_A_WORKER
from espnet_wabert.formats.audio import AudioFault, inspect
from espnet_wabert.formats.kaldi import DataFolder
from espnet_wabert.workers.progress import progress
from espnet_wabert.workers.workers import Workers


def describe(folder: DataFolder) -> str:
    """Return one line with counts."""
    hours = folder.hours()
    parts = [f"{len(folder.utt2spk)} utterances", f"{len(set(folder.utt2spk.values()))} speakers"]
    if hours is not None:
        parts.append(f"{hours:.2f} h")
    if folder.text:
        parts.append(f"{sum(len(line.split()) for line in folder.text.values())} words")
    if folder.words:
        parts.append(f"word times for {len(folder.words)}")
    if folder.sentiment:
        labels = sorted(Counter(folder.sentiment.values()).items())
        parts.append("sentiment " + " / ".join(f"{count} {label}" for label, count in labels))
    if folder.segments:
        parts.append(f"segments of {len(folder.wav)} recordings")
    if folder.speed:
        factors = sorted(set(folder.speed.values()))
        parts.append("speed factors to apply " + " ".join(f"{factor:g}" for factor in factors))
    return ", ".join(parts)


def audio_problems(folder: DataFolder, path: str | Path, workers: Workers) -> list[str]:
    """Return the problems of the audio files: of their headers and ends."""
    keys = sorted(folder.wav)
    files = (folder.wav[key] for key in keys)
    problems = []
    with progress(len(keys), f"{path}: audio headers") as bar:
        infos = workers.map(inspect, files, HEADERS_AT_A_TIME, WORTH_A_WORKER)
        for key, info in zip(keys, infos, strict=True):
            bar.update()
            if isinstance(info, AudioFault):
                place = f"{path}/wav.scp: {key!r}: {folder.wav[key]}"
                problems.append(f"{place}: {info.kind}: {info.detail}")
    return problems
