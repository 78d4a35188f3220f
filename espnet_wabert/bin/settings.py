"""Print what a run of a recipe follows from its configuration, one setting per line."""

import click

from espnet_wabert.errors import one_line_errors


@click.command()
@click.option("--config", required=True, help="Training yaml.")
@click.option("--slu_args", default="", help="Training arguments that override it.")
@click.option("--dump", required=True, help="Folder of formatted data and features.")
@click.option("--cache_features", type=bool, default=False, help="Are they cached?")
@one_line_errors
def main(config, slu_args, dump, cache_features):
    """Print the folder of cached features, the number of GPUs and the checkpoint's name."""
    import torch

    from espnet_wabert.recipes.settings import cached_features, checkpoint_name

    click.echo((cache_features and cached_features(config, slu_args, dump)) or "")
    click.echo(torch.cuda.device_count())  # knows CUDA_VISIBLE_DEVICES, MIG and ROCm
    click.echo(checkpoint_name(config, slu_args))


if __name__ == "__main__":
    main()
