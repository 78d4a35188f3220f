"""Print ESPnet's training arguments for a configuration and its data (stage 11)."""

from pathlib import Path

import click

from espnet_wabert.errors import one_line_errors


@click.command()
@click.option("--config", required=True, help="Training yaml.")
@click.option("--slu_args", default="", help="Training arguments that override it.")
@click.option("--raw", required=True, help="dump/raw, one data folder per set.")
@click.option("--feats", help="Cached features, one folder per set; default: read audio.")
@click.option("--stats", required=True, help="Shape files (stage 10), one folder per set.")
@click.option("--train_set", required=True, help="Name of the training set.")
@click.option("--valid_set", required=True, help="Name of the validation set.")
@click.option("--token_list", required=True, help="Vocabulary of BERT (stage 5).")
@click.option("--speech_model", default="", help="Speech encoder, over the yaml's.")
@click.option("--text_model", default="", help="BERT or text encoder, over the yaml's.")
@click.option("--pretrained_model", default="", help="Weights that training starts from.")
@click.option("--ngpu", default=0, show_default=True, help="GPUs.")
@click.option("--gpu_seconds", default=200.0, show_default=True, help="Audio per GPU at a time.")
@one_line_errors
def main(config, slu_args, raw, feats, stats, train_set, valid_set, **models):
    """Print the arguments, one word per line; and the schedule, to standard error."""
    from espnet_wabert.recipes.requirements import models_of
    from espnet_wabert.recipes.systems import System
    from espnet_wabert.recipes.training_args import Data, check_shapes, training_args
    from espnet_wabert.text.wordpiece import check_vocabulary

    data = Data(Path(raw), Path(feats) if feats else None, Path(stats), train_set, valid_set)
    check_shapes(data)
    used = models_of(System("", config, slu_args=slu_args), "", models["text_model"])
    if bert := used.get("postencoder_conf.model_name_or_path"):
        check_vocabulary(models["token_list"], bert)
    words, schedule = training_args(config, slu_args, data, **models)
    click.echo(schedule, err=True)
    for word in words:
        click.echo(word)


if __name__ == "__main__":
    main()
