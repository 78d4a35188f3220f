"""Show the top-k subword predictions of each aligned token (the paper's Table 4)."""

from pathlib import Path

import click

from espnet_wabert.errors import one_line_errors


@click.command()
@click.option("--decoding", required=True, type=Path, help="A decoding.jsonl of stage 12.")
@click.option("--utterances", help="Ids, such as 'a b'; default: typical ones.")
@click.option("--count", default=3, show_default=True, help="Number of typical ones.")
@click.option("--most", default=5, show_default=True, help="Predictions per token.")
@click.option("--text", type=Path, help="The transcripts (Kaldi), for the word error rate.")
@click.option("--markdown", is_flag=True, help="Print Markdown, for RESULTS.md.")
@click.option("--out", type=Path, help="Also write the Markdown to this file.")
@one_line_errors
def main(decoding, utterances, count, most, text, markdown, out):
    """Print two tables per utterance: label and top-1 to top-5, with correct ones marked.

    The first one has the true number of tokens; in the second one the model is a recognizer.
    """
    from espnet_wabert.formats.lines import read_table, write_atomically
    from espnet_wabert.scoring import predictions, table
    from espnet_wabert.scoring.tokens import read_decoding

    found = read_decoding(decoding)
    names = utterances.split() if utterances else predictions.typical(found, count)
    texts = read_table(text) if text else {}
    tables = []
    for decoded in predictions.chosen(found, names):
        tables.append(predictions.predictions_table(decoded, most))
        of_recognizer = predictions.recognizer_table(decoded, most)
        tables += [of_recognizer] if of_recognizer else []
    line = predictions.recognizer_line(found, texts) if text else ""
    if out:
        write_atomically(out, table.markdown(tables) + (f"\n{line}\n" if line else ""))
    if markdown:
        click.echo(table.markdown(tables))
    else:
        table.print_tables(tables)
    if line:
        click.echo(line)


if __name__ == "__main__":
    main()
