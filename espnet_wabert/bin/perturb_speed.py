"""Stage 2: speed perturbation of a data folder."""

import click

from espnet_wabert.errors import UserError, one_line_errors


@click.command()
@click.option("--data", required=True, help="The data folder to perturb.")
@click.option("--factors", default="0.9 1.0 1.1", show_default=True, help="Speed factors.")
@click.option("--out", required=True, help="The data folder to write, with all copies.")
@one_line_errors
def main(data, factors, out):
    """Copy every utterance once per factor, as sp0.9-<utterance> of speaker sp0.9-<speaker>.

    format_wav applies the factors in utt2speed and writes the audio.
    """
    from pathlib import Path

    from espnet_wabert.corpora.speed import parse_factors, perturb
    from espnet_wabert.formats.kaldi import read_folder, write_folder

    if Path(data).resolve() == Path(out).resolve():
        raise UserError(f"--out {out}: must be another folder than --data")
    folder = read_folder(data)
    copies = perturb(folder, parse_factors(factors), data)
    write_folder(copies, out)
    click.echo(f"{out}: {len(copies.utt2spk)} utterances from {len(folder.utt2spk)} at {factors}")


if __name__ == "__main__":
    main()
