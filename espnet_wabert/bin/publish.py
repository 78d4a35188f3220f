"""Publish a packed model on the Hugging Face Hub (stage 15)."""

from pathlib import Path

import click

from espnet_wabert.errors import one_line_errors


@click.command()
@click.option("--model", required=True, type=Path, help="The .zip of stage 14.")
@click.option("--repo", required=True, help="Repository on the Hub, such as you/wabert.")
@click.option("--out", required=True, type=Path, help="Folder for the repository's files.")
@click.option("--license", default="apache-2.0", show_default=True, help="Of the weights.")
@click.option("--scores", multiple=True, type=Path, help="Scores of stage 13; may be missing.")
@one_line_errors
def main(model, repo, out, license, scores):
    """Write the repository's files and a model card, and upload them (see `hf auth login`)."""
    from espnet_wabert.models.hub import make_repository, upload

    print(upload(make_repository(model, out, repo, license, scores), repo))


if __name__ == "__main__":
    main()
