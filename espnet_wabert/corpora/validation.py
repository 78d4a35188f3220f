"""Validate the audio of a data folder, and describe the folder in one line."""

from collections import Counter
from pathlib import Path

from espnet_wabert.corpora.parallel import parallel_map
from espnet_wabert.formats.audio import AudioFault, inspect
from espnet_wabert.formats.kaldi import DataFolder


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


def find_problems(folder: DataFolder, path: str | Path, audio: bool, nj: int) -> list[str]:
    """Return the problems of the audio files (headers and ends); none without `audio`."""
    if not audio:
        return []
    keys = sorted(folder.wav)
    found = parallel_map(inspect, [folder.wav[key] for key in keys], nj, f"{path}: audio headers")
    return [
        f"{path}/wav.scp: {key!r}: {folder.wav[key]}: {info.kind}: {info.detail}"
        for key, info in zip(keys, found, strict=True)
        if isinstance(info, AudioFault)
    ]
