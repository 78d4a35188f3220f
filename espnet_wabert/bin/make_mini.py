"""Make the embedded corpus: synthetic speech in the layouts of real corpora, and its models."""

import time
from pathlib import Path

import click

from espnet_wabert.errors import one_line_errors


@click.command()
@click.option("--out", required=True, type=click.Path(file_okay=False), help="Corpus folder.")
@click.option(
    "--seed", default=0, show_default=True, help="Seed; the same seed gives the same files."
)
@click.option(
    "--size", default="full", type=click.Choice(["full", "tiny", "box"]), show_default=True
)
@click.option("--nj", default=2, show_default=True, type=click.IntRange(1), help="Processes.")
@click.option("--models", default=True, show_default=True, help="Also write the models.")
@click.option("--sources", type=click.Path(), help="Folder of fetch_sources.")
@one_line_errors
def main(out, seed, size, nj, models, sources):
    """Make OUT/LibriSpeech, OUT/slue-voxceleb, OUT/TIMIT and OUT/models, if they are missing."""
    from tqdm import tqdm

    from espnet_wabert.mini.corpus import make_corpus

    began = time.perf_counter()
    with tqdm(unit=" utterances", desc="speaking", mininterval=1.0, disable=None) as bar:
        made = make_corpus(Path(out), seed, size, nj, models, sources, bar.update)
    manifest = made.manifest
    if not made.fresh:
        click.echo(f"{out}: the {size} corpus of seed {seed} is already there")
        return
    spent = time.perf_counter() - began
    click.echo(
        f"{out}: {manifest['utterances']} utterances, {manifest['hours']:.2f} h, in {spent:.0f} s"
    )
    if manifest["unspoken"]:
        left = ", ".join(manifest["unspoken"])
        click.echo(f"left out, since their words have no times: {left}")


if __name__ == "__main__":
    main()
