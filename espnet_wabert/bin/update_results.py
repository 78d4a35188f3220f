"""Merge figures into a results.json, such as seconds.training=93."""

import json
import platform
from importlib.metadata import version
from pathlib import Path

import click

from espnet_wabert.errors import UserError, one_line_errors


@click.command()
@click.argument("results", type=Path)
@click.argument("figures", nargs=-1)
@click.option("--versions", is_flag=True, help="Add the versions of Python and packages.")
@one_line_errors
def main(results, figures, versions):
    """Merge FIGURES, each dotted.name=value, into RESULTS."""
    from espnet_wabert.scoring.results import update_results

    values = {}
    for figure in figures:
        name, equals, value = figure.partition("=")
        if not equals:
            raise UserError(f"{figure}: a figure is given as dotted.name=value")
        try:
            values[name] = json.loads(value)
        except json.JSONDecodeError:
            values[name] = value
    if versions:
        names = ("espnet", "torch", "transformers", "espnet_model_zoo", "espnet_wabert")
        values["versions"] = {name: version(name) for name in names}
        values["versions"]["python"] = platform.python_version()
    update_results(results, values)


if __name__ == "__main__":
    main()
