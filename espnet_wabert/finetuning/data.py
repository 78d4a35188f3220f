"""Check and convert the audio of clips, and write the data folders of the three splits."""

import csv
import hashlib
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from espnet_wabert.constants import SAMPLE_RATE
from espnet_wabert.corpora.formatting import WORTH_A_WORKER, Formatted, Task, format_one
from espnet_wabert.errors import UserError
from espnet_wabert.finetuning.split import split_clips
from espnet_wabert.finetuning.table import SPLITS, Clip, Clips, check_classes
from espnet_wabert.formats.audio import AudioFault
from espnet_wabert.formats.kaldi import DataFolder, write_folder
from espnet_wabert.formats.lines import write_atomically, write_lines
from espnet_wabert.formats.rows import to_csv
from espnet_wabert.inference.recordings import SHORTEST
from espnet_wabert.text.wordpiece import WordPieceTokenizer
from espnet_wabert.workers.processes import Processes
from espnet_wabert.workers.progress import progress

SHOWN = 10  # recordings that cannot be used
LONGEST = 60  # seconds: a batch is as long as its longest clip, and attention grows with its square
SPLIT_FILE, SKIPPED = "split.csv", "skipped"


def prepare(
    path: Path,
    table: Clips,
    out: Path,
    seed: int,
    pieces: WordPieceTokenizer,
    positions: int,
    skip_bad: bool,
    say: Callable[[str], None],
) -> list[Clip]:
    """Write data folders OUT/data/SPLIT, split.csv and skipped beside them; return the used clips.

    Audio of any format, rate and number of channels becomes 16 kHz mono, in OUT/data/audio where
    it is not that already.

    Args:
        path: of the csv.
        table: its content.
        out: folder of the fine-tuning.
        seed: of the random split.
        pieces: word pieces of the model, for the length of transcripts.
        positions: largest number of them that its BERT can read.
        skip_bad: leave out recordings that cannot be used, instead of stopping.
        say: gets a line for each of them, up to ten.
    """
    if "text" in table.columns:
        _check_texts(table.clips, pieces, positions)
    try:
        (out / "data").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{out}: cannot be written: {error.strerror}") from None
    tasks = [
        Task(c.utterance, c.path, None, 1.0, f"{out}/data/audio/{c.utterance}.flac")
        for c in table.clips
    ]
    done = {}
    with Processes(os.cpu_count() or 1) as workers, progress(len(tasks), "audio") as bar:
        results = workers.map(format_one, tasks, worth=WORTH_A_WORKER)
        for clip, result in zip(table.clips, results, strict=True):
            done[clip.utterance] = result
            bar.update()
    faults = {c.utterance: fault for c in table.clips if (fault := _fault(c, done[c.utterance]))}
    _settle(path, list(faults.values()), skip_bad, say)
    clips = [clip for clip in table.clips if clip.utterance not in faults]
    if faults and check_classes(path, clips) != table.labels:
        raise UserError(f"{path}: label: without the skipped recordings a class has no clips")
    clips = split_clips(path, clips, seed)
    for name in SPLITS:
        own = [clip for clip in clips if clip.split == name]
        with_text = "text" in table.columns and name != "test"
        _write(out / "data" / name, own, done, with_text)
    write_lines(out / "data" / SKIPPED, faults.values())
    write_atomically(out / "data" / SPLIT_FILE, _split_table(clips))
    return clips


def read_split(out: Path, clips: Sequence[Clip]) -> list[Clip]:
    """Return the clips that OUT/data/split.csv lists, with their splits."""
    with (out / "data" / SPLIT_FILE).open(encoding="utf-8", newline="") as file:
        found = {row["id"]: row["split"] for row in csv.DictReader(file)}
    return [c._replace(split=found[c.utterance]) for c in clips if c.utterance in found]


def digest(clips: Sequence[Clip]) -> str:
    """Return a digest of the recordings: names, sizes and times of the files."""
    described: list = []
    for clip in clips:
        try:
            status = os.stat(clip.path)
            described.append([clip.given, status.st_size, status.st_mtime_ns])
        except OSError:
            described.append([clip.given, None])
    return hashlib.sha256(json.dumps(described).encode()).hexdigest()[:12]


def _check_texts(clips: Sequence[Clip], pieces: WordPieceTokenizer, positions: int) -> None:
    """Refuse transcripts of training that are empty, or too long for BERT."""
    for clip in clips:
        if clip.split == "test":  # is not read
            continue
        count = len(pieces.encode(clip.text).ids)
        if not clip.text:
            raise UserError(
                f"{clip.where}: text: no words; without the column, training needs no transcripts"
            )
        if count > positions:
            raise UserError(
                f"{clip.where}: text: {count} word pieces, but this BERT has positions for"
                f" {positions}; without the column, training needs no transcripts"
            )


def _fault(clip: Clip, result: Formatted) -> str:
    """Return the line that says why a recording cannot be used; "" if it can."""
    fault = result.fault
    if fault is None and result.samples < SHORTEST:
        fault = AudioFault("too short", f"{result.samples} samples at {SAMPLE_RATE} Hz")
    if fault is None and (seconds := result.samples / SAMPLE_RATE) > LONGEST:
        fault = AudioFault("too long", f"{seconds:.0f} s, at most {LONGEST}; cut it into parts")
    return f"{clip.where}: path: {clip.given}: {fault.kind}: {fault.detail}" if fault else ""


def _settle(path: Path, faults: Sequence[str], skip_bad: bool, say: Callable[[str], None]) -> None:
    """Name the recordings that cannot be used; stop unless they may be skipped."""
    for line in faults[:SHOWN]:
        say(line)
    if len(faults) > SHOWN:
        say(f"{path}: {len(faults) - SHOWN} more")
    if faults and not skip_bad:
        raise UserError(
            f"{path}: recordings that cannot be used: {len(faults)}; correct them, or leave"
            " them out with --skip_bad"
        )


def _write(folder: Path, clips: Sequence[Clip], done: dict[str, Formatted], text: bool) -> None:
    """Write a Kaldi data folder; its training reads no speakers."""
    write_folder(
        DataFolder(
            wav={c.utterance: done[c.utterance].path for c in clips},
            utt2spk={c.utterance: c.utterance for c in clips},
            text={c.utterance: c.text for c in clips} if text else None,
            sentiment={c.utterance: c.label for c in clips},
            samples={c.utterance: done[c.utterance].samples for c in clips},
        ),
        folder,
    )


def _split_table(clips: Sequence[Clip]) -> str:
    """Return the csv that says which clip is in which split."""
    rows = [
        dict(id=c.utterance, path=c.given, label=c.label, speaker=c.speaker, split=c.split)
        for c in clips
    ]
    return to_csv(rows)
