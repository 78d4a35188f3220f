"""Download the sentences and recordings of the embedded corpus, once per environment."""

import click

from espnet_wabert.errors import one_line_errors


@click.command()
@click.option(
    "--dir", "folder", type=click.Path(), help="Output folder; default: share/ of the environment."
)
@click.option(
    "--more_speech",
    is_flag=True,
    help="Also those that only bin.real_speech reads: 27 MB of PyPI, 11 MB with Debian's apt-get.",
)
@click.option(
    "--actors", is_flag=True, help="Also those that `make box` trains on: 35 MB, with apt-get."
)
@one_line_errors
def main(folder, more_speech, actors):
    """Fetch the source packages of vaderSentiment and pocketsphinx; keep the needed files."""
    from espnet_wabert.mini.actors import fetch_actors
    from espnet_wabert.mini.more_speech import fetch_more
    from espnet_wabert.mini.sources import default_folder, fetch_sources

    folder = folder or default_folder()
    fetched = fetch_sources(folder) + (fetch_more(folder) if more_speech else [])
    fetched += fetch_actors(folder) if actors else []
    click.echo(f"{folder}: " + (f"fetched {', '.join(fetched)}" if fetched else "already there"))


if __name__ == "__main__":
    main()
