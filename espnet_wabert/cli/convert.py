"""`wabert convert`."""

from pathlib import Path

import click

from espnet_wabert.errors import UserError, one_line_errors


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
    from espnet_wabert.formats.lines import NO_FILE_NAME, is_file_name
    from espnet_wabert.formats.subtitles import write_subtitles
    from espnet_wabert.formats.words import read_words, write_ctm, write_json, write_textgrid

    writers = {
        "textgrid": (".TextGrid", lambda path, found: write_textgrid(path, {"words": found})),
        "json": (".json", lambda path, found: write_json(path, {"words": {path.stem: found}})),
        "srt": (".srt", write_subtitles),
        "vtt": (".vtt", write_subtitles),
        "audacity": (".txt", write_labels),
    }
    kinds = formats.lower().split(",")
    if not set(kinds) <= {*writers, "ctm"}:
        raise UserError(f"--format {formats}: must be one or more of {','.join(writers)},ctm")
    times = read_words(words, file_format)
    out.mkdir(parents=True, exist_ok=True)
    for utterance, found in times.items():
        if not is_file_name(utterance):
            raise UserError(f"{words}: utterance {utterance}: {NO_FILE_NAME}")
        for suffix, write in (writers[kind] for kind in kinds if kind in writers):
            write(out / f"{utterance}{suffix}", found)
    if "ctm" in kinds:
        write_ctm(out / "words.ctm", times)
    click.echo(f"{out}: {len(times)} utterances, {sum(map(len, times.values()))} words")
