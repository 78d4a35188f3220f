"""Print the aligner that a sentiment configuration starts from (egs2/slue_sa)."""

import click

from espnet_wabert.errors import one_line_errors


@click.command()
@click.option("--config", required=True, help="Training yaml of the sentiment model.")
@click.option("--slu_args", default="", help="Training arguments that override it.")
@one_line_errors
def main(config, slu_args):
    """Print the name of its aligner's configuration; nothing if it has no aligner."""
    from espnet_wabert.recipes.settings import default_aligner

    click.echo(default_aligner(config, slu_args))


if __name__ == "__main__":
    main()
