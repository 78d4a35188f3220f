"""SLUE-VoxCeleb sentiment as a data folder: labels checked, audio trimmed by a segments file.

Layout: `slue-voxceleb/{fine-tune,dev,test}_raw/<id>.flac` beside
`slue-voxceleb_{fine-tune,dev,test_blind}.tsv`; optionally `slue-voxceleb_test.tsv` with labels,
which the user makes from the gated dataset on the Hub.
"""

import os
from collections import Counter
from pathlib import Path

from espnet_wabert.constants import LABELS
from espnet_wabert.corpora.assemble import Assembled, Utterance, finish
from espnet_wabert.corpora.rejects import Rejects
from espnet_wabert.corpora.slue_tables import Row, Table, read_table, unique_rows
from espnet_wabert.errors import UserError
from espnet_wabert.text.normalization import normalize

SPLITS = ("fine-tune", "dev", "test")
VERSIONS = ("v0.2", "v0.1")
# No usable label: several sentiments, or annotators who disagree.
DROPPED_LABELS = ("<mixed>", "Disagreement", "")

V01_DEV_ROWS = 955
V01_DEV_LABELS = {"Neutral": 784, "Positive": 167, "Negative": 3}
V01_TEST_ROWS = 4052
# Speakers that v0.2 probably moved from test to dev, both included.
MOVED_TO_DEV = ("id10270", "id10309")


def prepare_slue(
    corpus: str | Path,
    split: str,
    out: str | Path,
    version: str = "v0.2",
    labels: str | Path | None = None,
    trim: bool = True,
    skip_bad: bool = False,
    nj: int = 1,
) -> Assembled:
    """Write the data folder `out` from a split of `corpus` (the folder slue-voxceleb).

    `labels` is a .tsv or .parquet copy of the split (or a folder of .parquet files) of the dataset
    on the Hub, for what the archive's table does not have.
    """
    if split not in SPLITS or version not in VERSIONS:
        raise UserError(f"split {split!r} of {version!r}: one of {SPLITS} of one of {VERSIONS}")
    corpus = Path(os.path.abspath(corpus))
    if not corpus.is_dir():
        raise UserError(f"{corpus}: no such folder; --corpus is the folder slue-voxceleb")
    table = _split_table(corpus, split, labels, trim)
    rejects = Rejects()
    _audio_without_row(corpus / f"{split}_raw", table, rejects)
    rows = list(table.rows.values())
    if version == "v0.1":
        rows = select_v01(rows, split, table.path)
    kept, note = _labelled(rows, rejects)
    text_note = "" if any(row.normalized_text for row in kept) else "; no transcripts, no text file"
    trim_note = "; audio trimmed by segments"
    if not trim or all(row.start_second is row.end_second is None for row in kept):
        trim, trim_note = False, "; audio not trimmed"
    utterances = [_utterance(row, corpus / f"{split}_raw", trim, text_note) for row in kept]
    folder, summary = finish(utterances, rejects, out, skip_bad, nj)
    return Assembled(folder, summary + note + text_note + trim_note)


def _split_table(corpus: Path, split: str, labels: str | Path | None, trim: bool) -> Table:
    """Return the table of a split, completed from `labels`."""
    path = corpus / f"slue-voxceleb_{split}.tsv"
    needed = ["id", "speaker_id"]
    if split == "test" and not path.is_file():
        path = corpus / "slue-voxceleb_test_blind.tsv"
    else:
        needed += ["normalized_text", "sentiment"] + ["start_second", "end_second"] * trim
    table = read_table(path, needed)
    if labels is None:
        return table
    rows = _hub_rows(Path(labels), split)
    absent = sorted(table.rows.keys() - rows.keys())
    if absent:
        raise UserError(
            f"{labels}: {len(absent)} of the {len(table.rows)} ids of {path} are not in it, "
            f"the first is {absent[0]!r}"
        )
    return Table({key: _filled(row, rows[key]) for key, row in table.rows.items()}, path)


def _hub_rows(labels: Path, split: str) -> dict[str, Row]:
    """Return the rows of a file, or of the .parquet files of a split."""
    files = [labels]
    if labels.is_dir():
        name = {"fine-tune": "train", "dev": "validation", "test": "test"}[split]
        files = sorted(labels.rglob(f"{name}-*.parquet"))
        if not files:
            raise UserError(f"{labels}: no {name}-*.parquet in this copy of the hub dataset")
    needed = ("id", "sentiment")
    return unique_rows(row for file in files for row in read_table(file, needed).rows.values())


def _filled(row: Row, other: Row) -> Row:
    """Return `row` with its missing values taken from `other`."""
    pairs = zip(row, other, strict=True)
    return Row(*(theirs if own in (None, "") else own for own, theirs in pairs))  # type: ignore[arg-type]


def _audio_without_row(folder: Path, table: Table, rejects: Rejects) -> None:
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder, though {table.path} lists its utterances")
    for name in sorted(os.listdir(folder)):
        utt, suffix = os.path.splitext(name)
        if suffix == ".flac" and utt not in table.rows:
            rejects.add(utt, "audio without transcript", f"{folder / name}: not in {table.path}")


def select_v01(rows: list[Row], split: str, path: Path) -> list[Row]:
    """Return the rows of v0.1, from its own table or, for dev, from that of v0.2.

    It is not documented that v0.1's dev is v0.2's without the moved speakers, so the published
    counts are compared. Raises UserError if they differ.
    """
    if split == "fine-tune" or (split == "test" and len(rows) == V01_TEST_ROWS):
        return rows
    if split == "test":
        raise UserError(
            f"{path}: {len(rows)} rows, but v0.1's test has {V01_TEST_ROWS}: "
            "give the folder of the v0.1 archive"
        )
    first, last = MOVED_TO_DEV
    if len(rows) != V01_DEV_ROWS:
        rows = [row for row in rows if not first <= str(row.speaker_id) <= last]
    labels = Counter(_label(row) for row in rows)
    counts = {label: labels[label] for label in V01_DEV_LABELS}
    if len(rows) != V01_DEV_ROWS or counts != V01_DEV_LABELS:
        raise UserError(
            f"{path}: v0.1's dev cannot be identified: without speakers {first} to {last} there "
            f"are {len(rows)} rows with {counts}, not {V01_DEV_ROWS} with {V01_DEV_LABELS}; "
            "give the folder of the v0.1 archive"
        )
    return rows


def _label(row: Row) -> str:
    return row.sentiment or ""


def _labelled(rows: list[Row], rejects: Rejects) -> tuple[list[Row], str]:
    """Return the rows with a usable label (all rows if none has one), and a line of counts."""
    if not any(_label(row) for row in rows):
        return rows, "; blind: no labels, no sentiment file"
    kept = []
    for row in rows:
        if _label(row) in LABELS:
            kept.append(row)
        elif _label(row) not in DROPPED_LABELS:
            kind = "unknown sentiment label"
            rejects.add(row.id, kind, f"{row.where}: column 'sentiment' is {row.sentiment!r}")
    counts = Counter(_label(row) for row in rows)
    usable = ", ".join(f"{counts[label]} {label}" for label in LABELS)
    dropped = ", ".join(f"{counts[label]} {label or 'empty'}" for label in DROPPED_LABELS)
    return kept, f"; labels: {usable}; dropped: {dropped}"


def _utterance(row: Row, folder: Path, trim: bool, textless: str) -> Utterance:
    span = None
    if trim:
        if row.start_second is None or row.end_second is None:
            raise UserError(f"{row.where}: no start_second or end_second (see --trim false)")
        span = (row.start_second, row.end_second)
    speaker = str(row.speaker_id)
    prefixed = row.id.startswith(speaker)
    return Utterance(
        utt=row.id if prefixed else f"{speaker}-{row.id}",
        speaker=speaker,
        audio=str(folder / f"{row.id}.flac"),
        where=row.where,
        text=None if textless else normalize(row.normalized_text or ""),
        sentiment=_label(row) or None,
        span=span,
    )
