"""Print for each stage of a recipe what it would do (`run.sh --dry_run true`)."""

from pathlib import Path

import click

from espnet_wabert.errors import one_line_errors


@click.command()
@click.option("--recipe", required=True, help="librispeech_wabert or slue_sa.")
@click.option("--corpus", required=True, type=Path, help="Folder of the corpus; may be missing.")
@click.option("--source", required=True, type=click.Choice(["download", "given", "mini"]))
@click.option("--train_parts", default="", help="Parts to train on, with commas; default: all.")
@click.option("--config", required=True, help="Training yaml.")
@click.option("--slu_args", default="", help="Training arguments that override it.")
@click.option("--stats", required=True, type=Path, help="Shape files of the training set.")
@click.option("--speeds", default="", help="Factors of the speed perturbation.")
@click.option("--cached", type=bool, default=False, help="Features are cached.")
@click.option("--ngpu", default=0, help="GPUs.")
@click.option("--gpu_seconds", default=200.0, help="Audio per GPU at a time.")
@click.option("--first", default=1, show_default=True, help="First stage.")
@click.option("--last", default=16, show_default=True, help="Last stage.")
@one_line_errors
def main(recipe, corpus, source, train_parts, first, last, speeds, **options):
    """Print one line per stage; GPU memory and hours are rough estimates."""
    from espnet_wabert.corpora.speed import parse_factors
    from espnet_wabert.recipes.dry_run import dry_run, find_corpus

    factors = parse_factors(speeds, "--speed_perturb_factors") if speeds else []
    found = find_corpus(recipe, corpus, source, train_parts.split(",") if train_parts else [])
    lines = dry_run(found, speeds=factors, **options)
    for stage, line in lines.items():
        if first <= stage <= last:
            click.echo(f"stage {stage}: {line}")


if __name__ == "__main__":
    main()
