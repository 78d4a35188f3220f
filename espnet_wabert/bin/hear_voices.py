"""Measure how well Whisper tiny.en understands each voice of the embedded corpus."""

from pathlib import Path

import click

from espnet_wabert.errors import one_line_errors


@click.command()
@click.option("--whisper", required=True, help="Folder of Whisper, as make_mini writes it.")
@click.option("--sentences", default=10, show_default=True, type=click.IntRange(1))
@click.option(
    "--actors",
    default=0,
    show_default=True,
    type=click.IntRange(0),
    help="Also the actors who have that many lines (bin.fetch_sources --actors); lines of each.",
)
@click.option("--seed", default=0, show_default=True)
@click.option("--out", type=Path, help="Write the table (Markdown) here.")
@one_line_errors
def main(whisper, sentences, actors, seed, out):
    """Let each voice read the same sentences, without noise, and print word error rates.

    Each variant of espeak-ng is a voice; of the derived ones, some of each sex and split are drawn.
    """
    from espnet_wabert.inference.recognizer import WhisperRecognizer
    from espnet_wabert.mini.hearing import actors_error_rates, error_rates, voices_to_hear
    from espnet_wabert.mini.voices import UNDERSTOOD
    from espnet_wabert.scoring.table import Table, print_tables, write_markdown

    recognizer = WhisperRecognizer(whisper)
    rates = error_rates(voices_to_hear(seed), recognizer, sentences, seed)
    rates += actors_error_rates(recognizer, actors, seed) if actors else []
    rows = [
        (
            heard.group,
            heard.name,
            f"{100 * heard.rate:.1f}",
            "" if heard.rate <= UNDERSTOOD else "x",
        )
        for heard in rates
    ]
    columns = ("voices", "voice", "WER %", "not understood")
    table = Table("What Whisper understands", columns, tuple(rows), names=2)
    print_tables([table])
    if out:
        write_markdown(out, [table])


if __name__ == "__main__":
    main()
