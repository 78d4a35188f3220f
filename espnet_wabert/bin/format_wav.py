"""Stage 3: one 16 kHz mono file per utterance."""

import click

from espnet_wabert.bin.options import AUDIO_NJ, worker_options
from espnet_wabert.errors import UserError, one_line_errors


@click.command()
@click.option("--data", required=True, help="The data folder to read.")
@click.option("--out", required=True, help="The data folder to write (dump/raw/...).")
@worker_options(AUDIO_NJ)
@click.option(
    "--audio_format", type=click.Choice(["flac", "wav"]), default="flac", show_default=True
)
@click.option(
    "--skip_bad",
    type=bool,
    default=False,
    show_default=True,
    help="Leave unreadable utterances out (listed in OUT/bad.txt) instead of stopping.",
)
@one_line_errors
def main(data, out, audio_format, skip_bad, nj, dask):
    """Check every file; convert those with segments, speed factors, stereo or another rate."""
    from pathlib import Path

    from espnet_wabert.corpora.formatting import format_folder
    from espnet_wabert.formats.kaldi import read_folder
    from espnet_wabert.workers.choice import open_workers

    if Path(data).resolve() == Path(out).resolve():
        raise UserError(f"--out {out}: must be another folder than --data")
    with open_workers(nj, dask) as workers:
        result = format_folder(read_folder(data), out, audio_format, skip_bad, workers)
    click.echo(result.summary)


if __name__ == "__main__":
    main()
