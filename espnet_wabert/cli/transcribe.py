"""`wabert transcribe`."""

import click

from espnet_wabert.cli.options import common, output, process
from espnet_wabert.errors import one_line_errors


@click.command()
@click.argument("audio", nargs=-1, required=True)
@output
@common
@one_line_errors
def transcribe(audio, **options):
    """Read AUDIO without a transcript: what is said?

    AUDIO is one or more recordings (any format that libsndfile reads), - for standard input,
    folders of recordings, or a wav.scp. For one recording its text is printed, for several lines
    'utt-id text'. The model in the box reads English.

    \b
    wabert transcribe talk.mp3
    wabert transcribe recordings/ --out text
    wabert transcribe *.wav --format csv --out texts.csv
    """  # noqa: D301
    from espnet_wabert.inference.pipeline import WaBERT

    process(audio, method=WaBERT.read_batch, task="reading", **options)
