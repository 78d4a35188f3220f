"""`wabert`: use a trained model from the command line."""

import sys
from functools import partial
from pathlib import Path
from typing import Any

import click

from espnet_wabert.errors import UserError, one_line_errors

SHOWN = 10  # skipped utterances


@click.group()
def main():
    """Use a trained WaBERT model."""


def _common(command):
    """Options of all commands."""
    options = [
        click.option(
            "--model",
            default="box",
            show_default=True,
            help="`box` (the package's own), a packed .zip, a .pth, a folder or a tag of the Hub.",
        ),
        click.option(
            "--batch_seconds",
            type=click.FloatRange(0, min_open=True),
            default=60.0,
            show_default=True,
            help="Padded audio per batch.",
        ),
        click.option("--device", default="cpu", show_default=True, help="cpu or cuda."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


@main.command()
@click.argument("audio")
@click.option("--text", required=True, help="Transcript, file with it, or 'utt-id transcript'.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder for the files.")
@click.option(
    "--format", "formats", default="textgrid,ctm,json", show_default=True,
    help="Of the files in --out: textgrid, ctm, json, srt, vtt.",
)  # fmt: skip
@click.option("--method", help="grapheme, similarity or cif; default: the best of the model.")
@click.option(
    "--min_confidence",
    type=float,
    help="Name utterances with a lower mean confidence; default: the method's own.",
)
@_common
@one_line_errors
def align(audio, text, out, formats, method, min_confidence, model, batch_seconds, device):
    """Align AUDIO with its transcript: when is each word said?

    AUDIO is a recording (any format, rate and number of channels), a wav.scp, or the feats.scp of
    cached features. The alignment of one recording without --out is printed as a table.

    \b
    wabert align talk.mp3 --text "what was said"
    wabert align talk.mp3 --text talk.txt --out aligned --format srt
    wabert align wav.scp --text text --out aligned
    """  # noqa: D301
    from espnet_wabert.formats.aligned_files import KINDS, Writer, table
    from espnet_wabert.inference import recordings
    from espnet_wabert.inference.align_corpus import align_all, choose_method
    from espnet_wabert.inference.api import WaBERTInference

    kinds = formats.lower().split(",")
    if not set(kinds) <= set(KINDS):
        raise UserError(f"--format {formats}: must be one or more of {','.join(KINDS)}")
    many = recordings.is_list(audio)
    if many and out is None:
        raise UserError(f"{audio}: a list of recordings needs --out, a folder for the files")
    given = (recordings.many_recordings if many else recordings.one_recording)(audio, text)
    inference = WaBERTInference.from_pretrained(model, device)
    choose_method(inference, method)  # an invalid --method ends here
    writer = Writer(out, kinds, Path(model).name) if out else None
    on_result = writer.add if writer else lambda utterance, found: click.echo(table(found))
    done = align_all(
        inference, given.recordings, on_result, method, batch_seconds, min_confidence, many
    )
    if writer:
        writer.close()
    for note in [*given.notes, *done.notes]:
        click.echo(note, err=True)
    skipped = given.skipped | done.skipped
    if writer:
        _write_skipped(out, skipped)
        click.echo(f"{out}: {done.aligned} utterances aligned, {len(skipped)} skipped")
    _end(skipped, f"; {out / 'skipped'} lists them" if writer else "")


@main.command()
@click.argument("audio", nargs=-1, required=True)
@click.option("--out", type=click.Path(path_type=Path), help="File for the lines 'utt-id text'.")
@_common
@one_line_errors
def transcribe(audio, out, model, batch_seconds, device):
    """Read AUDIO without a transcript: what is said?

    AUDIO are recordings (any format, rate and number of channels), folders of them, or a wav.scp.
    One recording gives its text, several give lines 'utt-id text'. The model in the box reads
    English letters.

    \b
    wabert transcribe talk.mp3
    wabert transcribe recordings/ --out text
    """  # noqa: D301
    from espnet_wabert.inference.pipeline import WaBERT

    _process(audio, out, model, batch_seconds, device, WaBERT.read_batch, "reading")


@main.command()
@click.argument("audio", nargs=-1, required=True)
@click.option("--out", type=click.Path(path_type=Path), help="File for the lines 'utt-id ...'.")
@_common
@one_line_errors
def sentiment(audio, out, model, batch_seconds, device):
    """Classify AUDIO: the label, and the probability of each.

    AUDIO is as for `transcribe`. The model in the box has no sentiment: give one of `make mini` or
    of egs2/slue_sa.

    \b
    wabert sentiment talk.mp3 --model sentiment_prosody.zip
    """  # noqa: D301
    from espnet_wabert.inference.pipeline import WaBERT

    _process(audio, out, model, batch_seconds, device, WaBERT.classify_batch, "classifying")


def _process(audio, out, model, batch_seconds, device, method, task: str) -> None:
    """Print or write one line per recording, and end with status 1 if some cannot be read.

    Args:
        audio, out, model, batch_seconds, device: the command's.
        method: of `WaBERT`, for a batch of recordings.
        task: name of the progress bar.
    """
    from espnet_wabert.formats.lines import write_atomically
    from espnet_wabert.inference.loading import process_all
    from espnet_wabert.inference.pipeline import WaBERT
    from espnet_wabert.inference.recordings import without_transcript

    given = without_transcript(audio)
    found: dict[str, Any] = {}
    skipped = dict(given.skipped)
    if given.recordings:
        function = partial(method, WaBERT.from_pretrained(model, device))
        task = task if len(given.recordings) > 1 else ""
        skipped |= process_all(given.recordings, function, found.__setitem__, batch_seconds, task)
    for note in given.notes:
        click.echo(note, err=True)
    lines = [f"{utterance} {text}".strip() for utterance, text in sorted(found.items())]
    if out:
        write_atomically(out, "".join(f"{line}\n" for line in lines))
        click.echo(f"{out}: {len(found)} utterances done, {len(skipped)} skipped")
    else:
        alone = len(found) + len(skipped) == 1
        click.echo("\n".join(map(str, found.values()) if alone else lines))
    _end(skipped)


def _write_skipped(out: Path, skipped: dict[str, str]) -> None:
    """List skipped utterances in OUT/skipped; write no file if there are none."""
    path = out / "skipped"
    path.unlink(missing_ok=True)
    if skipped:
        lines = "".join(f"{u} {reason}\n" for u, reason in sorted(skipped.items()))
        path.write_text(lines, encoding="utf-8")


def _end(skipped: dict[str, str], where: str = "") -> None:
    """Name skipped utterances; end with status 1 if there are any."""
    for utterance, reason in list(skipped.items())[:SHOWN]:
        click.echo(f"skipped: utterance {utterance}: {reason}", err=True)
    if len(skipped) > SHOWN:
        click.echo(f"skipped: {len(skipped) - SHOWN} more{where}", err=True)
    if skipped:
        sys.exit(1)


if __name__ == "__main__":
    main()
