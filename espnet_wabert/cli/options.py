"""What the commands share: options, the lines of the results, and the end."""

import sys
from functools import partial
from typing import Any

import click

SHOWN = 10  # skipped utterances


def common(command):
    """Options of all commands that use a model on recordings."""
    options = [
        click.option(
            "--model",
            default="box",
            show_default=True,
            help="`box` (the package's own), a packed .zip, a .pth, a folder or a tag of the Hub.",
        ),
        click.option(
            "--batch_seconds",
            type=click.FloatRange(0, min_open=True),
            default=60.0,
            show_default=True,
            help="Padded audio per batch.",
        ),
        click.option("--device", default="cpu", show_default=True, help="cpu or cuda."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def run_batches(audio, model, batch_seconds, device, method, task: str, on_result):
    """Call a method of `WaBERT` with batches of recordings, and show remarks on them.

    Args:
        audio, model, batch_seconds, device: the command's.
        method: of `WaBERT`, for a batch of recordings.
        task: name of the progress bar.
        on_result: gets the utterance id and the result.

    Returns:
        The recordings that cannot be read, with the reason.
    """
    from espnet_wabert.inference.loading import process_all
    from espnet_wabert.inference.pipeline import WaBERT
    from espnet_wabert.inference.recordings import without_transcript

    given = without_transcript(audio)
    skipped = dict(given.skipped)
    if given.recordings:
        function = partial(method, WaBERT.from_pretrained(model, device))
        task = task if len(given.recordings) > 1 else ""
        skipped |= process_all(given.recordings, function, on_result, batch_seconds, task)
    for note in given.notes:
        click.echo(note, err=True)
    return skipped


def process(audio, out, model, batch_seconds, device, method, task: str) -> None:
    """Print or write one line per recording, and end with status 1 if some cannot be read.

    Args:
        audio, out, model, batch_seconds, device: the command's.
        method, task: as for `run_batches`.
    """
    from espnet_wabert.formats.lines import write_atomically

    found: dict[str, Any] = {}
    skipped = run_batches(audio, model, batch_seconds, device, method, task, found.__setitem__)
    lines = [f"{utterance} {text}".strip() for utterance, text in sorted(found.items())]
    if out:
        write_atomically(out, "".join(f"{line}\n" for line in lines))
        click.echo(f"{out}: {len(found)} utterances done, {len(skipped)} skipped")
    else:
        alone = len(found) + len(skipped) == 1
        click.echo("\n".join(map(str, found.values()) if alone else lines))
    end(skipped)


def end(skipped: dict[str, str], where: str = "") -> None:
    """Name skipped utterances; end with status 1 if there are any."""
    for utterance, reason in list(skipped.items())[:SHOWN]:
        click.echo(f"skipped: utterance {utterance}: {reason}", err=True)
    if len(skipped) > SHOWN:
        click.echo(f"skipped: {len(skipped) - SHOWN} more{where}", err=True)
    if skipped:
        sys.exit(1)
