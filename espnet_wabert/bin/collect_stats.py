"""Write ESPnet's shape files and the word times for training (stage 10) from earlier stages."""

from pathlib import Path

import click

from espnet_wabert.errors import one_line_errors


@click.command()
@click.option("--data", required=True, help="Data folder (for text).")
@click.option("--feats", help="Folder of cached features; default: the audio of --data.")
@click.option("--vocabulary", help="BERT's vocabulary (stage 5), for text_shape.")
@click.option("--words", help="Decoded sets: their words.grapheme.ctm instead of --data's times.")
@click.option("--out", required=True, help="Folder for speech_shape and text_shape.")
@one_line_errors
def main(data, feats, vocabulary, words, out):
    """Write speech_shape, text_shape and, for data with word times, word_times."""
    from espnet_wabert.training.shapes import write_shapes

    times = Path(words) / Path(data).name / "words.grapheme.ctm" if words else None
    count = write_shapes(data, feats, vocabulary, Path(out), times)
    print(f"{out}: {count} utterances")


if __name__ == "__main__":
    main()
