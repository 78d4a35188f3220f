"""`wabert convert`."""

import re
from collections.abc import Callable, Sequence
from operator import attrgetter
from pathlib import Path
from typing import Any

import click

from espnet_wabert.errors import UserError, one_line_errors, printable


@click.command()
@click.argument("words")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder for the files.")
@click.option(
    "--format", "formats", default="textgrid", show_default=True,
    help="What to write: textgrid, ctm, json, srt, vtt, audacity; several with commas.",
)  # fmt: skip
@click.option(
    "--from", "file_format", help="Format of WORDS, if its name and first line do not tell."
)
@one_line_errors
def convert(words, out, formats, file_format):
    """Convert the word times in WORDS, a file or a folder, to other formats.

    Read are CTM, TextGrid, JSON, LibriSpeech's .alignment.txt, TIMIT's .WRD and Buckeye's .words.
    One file per utterance is written, and one words.ctm.

    \b
    wabert convert aligned/words.ctm --out subtitles --format srt
    """  # noqa: D301
    from espnet_wabert.formats.aligned_files import write_labels
    from espnet_wabert.formats.lines import NO_FILE_NAME, is_file_name, name_some
    from espnet_wabert.formats.subtitles import write_subtitles
    from espnet_wabert.formats.textgrid import write_textgrid
    from espnet_wabert.formats.words import files_of, read_words, write_ctm, write_json

    writers = {
        "textgrid": (".TextGrid", lambda path, found: write_textgrid(path, {"words": found})),
        "json": (".json", lambda path, found: write_json(path, {path.stem: found})),
        "srt": (".srt", write_subtitles),
        "vtt": (".vtt", write_subtitles),
        "audacity": (".txt", write_labels),
    }
    kinds = formats.lower().split(",")
    if not set(kinds) <= {*writers, "ctm"}:
        raise UserError(f"--format {formats}: must be one or more of {','.join(writers)},ctm")
    silent: list[str] = []
    read = read_words(words, file_format, silent)
    times = {u: sorted(found, key=attrgetter("start")) for u, found in read.items()}
    files: dict[Path, tuple[Callable, Any]] = {}  # to write, by what function, and the words
    for utterance, found in times.items():
        if not is_file_name(utterance):
            raise UserError(f"{words}: utterance {utterance}: {NO_FILE_NAME}")
        for suffix, write in (writers[kind] for kind in kinds if kind in writers):
            files[out / f"{utterance}{suffix}"] = write, found
    if "ctm" in kinds:
        files[out / "words.ctm"] = write_ctm, times
    _keep_inputs(list(files), files_of(words, file_format))
    out.mkdir(parents=True, exist_ok=True)
    for path, (write, content) in files.items():
        write(path, content)
    if silent:
        names = printable(name_some(set(silent)))
        click.echo(f"{len(silent)} labels are taken as silence: {names}", err=True)
    click.echo(f"{out}: {len(times)} utterances, {sum(map(len, times.values()))} words")


def _keep_inputs(files: Sequence[Path], inputs: Sequence[Path]) -> None:
    """Raise a `UserError` if a file to write is an input, or another's that has more than times."""
    from espnet_wabert.inference.listing import is_recording

    read = {path.resolve() for path in inputs}
    for path in filter(Path.is_file, files):
        what = "an input" if path.resolve() in read else ""
        beside = (other for other in path.parent.iterdir() if other.stem == path.stem)
        if path.suffix == ".txt" and not _begins(path, rb"$|[\d.]+\t[\d.]+\t"):
            what = "the transcript of a recording" if any(map(is_recording, beside)) else what
        elif path.suffix == ".ctm" and _begins(path, rb"(\S+ ){5}\S"):
            what = what or "a CTM with confidences"
        elif path.suffix in (".json", ".TextGrid") and b'"subwords"' in path.read_bytes():
            what = what or "of `wabert align`, with subwords"
        if what:
            raise UserError(f"{path}: is {what}, which would be replaced; name another --out")


def _begins(path: Path, pattern: bytes) -> bool:
    """Return whether the first line of a file begins with a pattern."""
    with path.open("rb") as file:
        return re.match(pattern, file.readline(1000)) is not None
