"""Make the n-gram of words with which a model reads letters."""

from pathlib import Path

import click

from espnet_wabert.errors import one_line_errors

File = click.Path(path_type=Path)


@click.command()
@click.option("--text", required=True, type=File, help="Kaldi text: the training transcripts.")
@click.option("--vocabulary", required=True, type=File, help="BERT's word pieces, one per line.")
@click.option("--out", required=True, type=File, help="The ARPA file: ngram.arpa.gz.")
@one_line_errors
def main(text, vocabulary, out):
    """Write a bigram of the transcripts' words and of BERT's whole words."""
    from espnet_wabert.formats.lines import read_table
    from espnet_wabert.text.ngram import WHOLE_WORD, write_bigram
    from espnet_wabert.text.wordpiece import read_vocabulary

    words = [piece for piece in read_vocabulary(vocabulary) if WHOLE_WORD.match(piece)]
    count = write_bigram(read_table(text).values(), words, out)
    print(f"{out}: a bigram of {count} words")


if __name__ == "__main__":
    main()
