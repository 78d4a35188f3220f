"""`wabert info`."""

import click

from espnet_wabert.cli.options import model_option
from espnet_wabert.errors import one_line_errors


@click.command()
@model_option
@one_line_errors
def info(model):
    """Show what a model is and what it can do.

    \b
    wabert info
    wabert info --model sentiment.zip
    """  # noqa: D301
    from espnet_wabert.inference.api import WaBERTInference
    from espnet_wabert.models.checkpoint import find_files

    files = find_files(model)
    inference = WaBERTInference(str(files.config), str(files.weights), ngram=files.ngram)
    for name, value in {"weights": files.weights, **inference.describe()}.items():
        click.echo(f"{name}: {value}")
