"""`wabert transcribe`."""

import click

from espnet_wabert.cli.options import common, output, process, recognizer_option
from espnet_wabert.errors import one_line_errors


@click.command()
@click.argument("audio", nargs=-1, required=True)
@output
@recognizer_option
@common
@one_line_errors
def transcribe(audio, recognizer, **options):
    """Read AUDIO without a transcript: what is said?

    A model that spells letters can check the text of a recognizer: where the letters speak against
    it, what they spell is written instead. The model in the box does so with Whisper tiny.en.

    AUDIO is one or more recordings (any format that libsndfile reads), - for standard input,
    folders of recordings, or a wav.scp. For one recording its text is printed, for several lines
    'utt-id text'. The model in the box reads English.

    \b
    wabert transcribe talk.mp3
    wabert transcribe recordings/ --out text
    wabert transcribe talk.mp3 --recognizer none
    wabert transcribe *.wav --format csv --out texts.csv
    """  # noqa: D301
    from espnet_wabert.inference.pipeline import WaBERT

    options["recognizer"] = None if recognizer == "none" else recognizer
    process(audio, method=WaBERT.read_batch, task="reading", **options)
