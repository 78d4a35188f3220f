"""A copy of SLUE-VoxCeleb from the Hugging Face Hub: `asapp/slue`, config `voxceleb`, in parquet.

The dataset is gated: the user downloads it with an account of their own. Its files have the audio
and, unlike the public archive, the labels of the test set. They are `voxceleb/test-*.parquet`, or
`voxceleb/test/*.parquet` in the Hub's branch `refs/convert/parquet`.
"""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from espnet_wabert.corpora.slue_tables import Row, read_table, unique_rows
from espnet_wabert.errors import UserError, first_line
from espnet_wabert.formats.audio import at_full_scale, non_finite, to_int16
from espnet_wabert.formats.lines import NO_FILE_NAME, is_file_name, replacing

SPLITS = {"fine-tune": "train", "dev": "validation", "test": "test"}
TOLERANCE = 0.1  # seconds between a duration and the span of the table


def is_hub_copy(folder: Path) -> bool:
    """Return whether a folder has parquet files and none of the archive's tables."""
    return not any(folder.glob("*.tsv")) and any(folder.rglob("*.parquet"))


def hub_files(folder: Path, split: str) -> list[Path]:
    """Return the parquet files of a split, without those of SLUE's other corpus, VoxPopuli.

    Raises:
        UserError: there are none.
    """
    name = SPLITS[split]
    files = sorted(folder.rglob(f"{name}-*.parquet")) or sorted(folder.rglob(f"{name}/*.parquet"))
    of_voxceleb = [f for f in files if "voxceleb" in str(f.relative_to(folder)).lower()]
    others = [f for f in files if "voxpopuli" not in str(f.relative_to(folder)).lower()]
    if not (of_voxceleb or others):
        raise UserError(
            f"{folder}: no {name}-*.parquet in this copy of the hub dataset, nor {name}/*.parquet"
        )
    return of_voxceleb or others


def hub_rows(labels: Path, split: str, needed: tuple[str, ...]) -> dict[str, Row]:
    """Return the rows of one table, or of the parquet files of a split in a folder."""
    files = hub_files(labels, split) if labels.is_dir() else [labels]
    return unique_rows(row for file in files for row in read_table(file, needed).rows.values())


def export_audio(folder: Path, split: str, out: Path) -> Path:
    """Write the audio of a split to `out`/<id>.flac; return `out`. An equal file stays.

    Raises:
        UserError: a row without audio, or audio that cannot be read.
    """
    out.mkdir(parents=True, exist_ok=True)
    for file in hub_files(folder, split):
        for utterance, content in _audio(file):
            if not is_file_name(utterance):
                raise UserError(f"{file}: {utterance!r}: {NO_FILE_NAME}")
            with replacing(out / f"{utterance}.flac") as target:
                if content[:4] == b"fLaC":
                    target.write_bytes(content)
                    continue
                samples, rate = _decoded(content, f"{file}: the audio of {utterance}")
                soundfile.write(target, samples, rate, format="FLAC", subtype="PCM_16")
    return out


def _decoded(content: bytes, where: str) -> tuple[np.ndarray, int]:
    """Return the samples of a file as 16-bit integers, (S,) or (S, channels), and the rate.

    libsndfile does not scale floats that it reads as integers: they would be silence.
    """
    try:
        samples, rate = soundfile.read(io.BytesIO(content), dtype="float32")
    except (soundfile.LibsndfileError, OSError) as error:
        raise UserError(f"{where}: {first_line(error)}") from None
    fault = non_finite(samples)
    if fault is not None:
        raise UserError(f"{where}: {fault.kind}: {fault.detail}")
    return to_int16(at_full_scale(samples)), rate


def _audio(file: Path) -> Iterator[tuple[str, bytes]]:
    """Return the id and the encoded audio of each row, a few rows in memory at a time."""
    import pyarrow
    from pyarrow import parquet

    try:
        table = parquet.ParquetFile(file)
        yield from _rows(file, table)
    except (pyarrow.ArrowException, OSError) as error:
        raise UserError(f"{file}: not a parquet table: {first_line(error)}") from None


def _rows(file: Path, table: Any) -> Iterator[tuple[str, bytes]]:
    if "audio" not in table.schema_arrow.names:
        raise UserError(f"{file}: no column 'audio'; it has {', '.join(table.schema_arrow.names)}")
    for batch in table.iter_batches(batch_size=32, columns=["id", "audio"]):
        for row in batch.to_pylist():
            audio = row["audio"]
            content = audio.get("bytes") if isinstance(audio, dict) else None
            if not isinstance(content, bytes) or not content:
                raise UserError(f"{file}: {row['id']} has no audio, only a path to it")
            yield str(row["id"]).strip(), content


def is_trimmed(rows: dict[str, Row], folder: Path) -> bool:
    """Return whether the audio has been cut to start_second and end_second already.

    Raises:
        UserError: some utterances are cut and others are not.
    """
    cut, whole = [], []
    for utterance, row in rows.items():
        path = folder / f"{utterance}.flac"
        start = row.start_second or 0.0
        # From the start on, a recording and its part are equally long.
        if start <= 2 * TOLERANCE or row.end_second is None or not path.is_file():
            continue
        try:
            seconds = soundfile.info(path).duration
        except soundfile.LibsndfileError:  # `finish` names it
            continue
        if seconds >= row.end_second - TOLERANCE:
            whole.append(utterance)
        elif abs(seconds - (row.end_second - start)) < TOLERANCE:
            cut.append(utterance)
    if cut and whole:
        raise UserError(
            f"{folder}: {len(cut)} recordings are trimmed to their spans ({cut[0]}) and"
            f" {len(whole)} are not ({whole[0]})"
        )
    return bool(cut)
