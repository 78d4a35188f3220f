"""Train with several processes on this node, and on others that run the same command (stage 11)."""

import os
from pathlib import Path

import click

from espnet_wabert.errors import one_line_errors


@click.command(context_settings={"ignore_unknown_options": True})
@click.option("--ngpu", required=True, type=click.IntRange(0), help="GPUs of a node; 0: CPUs.")
@click.option("--processes", type=click.IntRange(1), help="Of a node; default: one per GPU.")
@click.option("--num_nodes", default=1, type=click.IntRange(1), show_default=True, help="Nodes.")
@click.option("--meeting", required=True, help="A new file in a folder that the nodes share.")
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
@one_line_errors
def main(ngpu, processes, num_nodes, meeting, words):
    """Train with the options WORDS of espnet_wabert.bin.train.

    If a process fails or is killed, all of them are ended, with one line that says what happened.
    """
    from espnet_wabert.training.launching import launch, node_rank

    node = node_rank(num_nodes, os.environ)
    launch(words, ngpu, processes or max(ngpu, 1), num_nodes, node, Path(meeting))


if __name__ == "__main__":
    main()
