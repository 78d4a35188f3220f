"""Divide clips into training, validation and test; every class is in each of them."""

import itertools
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold, train_test_split

from espnet_wabert.errors import UserError
from espnet_wabert.finetuning.table import SPLITS, Clip

SHARE = 0.15  # of the validation set and of the test set
FOLDS = (7, 6, 5, 4, 3)  # 7: the share of one is about SHARE


def split_clips(path: Path, clips: Sequence[Clip], seed: int) -> list[Clip]:
    """Return the clips with their splits: those of the csv, or random ones.

    Random splits have equal parts of each class, at least one clip of each, and no speaker in two
    of them. If the csv has no validation clips, they are taken from its training clips.

    Args:
        path: of the csv, for errors.
        clips: all, or none, have a split; all, or none, have a speaker.
        seed: of the random choice.

    Raises:
        UserError: a split lacks a class, or the speakers allow no such split.
    """
    if not clips[0].split:
        return _check(path, _divide(path, clips, seed, SPLITS))
    given = {clip.split for clip in clips}
    for name in ("train", "test"):
        if name not in given:
            raise UserError(f"{path}: split: no clip is in {name}")
    _no_shared_speakers(clips)
    if "valid" in given:
        return _check(path, list(clips))
    training = [clip for clip in clips if clip.split == "train"]
    divided = {c.utterance: c for c in _divide(path, training, seed, ("train", "valid"))}
    return _check(path, [divided.get(clip.utterance, clip) for clip in clips])


def _divide(path: Path, clips: Sequence[Clip], seed: int, names: Sequence[str]) -> list[Clip]:
    """Return the clips with random splits `names`, the largest one first."""
    if clips[0].speaker:
        return _by_speaker(path, clips, seed, names)
    found = {clip.utterance: names[0] for clip in clips}
    for label in sorted({clip.label for clip in clips}):
        left = [clip.utterance for clip in clips if clip.label == label]
        count = max(1, round(SHARE * len(left)))
        for name in reversed(names[1:]):
            if len(left) <= count:
                raise UserError(f"{path}: label: {label}: too few clips to take {name} ones")
            left, taken = train_test_split(left, test_size=count, random_state=seed)
            found |= dict.fromkeys(taken, name)
    return [clip._replace(split=found[clip.utterance]) for clip in clips]


def _by_speaker(path: Path, clips: Sequence[Clip], seed: int, names: Sequence[str]) -> list[Clip]:
    """Return the clips with random splits, each speaker in one of them."""
    labels = np.array([clip.label for clip in clips])
    speakers = np.array([clip.speaker for clip in clips])
    classes = set(labels)
    for folds in FOLDS:
        if folds > len(set(speakers)):
            continue
        parts = _folds(folds, labels, speakers, seed)
        for chosen in itertools.permutations(parts, len(names) - 1):
            found = np.full(len(clips), names[0], dtype=object)
            for name, part in zip(names[1:], chosen, strict=True):
                found[part] = name
            if all(set(labels[found == name]) == classes for name in names):
                return [c._replace(split=s) for c, s in zip(clips, found, strict=True)]
    raise UserError(
        f"{path}: speaker: {len(set(speakers))} speakers, and no way found to give each of"
        f" {', '.join(names)} all classes with speakers of its own; add a column 'split', or leave"
        " the column out"
    )


def _folds(folds: int, labels: np.ndarray, speakers: np.ndarray, seed: int) -> list[np.ndarray]:
    """Return the places of the clips in each fold; [] if every class is smaller than that."""
    divider = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of small classes, which are checked here
        try:
            return [held for _, held in divider.split(labels, labels, speakers)]
        except ValueError:
            return []


def _no_shared_speakers(clips: Sequence[Clip]) -> None:
    """Refuse a speaker in two splits of the csv: the test would not be of unseen speakers."""
    first: dict[str, Clip] = {}
    for clip in clips:
        before = first.setdefault(clip.speaker, clip)
        if clip.speaker and before.split != clip.split:
            raise UserError(
                f"{clip.where}: speaker: {clip.speaker} is in {clip.split}, but in {before.split}"
                f" in {before.where}; without the column, this is not checked"
            )


def _check(path: Path, clips: list[Clip]) -> list[Clip]:
    """Return the clips if every class is in every split."""
    classes = {clip.label for clip in clips}
    for name in SPLITS:
        missing = classes - {clip.label for clip in clips if clip.split == name}
        if missing:
            raise UserError(f"{path}: split: {name} has no clip of {', '.join(sorted(missing))}")
    return clips
