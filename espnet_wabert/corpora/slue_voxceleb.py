"""SLUE-VoxCeleb sentiment as a data folder: labels checked, audio trimmed by a segments file.

Layout: `slue-voxceleb/{fine-tune,dev,test}_raw/<id>.flac` beside
`slue-voxceleb_{fine-tune,dev,test_blind}.tsv`; optionally `slue-voxceleb_test.tsv` with labels,
which the user makes from the gated dataset on the Hub. A copy of that dataset can also be used
alone (`slue_hub.py`).
"""

import os
from collections import Counter
from pathlib import Path

from espnet_wabert.constants import LABELS
from espnet_wabert.corpora.assemble import Assembled, Utterance, finish
from espnet_wabert.corpora.rejects import Rejects
from espnet_wabert.corpora.slue_hub import export_audio, hub_rows, is_hub_copy, is_trimmed
from espnet_wabert.corpora.slue_tables import Row, Table, read_table
from espnet_wabert.errors import UserError
from espnet_wabert.formats.kaldi import DataFolder, write_files
from espnet_wabert.text.normalization import normalize
from espnet_wabert.workers.workers import HERE, Workers

SPLITS = ("fine-tune", "dev", "test")
VERSIONS = ("v0.2", "v0.1")
# No usable label: several sentiments, or annotators who disagree.
DROPPED_LABELS = ("<mixed>", "Disagreement", "")

OFFICIAL_ROWS = {"fine-tune": 5777, "dev": 1454, "test": 3553}  # of v0.2

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
    workers: Workers = HERE,
) -> Assembled:
    """Write the data folder `out` from a split of `corpus` (the folder slue-voxceleb).

    `corpus` can also be a copy of the dataset on the Hub; its audio is written to `out`/audio.
    `labels` is a .tsv or .parquet copy of the split (or a folder of .parquet files) of the dataset
    on the Hub, for what the archive's table does not have.

    Audio without a row, and rows without a usable label, are counted.
    """
    if split not in SPLITS or version not in VERSIONS:
        raise UserError(f"split {split!r} of {version!r}: one of {SPLITS} of one of {VERSIONS}")
    corpus = Path(os.path.abspath(corpus))
    if not corpus.is_dir():
        raise UserError(f"{corpus}: no such folder; --corpus is the folder slue-voxceleb")
    table, audio, trimmed = _split_table(corpus, split, labels, trim, Path(out))
    rejects = Rejects()
    notes = _extra_files(audio, table)
    rows = list(table.rows.values())
    if not rows:
        raise UserError(f"{table.path}: no rows after the header")
    if version == "v0.1":
        rows = select_v01(rows, split, table.path)
    elif len(rows) != OFFICIAL_ROWS[split]:
        notes += f"; {len(rows)} rows (the official split of v0.2 has {OFFICIAL_ROWS[split]})"
    kept, note = _labeled(rows, table.path)
    text_note = "" if any(row.normalized_text for row in kept) else "; no transcripts, no text file"
    trim_note = "; audio trimmed by segments"
    if trimmed:
        trim, trim_note = False, "; the audio of this copy is trimmed"
    elif not trim or all(row.start_second is row.end_second is None for row in kept):
        trim, trim_note = False, "; audio not trimmed"
    utterances = [_utterance(row, audio, trim, text_note) for row in kept]
    folder, summary = finish(utterances, rejects, out, skip_bad, workers)
    if split == "dev" and version == "v0.2":
        notes += _list_v01(rows, table.path, folder, Path(out))
    else:
        (Path(out) / "v01").unlink(missing_ok=True)  # of v0.2
    return Assembled(folder, summary + note + text_note + trim_note + notes)


def _split_table(
    corpus: Path, split: str, labels: str | Path | None, trim: bool, out: Path
) -> tuple[Table, Path, bool]:
    """Return the table of a split, the folder of its audio, and whether that is trimmed already."""
    if is_hub_copy(corpus):
        needed = ("id", "speaker_id", "normalized_text", "sentiment")
        rows = hub_rows(corpus, split, (*needed, *(("start_second", "end_second") if trim else ())))
        # As the paths of the archive's audio are: another recipe reads them, too (--more_data).
        audio = export_audio(corpus, split, out.absolute() / "audio")
        return Table(rows, corpus), audio, trim and is_trimmed(rows, audio)
    return _archive_table(corpus, split, labels, trim), corpus / f"{split}_raw", False


def _archive_table(corpus: Path, split: str, labels: str | Path | None, trim: bool) -> Table:
    """Return the table of a split of the archive, completed from `labels`."""
    path = corpus / f"slue-voxceleb_{split}.tsv"
    needed = ["id", "speaker_id"]
    if split == "test" and not path.is_file():
        path = corpus / "slue-voxceleb_test_blind.tsv"
    else:
        needed += ["normalized_text", "sentiment"] + ["start_second", "end_second"] * trim
    table = read_table(path, needed)
    if labels is None or split != "test":  # the others have their own
        return table
    rows = hub_rows(Path(labels), split, ("id", "sentiment"))
    absent = sorted(table.rows.keys() - rows.keys())
    if absent:
        raise UserError(
            f"{labels}: {len(absent)} of the {len(table.rows)} ids of {path} are not in it, "
            f"the first is {absent[0]!r}"
        )
    filled = {key: _filled(row, rows[key]) for key, row in table.rows.items()}
    return table._replace(rows=filled)


def _filled(row: Row, other: Row) -> Row:
    """Return `row` with its missing values taken from `other`."""
    pairs = zip(row, other, strict=True)
    return Row(*(theirs if own in (None, "") else own for own, theirs in pairs))  # type: ignore[arg-type]


def _extra_files(folder: Path, table: Table) -> str:
    """Return a line of counts of what is ignored: files without a row, stray quotation marks."""
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder, though {table.path} lists its utterances")
    extra = [n for n in os.listdir(folder) if os.path.splitext(n)[0] not in table.rows]
    line = f"; {len(extra)} files without a row ({min(extra)})" if extra else ""
    return line + (f"; {table.stray} lines with a stray quotation mark" if table.stray else "")


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


def _list_v01(rows: list[Row], path: Path, folder: DataFolder, out: Path) -> str:
    """List the utterances of v0.1's dev set (the paper's) in `out`/v01, if it is known."""
    try:
        old = {row.id for row in select_v01(rows, "dev", path)}
    except UserError:
        (out / "v01").unlink(missing_ok=True)
        return ""
    listed = [u for u in folder.utt2spk if u in old or u.split("-", 1)[-1] in old]
    write_files(out, {"v01": (f"{utterance}\n" for utterance in listed)})
    return f"; {len(listed)} of them are v0.1's dev set"


def _label(row: Row) -> str:
    return row.sentiment or ""


def _labeled(rows: list[Row], path: Path) -> tuple[list[Row], str]:
    """Return the rows with a usable label (all rows if none has a label), and a line of counts.

    Raises:
        UserError: there are labels, but none is usable.
    """
    if not any(_label(row) for row in rows):
        return rows, "; blind: no labels, no sentiment file"
    kept = [row for row in rows if _label(row) in LABELS]
    counts = Counter(_label(row) for row in rows)
    known = {*LABELS, *DROPPED_LABELS}
    unknown = [row for row in rows if _label(row) not in known]
    usable = ", ".join(f"{counts[label]} {label}" for label in LABELS)
    dropped = ", ".join(f"{counts[label]} {label or 'empty'}" for label in DROPPED_LABELS)
    if unknown:
        dropped += (
            f", {len(unknown)} of unknown labels ({unknown[0].where}: {_label(unknown[0])!r})"
        )
    note = f"labels: {usable}; dropped: {dropped}"
    if not kept:
        raise UserError(f"{path}: no usable label: {note}")
    return kept, f"; {note}"


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
