"""`wabert encode`."""

from pathlib import Path

import click

from espnet_wabert.cli.options import common, end
from espnet_wabert.errors import one_line_errors


@click.command()
@click.argument("audio", nargs=-1, required=True)
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="Folder for a .npz per utterance."
)
@common
@one_line_errors
def encode(audio, out, model, batch_seconds, device):
    """Encode AUDIO as the tokens that BERT's upper layers read.

    AUDIO is as for `transcribe`. Each .npz has the N `tokens` as text, `aligned` (N, H) in the
    place of BERT's layer i, `hidden` (N, H), BERT's output, and `starts` and `ends` (N) in seconds.

    \b
    wabert encode recordings/ --out vectors
    """  # noqa: D301
    import numpy as np

    from espnet_wabert.inference.loading import process_all
    from espnet_wabert.inference.pipeline import Encoding, WaBERT
    from espnet_wabert.inference.recordings import without_transcript

    given = without_transcript(audio)
    skipped = dict(given.skipped)
    out.mkdir(parents=True, exist_ok=True)

    def write(utterance: str, found: Encoding) -> None:
        np.savez(out / f"{utterance}.npz", **found._asdict())

    if given.recordings:
        function = WaBERT.from_pretrained(model, device).encode_batch
        task = "encoding" if len(given.recordings) > 1 else ""
        skipped |= process_all(given.recordings, function, write, batch_seconds, task)
    for note in given.notes:
        click.echo(note, err=True)
    done = len(given.recordings) + len(given.skipped) - len(skipped)
    click.echo(f"{out}: {done} utterances encoded, {len(skipped)} skipped")
    end(skipped)
