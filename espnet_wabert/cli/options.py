"""What the commands share: options, the lines of the results, and the end."""

import math
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import click

from espnet_wabert.bin.options import all_of
from espnet_wabert.constants import OWN, PRECISIONS
from espnet_wabert.errors import UserError, printable

SHOWN = 10  # skipped utterances


class Positive(click.FloatRange):
    """A finite number above 0."""

    def __init__(self):
        super().__init__(0, min_open=True)

    def convert(self, value, param, ctx):
        """Return the number; click itself takes nan and inf."""
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number", param, ctx)
        return number


model_option = click.option(
    "--model",
    default="box",
    show_default=True,
    help="`box` (the package's own), a packed .zip, a .pth, a folder or a tag of the Hub.",
)
device_option = click.option("--device", default="cpu", show_default=True, help="cpu or cuda.")
recognizer_option = click.option(
    "--recognizer",
    default=OWN,
    show_default=True,
    help="Whisper or a CTC model (name, folder) that reads, checked by the letters; `own`: that of"
    " the model, if it has one; `none`: letters alone.",
)


def _use_threads(_context, _option, count: int | None) -> None:
    """Set the number of threads of torch and numba, which are not imported yet."""
    if count:
        for library in ("OMP", "MKL", "NUMBA"):
            os.environ[f"{library}_NUM_THREADS"] = str(count)


common = all_of(  # options of all commands that use a model on recordings
    model_option,
    click.option(
        "--batch_seconds",
        type=Positive(),
        default=60.0,
        show_default=True,
        help="Seconds of padded audio per batch.",
    ),
    device_option,
    click.option(
        "--precision",
        type=click.Choice(PRECISIONS),
        default="float32",
        show_default=True,
        help="Of the speech encoders; bfloat16 is faster on CPUs and GPUs that have it.",
    ),
    click.option(
        "--jobs",
        type=click.IntRange(1),
        callback=_use_threads,
        expose_value=False,
        help="CPU threads; default: all.",
    ),
)


output = all_of(  # options of the commands that write a line per recording
    click.option("--out", type=click.Path(path_type=Path), help="File to write; default: print."),
    click.option(
        "--format",
        "file_format",
        type=click.Choice(["lines", "json", "jsonl", "csv"]),
        default="lines",
        show_default=True,
        help="Format of the output; lines are 'utt-id ...'.",
    ),
)


def run_batches(
    audio, batch_seconds, method, task: str, on_result, to_files=False, skipped=None, **loading
):
    """Call a method of `WaBERT` with batches of recordings, and show remarks on them.

    Args:
        audio, batch_seconds: the command's.
        method: of `WaBERT`, for a batch of recordings.
        task: name of the progress bar.
        on_result: gets the utterance id and the result.
        to_files: each result is a file that has the name of the recording.
        skipped: a dictionary for what is returned, which is filled before an interruption, too.
        loading: model, device, precision and, for reading, the recognizer.

    Returns:
        The recordings that cannot be read, with the reason.
    """
    from espnet_wabert.inference.loading import process_all
    from espnet_wabert.inference.pipeline import WaBERT
    from espnet_wabert.inference.recordings import without_transcript

    given = without_transcript(audio, to_files)
    skipped = {} if skipped is None else skipped
    skipped |= given.skipped
    if given.recordings:
        function = partial(method, WaBERT.from_pretrained(**loading))
        task = task if len(given.recordings) > 1 else ""
        process_all(given.recordings, function, on_result, batch_seconds, task, skipped)
    for note in given.notes:
        click.echo(note, err=True)
    return skipped


@contextmanager
def interruptible() -> Iterator[None]:
    """Let SIGTERM, with which a cluster ends a job, raise KeyboardInterrupt, as Ctrl-C does."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def process(audio, out, file_format, **how) -> None:
    """Print or write the result of each recording; end with status 1 if some have none.

    Args:
        audio, out, file_format: the command's.
        how: as for `run_batches`.

    Raises:
        UserError: the file to write is a folder, an input or a recording; the command was
            interrupted, and the utterances that are done have been written.
    """
    from espnet_wabert.formats.lines import is_stream, write_atomically
    from espnet_wabert.inference.listing import keep_inputs

    if out:
        keep_inputs(out, audio)
        out.parent.mkdir(parents=True, exist_ok=True)  # an error here comes before the work
    found: dict[str, Any] = {}
    skipped: dict[str, str] = {}
    interrupted = None
    try:
        with interruptible():
            run_batches(audio, on_result=found.__setitem__, skipped=skipped, **how)
    except KeyboardInterrupt:
        interrupted = UserError("interrupted: the other utterances are not done")
        if not found:
            raise interrupted from None
    alone = not out and not interrupted and len(found) + len(skipped) == 1
    text = _as_text(dict(sorted(found.items())), file_format, alone)
    if out:
        write_atomically(out, text)
        done = f"{out}: {len(found)} utterances done, {len(skipped)} skipped"
        click.echo(done, err=is_stream(out))  # not into the list
    elif text:
        click.echo(text, nl=False)
    if interrupted:
        _name(skipped)
        raise interrupted
    end(skipped)


def _as_text(found: dict[str, Any], file_format: str, alone: bool) -> str:
    """Return results, texts or with `to_dict`, in a format; one alone needs no id in its line."""
    from espnet_wabert.formats.lines import as_id
    from espnet_wabert.formats.rows import FORMATS

    if file_format == "lines":
        lines = [str(one) if alone else f"{as_id(key)} {one}".strip() for key, one in found.items()]
        return "".join(f"{line}\n" for line in lines)
    rows = [
        {"utterance": key, **({"text": one} if isinstance(one, str) else one.to_dict())}
        for key, one in found.items()
    ]
    return FORMATS[file_format](rows)


def end(skipped: dict[str, str], where: str = "") -> None:
    """Name skipped utterances; end with status 1 if there are any."""
    _name(skipped, where)
    if skipped:
        sys.exit(1)


def _name(skipped: dict[str, str], where: str = "") -> None:
    """Name the first skipped utterances, with the reasons."""
    for utterance, reason in list(skipped.items())[:SHOWN]:
        click.echo(printable(f"skipped: utterance {utterance}: {reason}"), err=True)
    if len(skipped) > SHOWN:
        click.echo(f"skipped: {len(skipped) - SHOWN} more{where}", err=True)
