"""Check what later stages of a recipe need, before its first stage."""

import click

from espnet_wabert.errors import one_line_errors


@click.command()
@click.option("--config", default="", help="Training yaml, whose models are checked.")
@click.option("--slu_args", default="", help="Training arguments that override it.")
@click.option("--speech_model", default="", help="Speech encoder, over the yaml's.")
@click.option("--text_model", default="", help="BERT or text encoder, over the yaml's.")
@click.option("--recognizer", default="", help="Recognizer of a pipeline, or: transcripts.")
@click.option("--ngram", default="", help="N-gram of a pipeline.")
@click.option("--table", help="A table of systems, instead of one configuration.")
@click.option("--systems", default="", help="Rows of it, with a space between.")
@click.option("--pretrained_model", default="", help="Model that training starts from.")
@click.option("--hf_repo", help="Repository to upload to.")
@click.option("--dask", help="Yaml of a Dask cluster.")
@click.option("--speed_perturb_factors", default="", help="Of stage 2.")
@one_line_errors
def main(
    config, slu_args, speech_model, text_model, recognizer, ngram, table, systems,
    pretrained_model, hf_repo, dask, speed_perturb_factors,
):  # fmt: skip
    """Check models, optional packages and the upload; what is not given is not checked."""
    from espnet_wabert.corpora.speed import parse_factors
    from espnet_wabert.recipes import requirements
    from espnet_wabert.recipes.systems import System, read_systems
    from espnet_wabert.workers.dask_cluster import DaskWorkers

    if dask:
        DaskWorkers(dask)
    if speed_perturb_factors:
        parse_factors(speed_perturb_factors, "--speed_perturb_factors")
    if pretrained_model:
        from espnet_wabert.models.checkpoint import find_files

        find_files(pretrained_model)
    rows = []
    if table:
        known = read_systems(table)
        rows = [known[name] for name in systems.split()]
    elif config or recognizer or ngram:
        rows = [System("", config, recognizer=recognizer or None, ngram=ngram, slu_args=slu_args)]
    requirements.check_systems(rows, speech_model, text_model)
    if hf_repo is not None:
        requirements.check_upload(hf_repo)


if __name__ == "__main__":
    main()
