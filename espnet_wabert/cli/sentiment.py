"""`wabert sentiment`."""

import click

from espnet_wabert.cli.options import common, output, process
from espnet_wabert.errors import one_line_errors


@click.command()
@click.argument("audio", nargs=-1, required=True)
@output
@common
@one_line_errors
def sentiment(audio, **options):
    """Classify AUDIO: the label, and the probability of each.

    AUDIO is as for `transcribe`. The model in the box judges the words that it reads. Models of
    `wabert finetune`, egs2/slue_sa and `make mini` judge the speech.

    \b
    wabert sentiment review.mp3
    wabert sentiment recordings/ --model exp/mine/model.zip
    """  # noqa: D301
    from espnet_wabert.inference.pipeline import WaBERT

    process(audio, method=WaBERT.classify_batch, task="classifying", **options)
