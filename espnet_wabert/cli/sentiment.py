"""`wabert sentiment`."""

from pathlib import Path

import click

from espnet_wabert.cli.options import common, process
from espnet_wabert.errors import one_line_errors


@click.command()
@click.argument("audio", nargs=-1, required=True)
@click.option("--out", type=click.Path(path_type=Path), help="File for the lines 'utt-id ...'.")
@common
@one_line_errors
def sentiment(audio, out, model, batch_seconds, device):
    """Classify AUDIO: the label, and the probability of each.

    AUDIO is as for `transcribe`. The model in the box has no sentiment: give one of `wabert
    finetune`, `make mini` or egs2/slue_sa.

    \b
    wabert sentiment talk.mp3 --model exp/mine/model.zip
    """  # noqa: D301
    from espnet_wabert.inference.pipeline import WaBERT

    process(audio, out, model, batch_seconds, device, WaBERT.classify_batch, "classifying")
