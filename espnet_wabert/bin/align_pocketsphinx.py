"""Align a data folder with pocketsphinx, as a baseline."""

from pathlib import Path

import click

from espnet_wabert.errors import one_line_errors


@click.command()
@click.option("--data", required=True, type=Path, help="A formatted data folder with its text.")
@click.option("--out", required=True, type=Path, help="The CTM to write.")
@one_line_errors
def main(data, out):
    """Write the word times of DATA as a CTM, and `<out>.failures` with ids and reasons.

    An utterance that fails is not in the CTM; `score_alignment` counts it as failed.
    """
    from espnet_wabert.alignment.pocketsphinx_aligner import align_folder
    from espnet_wabert.formats.kaldi import read_folder
    from espnet_wabert.formats.lines import write_lines
    from espnet_wabert.formats.words import write_ctm

    folder = read_folder(data, need=["text"])
    words, failures = align_folder(folder)
    write_ctm(out, words)
    write_lines(out.with_name(f"{out.name}.failures"), map(" ".join, failures))
    print(f"{out}: {len(words)} of {len(folder.wav)} utterances aligned, {len(failures)} failed")
    for utterance, reason in failures[:5]:
        print(f"failed: {utterance}: {reason}")


if __name__ == "__main__":
    main()
