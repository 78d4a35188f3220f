"""Make the n-gram of words with which a model reads letters."""

from pathlib import Path

import click

from espnet_wabert.errors import one_line_errors


@click.command()
@click.option("--text", required=True, type=Path, help="Kaldi text: the training transcripts.")
@click.option("--vocabulary", required=True, type=Path, help="BERT's word pieces, one per line.")
@click.option(
    "--general_weight",
    type=click.FloatRange(0, 1, max_open=True),
    default=0.5,
    show_default=True,
    help="Weight of general English, from pocketsphinx's language model; 0: none.",
)
@click.option(
    "--entries",
    type=click.IntRange(1),
    default=900_000,
    show_default=True,
    help="Pairs and triples of words to keep.",
)
@click.option("--out", required=True, type=Path, help="The ARPA file: ngram.arpa.gz.")
@one_line_errors
def main(text, vocabulary, general_weight, entries, out):
    """Write a trigram of the transcripts' words, of BERT's whole words and of general English."""
    from espnet_wabert.formats.lines import read_table
    from espnet_wabert.text.general_english import read_general_english
    from espnet_wabert.text.ngram import WHOLE_WORD, estimate, interpolate, prune, write_arpa
    from espnet_wabert.text.wordpiece import read_vocabulary

    words = [piece for piece in read_vocabulary(vocabulary) if WHOLE_WORD.match(piece)]
    ngram = estimate(read_table(text).values(), words)
    if general_weight:
        ngram = interpolate(read_general_english(), ngram, general_weight)
    ngram = prune(ngram, entries)
    write_arpa(ngram, out)
    print(f"{out}: {len(ngram.words)} words, {ngram.entries} pairs and triples of them")


if __name__ == "__main__":
    main()
