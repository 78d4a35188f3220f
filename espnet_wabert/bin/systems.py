"""Read a table of systems for `egs2/slue_sa`: names of rows, options of `run.sh`."""

import click

from espnet_wabert.errors import UserError, one_line_errors


@click.command()
@click.option("--table", required=True, help="A yaml of systems, such as systems/table3.yaml.")
@click.option("--system", help="Print the options of run.sh for this row, one word per line.")
@click.option("--recognizer", help="That of run.sh, for rows whose recognizer is: option.")
@click.option(
    "--aligner", is_flag=True, help="Print those of ../librispeech_wabert/run.sh instead."
)
@click.option("--transcripts", default="", help="Data folder for an aligner with more_data.")
@click.option("--aligner_args", default="", help="More training arguments of the aligner.")
@one_line_errors
def main(table, system, recognizer, aligner, transcripts, aligner_args):
    """Check a whole table and print the names of its rows, or the options of one row."""
    from espnet_wabert.recipes.systems import OPTION, read_systems

    systems = read_systems(table)
    if system is None:
        lines = list(systems)
    elif system not in systems:
        raise UserError(f"--system {system}: no such row in {table}; it has {', '.join(systems)}")
    elif systems[system].recognizer == OPTION and recognizer == "":
        # It would classify the transcripts, as the row without a recognizer does.
        raise UserError(f"--system {system}: name its recognizer with --recognizer")
    elif aligner:
        lines = systems[system].aligner_options(transcripts, aligner_args)
    else:
        lines = systems[system].options()
    for line in lines:
        click.echo(line)


if __name__ == "__main__":
    main()
