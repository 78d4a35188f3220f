"""Write the record of a stage, and tell whether the stage has to be run."""

import sys
from pathlib import Path

import click

from espnet_wabert.errors import UserError, one_line_errors

DONE = 3  # exit status of `begin`

_record = click.argument("record", type=Path)


@click.group()
def main():
    """The record of a stage: its options, inputs and outputs."""


@main.command()
@_record
@click.option("--skip_done", default=False, type=bool, help="Compare with the record of before.")
@click.option("--option", "options", multiple=True, help="name=value.")
@click.option("--input", "inputs", multiple=True, help="A file or folder that the stage reads.")
@click.option("--output", "outputs", multiple=True, help="... that it writes.")
@click.option("--existing", multiple=True, help="... that must exist.")
@one_line_errors
def begin(record, skip_done, options, inputs, outputs, existing):
    """Begin a stage; with --skip_done print why, or end with status 3 if it is done."""
    from espnet_wabert.recipes import stage_record

    pairs = [option.partition("=") for option in options]
    if not all(equals for _, equals, _ in pairs):
        raise UserError("--option: is given as name=value")
    values = {name: value for name, _, value in pairs}
    now = stage_record.describe(values, filter(None, inputs), filter(None, outputs), existing)
    if skip_done:
        reason = stage_record.reason_to_run(record, now)
        if reason is None:
            sys.exit(DONE)
        click.echo(reason)
    stage_record.begin(record, now)


@main.command()
@_record
@one_line_errors
def end(record):
    """End a stage: record what it has written."""
    from espnet_wabert.recipes import stage_record

    stage_record.end(record)


if __name__ == "__main__":
    main()
