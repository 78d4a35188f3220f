"""`wabert export`."""

from pathlib import Path

import click

from espnet_wabert.cli.options import interruptible, model_option
from espnet_wabert.errors import one_line_errors


@click.command()
@model_option
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder to write.")
@click.option("--int8", is_flag=True, help="8-bit weights: smaller and faster, less exact.")
@one_line_errors
def export(model, out, int8):
    """Write a model as ONNX graphs, from waveforms to words, states or sentiment.

    The folder is a --model of the other commands, which run it with onnxruntime. graphs.yaml in it
    names the inputs and outputs of each graph, for other programs. The graphs are compared with
    PyTorch first, and not written if they differ.

    \b
    wabert export --out exported
    wabert align talk.mp3 --text "what was said" --model exported
    """  # noqa: D301
    from espnet_wabert.graphs.export import export_onnx

    with interruptible():  # the folder beside --out, with what is done so far, is removed
        export_onnx(model, out, int8, click.echo)
