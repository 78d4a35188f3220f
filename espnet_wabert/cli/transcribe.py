"""`wabert transcribe`."""

from pathlib import Path

import click

from espnet_wabert.cli.options import common, process
from espnet_wabert.errors import one_line_errors


@click.command()
@click.argument("audio", nargs=-1, required=True)
@click.option("--out", type=click.Path(path_type=Path), help="File for the lines 'utt-id text'.")
@common
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

    process(audio, out, model, batch_seconds, device, WaBERT.read_batch, "reading")
