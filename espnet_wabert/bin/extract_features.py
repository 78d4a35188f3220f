"""Cache the features of a wholly frozen frontend (stage 10)."""

import json
from functools import partial
from pathlib import Path

import click

from espnet_wabert.bin.options import worker_options
from espnet_wabert.constants import SAMPLE_RATE
from espnet_wabert.errors import one_line_errors


@click.command()
@click.option("--config", required=True, help="Training yaml; its frontend_conf is used.")
@click.option("--slu_args", default="", help="Training arguments that override it.")
@click.option("--speech_model", help="Name or folder of the speech encoder, over the yaml's.")
@click.option("--dump", required=True, type=Path, help="dump/raw, one data folder per set.")
@click.option("--sets", required=True, help="The sets, such as 'train_960 dev'.")
@click.option("--out", required=True, type=Path, help="feats.scp and .ark, one folder per set.")
@click.option("--batch_seconds", default=60.0, show_default=True, help="Padded audio per batch.")
@click.option("--device", default="cpu", show_default=True, help="cpu or cuda.")
@worker_options()
@one_line_errors
def main(config, slu_args, speech_model, dump, sets, out, batch_seconds, device, nj, dask):
    """Write the features of every utterance of the sets.

    With use_amp in the yaml, a CPU computes them in bfloat16 if it has that, as it would in
    training without a cache.
    """
    from espnet_wabert.modules.precision import mixed_precision
    from espnet_wabert.recipes.training_args import read_config
    from espnet_wabert.training.feature_cache import build_frontend, extract_features
    from espnet_wabert.workers.choice import open_workers
    from espnet_wabert.workers.workers import made_once

    settings = read_config(config, slu_args)
    conf = dict(settings.get("frontend_conf") or {})
    if speech_model:
        conf["model_name_or_path"] = speech_model
    precision = mixed_precision(settings.get("use_amp", False), device)
    make = partial(made_once, build_frontend, config, json.dumps(conf), precision)
    with open_workers(nj, dask) as workers:
        for name in sets.split():
            bins = int(batch_seconds * SAMPLE_RATE)
            count = extract_features(make, dump / name, out / name, bins, device, workers)
            print(f"{out / name}: {f'{count} utterances' if count else 'already there'}")


if __name__ == "__main__":
    main()
