"""Download the sentences and recordings of the embedded corpus, once per environment."""

import click

from espnet_wabert.errors import one_line_errors


@click.command()
@click.option(
    "--dir", "folder", type=click.Path(), help="Output folder; default: share/ of the environment."
)
@one_line_errors
def main(folder):
    """Fetch the source packages of vaderSentiment and pocketsphinx; keep the needed files."""
    from espnet_wabert.mini.sources import default_folder, fetch_sources

    folder = folder or default_folder()
    fetched = fetch_sources(folder)
    click.echo(f"{folder}: " + (f"fetched {', '.join(fetched)}" if fetched else "already there"))


if __name__ == "__main__":
    main()
