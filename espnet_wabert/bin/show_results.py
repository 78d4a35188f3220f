"""Show the figures of a results.json as tables, on the terminal or as Markdown."""

from pathlib import Path

import click

from espnet_wabert.errors import UserError, one_line_errors


@click.command()
@click.argument("results", type=Path, default=Path("exp/mini/results.json"))
@click.option("--markdown", is_flag=True, help="Print Markdown, for RESULTS.md.")
@one_line_errors
def main(results, markdown):
    """Print the tables of RESULTS (default: exp/mini/results.json)."""
    from espnet_wabert.scoring import report, table
    from espnet_wabert.scoring.results import read_results

    try:
        tables = report.tables(read_results(results), commands=markdown)
    except UserError as error:
        named = str(results) in str(error)
        raise UserError(str(error) if named else f"{results}: {error}") from None
    if not tables:
        raise UserError(f"{results}: holds no figures yet")
    if markdown:
        click.echo(table.markdown(tables), nl=False)
    else:
        table.print_tables(tables)


if __name__ == "__main__":
    main()
