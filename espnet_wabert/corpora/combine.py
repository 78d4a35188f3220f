"""Combine data folders."""

from collections.abc import Sequence
from typing import Any

from espnet_wabert.errors import UserError
from espnet_wabert.formats.kaldi import DataFolder

# Maps that all folders or none must have.
_FILE_OF = {"text": "text", "sentiment": "sentiment", "segments": "segments"}
OPTIONAL = ("text", "sentiment", "words")  # maps that may be missing


def combine(named: Sequence[tuple[str, DataFolder]]) -> DataFolder:
    """Return the utterances of all folders; each comes with its name for errors."""
    if not named:
        raise UserError("no data folders to combine")
    for field, file in _FILE_OF.items():
        have = [name for name, folder in named if getattr(folder, field) is not None]
        lack = [name for name, folder in named if getattr(folder, field) is None]
        if have and lack:
            hint = "; run format_wav on both first" if field == "segments" else ""
            raise UserError(f"{lack[0]}/{file}: missing, but {have[0]} has one{hint}")
    _disjoint(named)
    folders = [folder for _, folder in named]
    if any(folder.speed is not None for folder in folders):
        folders = [f._replace(speed=f.speed or dict.fromkeys(f.utt2spk, 1.0)) for f in folders]
    wav = _recordings(named)
    merged: dict[str, Any] = {
        field: _merge([getattr(folder, field) for folder in folders], partial=field == "words")
        for field in DataFolder._fields
        if field != "wav"
    }
    return DataFolder(wav=wav, **merged)


def _disjoint(named: Sequence[tuple[str, DataFolder]]) -> None:
    owner: dict[str, str] = {}
    for name, folder in named:
        for utt in folder.utt2spk:
            if utt in owner:
                raise UserError(f"{name}: utterance {utt!r} is also in {owner[utt]}")
            owner[utt] = name


def _recordings(named: Sequence[tuple[str, DataFolder]]) -> dict[str, str]:
    """Return wav.scp of all; a recording of several folders must be the same file."""
    wav: dict[str, str] = {}
    for name, folder in named:
        for recording, path in folder.wav.items():
            if wav.setdefault(recording, path) != path:
                raise UserError(
                    f"{name}/wav.scp: recording {recording!r} is {path}, but {wav[recording]} "
                    "in a folder before it"
                )
    return wav


def _merge(tables: list[dict | None], partial: bool) -> dict | None:
    """Return one map of all; None if one is missing and the map is not `partial`."""
    present = [table for table in tables if table is not None]
    if not present or (len(present) < len(tables) and not partial):
        return None
    return {key: value for table in present for key, value in table.items()}
