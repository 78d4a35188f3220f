"""`wabert finetune`."""

from contextlib import redirect_stderr
from importlib.util import find_spec
from io import StringIO
from pathlib import Path

import click

from espnet_wabert.cli.options import device_option
from espnet_wabert.errors import UserError, one_line_errors


@click.command()
@click.argument("data", type=click.Path(path_type=Path))
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder to write.",
)
@click.option(
    "--model", default="box", show_default=True,
    help="Aligned model to start from: `box`, a packed .zip, a .pth, a folder or a tag of the Hub.",
)  # fmt: skip
@click.option(
    "--epochs", default=20, show_default=True, type=click.IntRange(1), help="Largest number."
)
@click.option(
    "--seed", default=0, show_default=True, type=click.IntRange(0, 2**32 - 1),
    help="Of the split and the training.",
)  # fmt: skip
@click.option("--train_args", default="", help='More options of ESPnet, such as "--batch_size 8".')
@click.option("--skip_bad", is_flag=True, help="Leave out recordings that cannot be used.")
@device_option
@one_line_errors
def finetune(**options):
    """Train a classifier of recordings on your own labels.

    DATA is a csv or tsv with a header and a row per clip: path (relative to the csv), label, and
    optionally text (the transcript), split (train, valid, test) and speaker. Without a split, 15 %
    of the clips are for validation and 15 % for the test, speakers kept apart.

    OUT/model.zip is the model, OUT/report.md says how good it is on the test clips. The same
    command goes on where it was stopped.

    \b
    wabert finetune data.csv --out exp/mine
    wabert sentiment clip.wav --model exp/mine/model.zip
    """  # noqa: D301
    if find_spec("espnet2") is None:
        raise UserError("wabert finetune trains with ESPnet: pip install -e '.[espnet]'")
    with redirect_stderr(StringIO()):  # ESPnet's remark that it has no flash attention
        from espnet_wabert.finetuning.run import Options
        from espnet_wabert.finetuning.run import finetune as run

    run(Options(**options), say=click.echo, warn=lambda line: click.echo(line, err=True))
