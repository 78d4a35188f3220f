"""Write the rated texts on which the sentiment of the model in the box is trained."""

from pathlib import Path

import click

from espnet_wabert.errors import one_line_errors


@click.command()
@click.option("--size", default="box", show_default=True, help="Of the corpus: full or box.")
@click.option("--seed", default=0, show_default=True, help="Of the corpus.")
@click.option("--out", required=True, type=Path, help="OUT/train, OUT/valid.")
@one_line_errors
def main(size, seed, out):
    """Write text, sentiment and text_shape of the training and validation texts."""
    from espnet_wabert.mini.rated_texts import write_rated_texts

    for name, count in write_rated_texts(out, size, seed).items():
        print(f"{out / name}: {count} texts")


if __name__ == "__main__":
    main()
