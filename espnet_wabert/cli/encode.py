"""`wabert encode`."""

from pathlib import Path

import click

from espnet_wabert.cli.options import common, end, run_batches
from espnet_wabert.errors import one_line_errors


@click.command()
@click.argument("audio", nargs=-1, required=True)
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="Folder for a .npz per utterance."
)
@common
@one_line_errors
def encode(audio, out, **options):
    """Encode AUDIO as the tokens that BERT's upper layers read.

    AUDIO is as for `transcribe`. Each .npz has the N `tokens` as text, `aligned` (N, H) in the
    place of BERT's layer i, `hidden` (N, H), BERT's output, and `starts` and `ends` (N) in seconds.

    \b
    wabert encode recordings/ --out vectors
    """  # noqa: D301
    import numpy as np

    from espnet_wabert.formats.lines import replacing
    from espnet_wabert.inference.pipeline import Encoding, WaBERT

    out.mkdir(parents=True, exist_ok=True)
    written = []

    def write(utterance: str, found: Encoding) -> None:
        with replacing(out / f"{utterance}.npz") as temporary:
            np.savez(temporary, **found._asdict())
        written.append(utterance)

    skipped = run_batches(
        audio,
        method=WaBERT.encode_batch,
        task="encoding",
        on_result=write,
        to_files=True,
        **options,
    )
    click.echo(f"{out}: {len(written)} utterances encoded, {len(skipped)} skipped")
    end(skipped)
