"""Score what `decode` wrote for an aligned model (stage 13): boundaries, tokens, word errors."""

from pathlib import Path

import click

from espnet_wabert.bin.options import seeds_option
from espnet_wabert.errors import one_line_errors


@click.command()
@click.option("--config", required=True, help="Training yaml, which names the loss.")
@click.option("--slu_args", default="", help="Training arguments that override it.")
@click.option("--dump", required=True, type=Path, help="dump/raw.")
@seeds_option("--decode", "decodes", "A decoded folder")
@click.option("--sets", required=True, help="Test sets; --results gets the scores of the last one.")
@click.option("--out", required=True, type=Path, help="The table to write.")
@click.option("--results", help="Merge the last set's scores into this results.json.")
@click.option(
    "--key", default="alignment", show_default=True, help="Name of the scores in --results."
)
@one_line_errors
def main(config, slu_args, dump, decodes, sets, out, results, key):
    """Write a table of all sets; sets without reference word times get no boundary scores.

    Over several seeds every figure is a mean with its deviation.
    """
    from espnet_wabert.models.provenance import commit
    from espnet_wabert.recipes.training_args import read_config
    from espnet_wabert.scoring.alignment import merge_decoded, over_seeds
    from espnet_wabert.scoring.decoded_sets import (
        decoded_table,
        require_same_methods,
        score_decoded_set,
    )
    from espnet_wabert.scoring.provenance import KEY, read_provenance
    from espnet_wabert.scoring.results import update_results
    from espnet_wabert.scoring.table import print_tables, write_markdown

    conf = read_config(config, slu_args).get("model_conf") or {}
    loss = conf.get("align_loss", "infonce")
    rows = {}
    for name in sets.split():
        runs = [score_decoded_set(dump / name, decode / name) for decode in decodes]
        rows[name] = over_seeds(runs)
    require_same_methods(rows)
    table = decoded_table(loss, rows)
    write_markdown(out, [table])
    print_tables([table])
    if results and rows:
        merge_decoded(results, key, loss, list(rows.values())[-1])
        made_by = read_provenance(decode / name for decode in decodes)
        update_results(results, {(KEY, key, loss): {**made_by, "scored": commit()}}, whole=True)


if __name__ == "__main__":
    main()
