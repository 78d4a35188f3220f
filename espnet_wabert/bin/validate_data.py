"""Validate Kaldi data folders."""

import sys

import click

from espnet_wabert.bin.options import AUDIO_NJ, worker_options
from espnet_wabert.errors import one_line_errors


@click.command()
@click.argument("data", nargs=-1, required=True)
@click.option("--audio", type=bool, default=False, show_default=True, help="Also check the audio.")
@click.option(
    "--show", type=int, default=10, show_default=True, help="Largest number of problems to show."
)
@worker_options(AUDIO_NJ)
@one_line_errors
def main(data, audio, show, nj, dask):
    """Print the content of each DATA folder, or its first problems (exit status 1)."""
    from espnet_wabert.corpora.validation import audio_problems, describe
    from espnet_wabert.formats.kaldi import scan_folder
    from espnet_wabert.workers.choice import open_workers

    failed = False
    for path in data:
        scan = scan_folder(path)
        problems = scan.problems
        if audio and scan.folder is not None and not problems:
            with open_workers(nj, dask) as workers:
                problems = audio_problems(scan.folder, path, workers)
        for problem in problems[:show]:
            print(f"error: {problem}", file=sys.stderr)
        if len(problems) > show:
            print(f"error: {path}: {len(problems) - show} more problems", file=sys.stderr)
        if scan.folder is not None and not problems:
            click.echo(f"{path}: OK: {describe(scan.folder)}")
        failed = failed or bool(problems)
    sys.exit(failed)


if __name__ == "__main__":
    main()
