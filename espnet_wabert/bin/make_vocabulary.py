"""Write the vocabulary of a BERT (stage 5)."""

import click

from espnet_wabert.errors import one_line_errors


@click.command()
@click.option("--text_model", required=True, help="Name or folder of BERT.")
@click.option("--out", required=True, help="The file to write, one word piece per line.")
@one_line_errors
def main(text_model, out):
    """Write BERT's word pieces in the order of their ids."""
    from espnet_wabert.text.wordpiece import write_vocabulary

    print(f"{out}: {write_vocabulary(text_model, out)} word pieces")


if __name__ == "__main__":
    main()
