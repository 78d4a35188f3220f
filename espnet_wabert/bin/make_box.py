"""Put trained models into the box: the package's own weights and configurations."""

from pathlib import Path

import click

from espnet_wabert.errors import one_line_errors


@click.command()
@click.option("--model", required=True, help="The trained model: .pth with its config.yaml.")
@click.option("--out", required=True, type=Path, help="Folder in the box.")
@click.option("--classifier", help="Name of the text model that judges what an aligned one reads.")
@click.option("--recognizer", help="Name of the model whose text an aligned one's letters check.")
@one_line_errors
def main(model, out, classifier, recognizer):
    """Write OUT/config.yaml, OUT/model.safetensors and, if the model reads letters, its n-gram."""
    from espnet_wabert.models.export import export

    size = export(model, out, classifier, recognizer)
    print(f"{out}: {size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
