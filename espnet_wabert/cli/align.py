"""`wabert align`."""

from pathlib import Path

import click

from espnet_wabert.cli.options import common, end, interruptible
from espnet_wabert.errors import UserError, one_line_errors, printable

DEFAULT_FORMATS = "textgrid,ctm,json"


@click.command()
@click.argument("audio")
@click.option(
    "--text",
    help="Transcript, file with it, 'utt-id transcript' lines, or a folder of .txt or .lab files;"
    " default: those beside the recordings of a folder.",
)
@click.option("--out", type=click.Path(path_type=Path), help="Folder for the files.")
@click.option(
    "--format", "formats",
    help="What to write to --out: textgrid, ctm, json, jsonl, csv, srt, vtt; several with commas;"
    f" default: {DEFAULT_FORMATS}.",
)  # fmt: skip
@click.option("--method", help="grapheme, similarity or cif; default: the best of the model.")
@click.option(
    "--min_confidence",
    type=float,
    help="Name utterances with a lower confidence; default: the method's own.",
)
@common
@one_line_errors
def align(audio, text, out, formats, method, min_confidence, batch_seconds, **loading):
    """Align AUDIO with its transcript: when is each word said?

    AUDIO is a recording (any format that libsndfile reads), - for standard input, a folder of
    recordings, a wav.scp, or the feats.scp of cached features. The alignment of one recording
    without --out is printed as a table.

    \b
    wabert align talk.mp3 --text "what was said"
    wabert align talk.mp3 --text talk.txt --out aligned --format srt
    wabert align recordings/ --out aligned            # with a .txt or .lab beside each
    wabert align wav.scp --text text --out aligned
    """  # noqa: D301
    from espnet_wabert.formats.aligned_files import KINDS, Writer
    from espnet_wabert.inference import recordings
    from espnet_wabert.inference.align_corpus import align_all, choose_method
    from espnet_wabert.inference.api import WaBERTInference
    from espnet_wabert.inference.listing import is_list

    if formats and not out:
        raise UserError(f"--format {formats}: needs --out, a folder for the files")
    kinds = (formats or DEFAULT_FORMATS).lower().split(",")
    if not set(kinds) <= set(KINDS):
        raise UserError(f"--format {formats}: must be one or more of {','.join(KINDS)}")
    folder = Path(audio).is_dir()
    many = folder or is_list(audio)
    if many and out is None:
        kind = "folder" if folder else "list"
        raise UserError(f"{audio}: a {kind} of recordings needs --out, a folder for the files")
    if text is None:
        if not folder:
            raise UserError(f"{audio}: its transcript is needed: --text")
        text = audio
    given = (recordings.many_recordings if many else recordings.one_recording)(audio, text)
    inference = WaBERTInference.from_pretrained(**loading)
    choose_method(inference, method)  # an invalid --method ends here
    writer = Writer(out, kinds, Path(loading["model"]).name) if out else None
    if writer:
        writer.keep_neighbors({r.utterance: r.path for r in given.recordings})
    on_result = writer.add if writer else lambda utterance, found: click.echo(found)
    skipped = dict(given.skipped)
    try:
        with interruptible():
            done = align_all(inference, given.recordings, on_result, method, batch_seconds,
                             min_confidence, many, skipped)  # fmt: skip
    except KeyboardInterrupt:
        if writer and writer.found:
            writer.close()
            _write_lists(out, skipped | given.alone, {})
        raise UserError("interrupted: the other utterances are not aligned") from None
    if writer:
        writer.close()
    for note in [*given.notes, *done.notes]:
        click.echo(printable(note), err=True)
    if writer:
        _write_lists(out, skipped | given.alone, done.low)
        alone = f", {len(given.alone)} without transcript or recording" if given.alone else ""
        click.echo(f"{out}: {done.aligned} utterances aligned, {len(skipped)} skipped{alone}")
    end(skipped, f"; {out / 'skipped'} lists them" if writer else "")


def _write_lists(out: Path, skipped: dict[str, str], low: dict[str, float]) -> None:
    """Write the lists of what was skipped and of low confidences, or remove earlier ones."""
    _write_list(out / "skipped", skipped)
    _write_list(out / "low_confidence", {u: f"{value:.4f}" for u, value in low.items()})


def _write_list(path: Path, values: dict[str, str]) -> None:
    """Write lines of an utterance and its value; remove the file if there are none."""
    from espnet_wabert.formats.lines import as_id, write_lines

    path.unlink(missing_ok=True)
    if values:
        write_lines(path, (printable(f"{as_id(u)} {v}") for u, v in sorted(values.items())))
