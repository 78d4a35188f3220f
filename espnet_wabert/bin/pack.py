"""Pack a trained model for espnet_model_zoo (stage 14)."""

import click

from espnet_wabert.errors import one_line_errors


@click.command()
@click.option("--model", required=True, help="The .pth, with its config.yaml beside it.")
@click.option("--out", required=True, help="The .zip to write.")
@click.option(
    "--with_teacher", default=False, type=bool, show_default=True,
    help="Include BERT's dropped layers, for the method similarity.",
)  # fmt: skip
@one_line_errors
def main(model, out, with_teacher):
    """Write one zip that loads without a hub and without the original models."""
    from espnet_wabert.models.checkpoint import pack

    path = pack(model, out, with_teacher)
    print(f"{out}: {path.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
