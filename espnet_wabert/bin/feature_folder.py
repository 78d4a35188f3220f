"""Print the folder in which a configuration's features are cached (stage 10)."""

import click

from espnet_wabert.errors import one_line_errors


@click.command()
@click.option("--config", required=True, help="Training yaml; its frontend_conf counts.")
@click.option("--slu_args", default="", help="Training arguments that override it.")
@click.option("--dump", required=True, help="Folder of the features.")
@one_line_errors
def main(config, slu_args, dump):
    """Print the folder; print nothing if the features of this configuration cannot be cached."""
    from espnet_wabert.recipes.training_args import feature_folder

    click.echo(feature_folder(config, slu_args, dump) or "")


if __name__ == "__main__":
    main()
