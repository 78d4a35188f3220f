"""Stage 4: remove utterances that training cannot use."""

import click

from espnet_wabert.errors import one_line_errors


@click.command()
@click.option("--data", required=True, help="A data folder that format_wav wrote.")
@click.option("--out", required=True, help="The data folder to write; may be the same.")
@click.option("--min_seconds", type=float, default=0.1, show_default=True)
@click.option("--max_seconds", type=float, default=30.0, show_default=True)
@click.option("--min_frames", type=int, default=1, show_default=True, help="At 50 Hz.")
@click.option(
    "--tokenizer",
    help="A vocab.txt, the folder of a BERT, or a Hugging Face name: also remove "
    "utterances whose tokens, [CLS] and [SEP] counted, are not fewer than their frames.",
)
@one_line_errors
def main(data, out, min_seconds, max_seconds, min_frames, tokenizer):
    """Remove utterances that are too short, too long or too dense; OUT/removed.txt lists them."""
    from espnet_wabert.corpora.lengths import Limits, filter_folder

    limits = Limits(min_seconds, max_seconds, min_frames)
    click.echo(filter_folder(data, out, limits, tokenizer).summary)


if __name__ == "__main__":
    main()
