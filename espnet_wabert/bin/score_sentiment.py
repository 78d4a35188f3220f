"""Score sentiment labels (the paper's Table 3) with intervals, tests, parts and a figure."""

from pathlib import Path
from types import SimpleNamespace

import click
import numpy as np

from espnet_wabert.bin.options import seeds_option
from espnet_wabert.errors import UserError, one_line_errors
from espnet_wabert.formats.labels import (
    read_labels,
    read_parts,
    read_predictions,
    require_same_ids,
)


@click.command()
@click.option("--ref", type=Path, help="Reference: Kaldi file 'utterance label'.")
@seeds_option("--hyp", "hyps", "'utterance label [score score score]'")
@click.option(
    "--transcripts",
    type=(Path, Path),
    help="Reference and hypothesis text of a pipeline: also show its word error rate.",
)
@click.option("--train_ref", type=Path, help="Training labels, which name the majority class.")
@click.option("--subset", type=Path, help="'utterance part': also score each part.")
@click.option("--against", type=Path, help="Another system's hypothesis, for a paired test.")
@click.option("--out", type=Path, help="Write all scores as JSON.")
@click.option("--picture", type=Path, help="Draw the confusion matrix as a PNG.")
@click.option("--name", help="The system's name; default: the name of --hyp's file.")
@click.option("--results", type=Path, help="Merge the scores here under sentiment.<name>.")
@click.option("--set", "set_name", default="", help="... under sentiment_<set>.<name> instead.")
@click.option("--submission", type=Path, help="Write SLUE's submission file for the blind test.")
@click.option("--utterances", type=Path, help="The blind test's ids, in this file's first column.")
@click.option(
    "--espnet_macro", is_flag=True, help="Also show ESPnet's macro F1 of Neutral and Positive."
)
@click.option("--resamples", default=10_000, show_default=True, help="Of bootstrap and test.")
@click.option("--seed", default=0, show_default=True, help="Of the resampling.")
@one_line_errors
def main(**options):
    """Score the labels of --hyp against --ref, or write SLUE's submission file, or both."""
    opts = SimpleNamespace(**options)
    if not opts.ref and not opts.submission:
        raise UserError("give --ref to score against, or --submission to write a file for SLUE")
    if len(opts.hyps) > 1 and (opts.submission or opts.against):
        raise UserError("--submission and --against take one --hyp, not several seeds")
    opts.name = opts.name or opts.hyps[0].stem
    hypotheses = [read_predictions(hyp) for hyp in opts.hyps]
    if opts.ref:
        _score(opts, hypotheses)
    if opts.submission:
        _submit(opts, hypotheses[0])


def _submit(opts: SimpleNamespace, labels: dict[str, str]) -> None:
    from espnet_wabert.formats.words import read_ids
    from espnet_wabert.scoring.submission import write_submission

    write_submission(
        opts.submission, labels, read_ids(opts.utterances) if opts.utterances else None
    )
    click.echo(f"{opts.submission}: {len(labels)} utterances for SLUE")


def _score(opts: SimpleNamespace, hypotheses: list[dict[str, str]]) -> None:
    from espnet_wabert.formats.lines import read_table, write_atomically
    from espnet_wabert.formats.rows import to_json
    from espnet_wabert.models.provenance import commit
    from espnet_wabert.plots.confusion import draw_confusion
    from espnet_wabert.scoring.provenance import KEY, read_provenance
    from espnet_wabert.scoring.set_scores import add_word_errors, compare, result_rows, score_sets

    reference = read_labels(opts.ref)
    train = read_labels(opts.train_ref) if opts.train_ref else None
    parts = read_parts(opts.subset) if opts.subset else None
    other = read_predictions(opts.against) if opts.against else None
    for path, labels in zip(opts.hyps, hypotheses, strict=True):
        require_same_ids(reference, labels, str(path))
    if other:
        require_same_ids(reference, other, str(opts.against))
    runs = [
        score_sets(reference, labels, train, parts, opts.resamples, opts.seed)
        for labels in hypotheses
    ]
    sets = {key: [run[key] for run in runs] for key in runs[0]}
    rows = {key: result_rows(opts.name, scored) for key, scored in sets.items()}
    if opts.transcripts:
        texts, hypothesis_texts = (read_table(path) for path in opts.transcripts)
        texts = {utt_id: text for utt_id, text in texts.items() if utt_id in reference}
        require_same_ids(reference, texts, str(opts.transcripts[0]))
        hypothesis_texts = {u: text for u, text in hypothesis_texts.items() if u in texts}
        add_word_errors(rows, opts.name, texts, hypothesis_texts, parts)
    confusion = {
        key: np.sum([one.scores.confusion for one in scored], axis=0)
        for key, scored in sets.items()
    }
    for key, scored in sets.items():
        name = _key(key, opts.set_name)
        _print(name, rows[key], confusion[key], scored[0].scores.absent, opts.espnet_macro)
    made_by = {**read_provenance(hyp.parent for hyp in opts.hyps), "scored": commit()}
    content = {"name": opts.name, "seed": opts.seed, "rows": rows, KEY: made_by}
    content["runs"] = [{key: one.as_dict() for key, one in run.items()} for run in runs]
    if other:
        content["against"] = compare(reference, hypotheses[0], other, opts.resamples, opts.seed)
        _print_tests(content["against"], str(opts.against))
    if opts.out:
        write_atomically(opts.out, to_json(content))
    if opts.picture:
        seeds = f", {len(runs)} runs" if len(runs) > 1 else ""
        draw_confusion(opts.picture, confusion["sentiment"], title=f"{opts.name}{seeds}")
    if opts.results:
        _merge(opts, rows, made_by)


def _merge(opts: SimpleNamespace, rows: dict[str, dict[str, dict]], made_by: dict) -> None:
    """Write the rows of each set and their provenance into results.json."""
    from espnet_wabert.scoring.provenance import KEY
    from espnet_wabert.scoring.results import update_results

    names = {key: _key(key, opts.set_name) for key in rows}
    paths: dict[str | tuple[str, ...], dict] = {
        (names[key], system): row for key in rows for system, row in rows[key].items()
    }
    paths |= {(KEY, name, opts.name): made_by for name in names.values()}
    update_results(opts.results, paths, whole=True)


def _key(key: str, set_name: str) -> str:
    """Return the key of a set in results.json: sentiment, sentiment_dev, sentiment_text_part."""
    return f"sentiment_{set_name}{key.removeprefix('sentiment')}" if set_name else key


def _print(key: str, rows: dict, confusion, absent: tuple[str, ...], espnet_macro: bool) -> None:
    """Print the scores of the system and of the majority class, and warnings."""
    from espnet_wabert.constants import LABELS
    from espnet_wabert.scoring.report import class_table, sentiment_table
    from espnet_wabert.scoring.table import print_tables

    hidden = () if espnet_macro else ("neutral_positive_f1",)
    shown = {
        name: {metric: value for metric, value in row.items() if metric not in hidden}
        for name, row in rows.items()
    }
    of_systems = sentiment_table(shown, key)
    assert of_systems is not None  # there are rows
    print_tables([of_systems, class_table(confusion, LABELS)])
    if absent:
        click.echo(
            f"warning: {key}: no utterance of the reference is {', '.join(absent)}; "
            "macro F1 is the mean over the other classes",
            err=True,
        )


def _print_tests(tests: dict[str, dict], against: str) -> None:
    for metric, test in tests.items():
        low, high = test["interval"]
        click.echo(
            f"{metric}: {100 * test['difference']:+.1f} points against {against} "
            f"(95 % interval {100 * low:+.1f} to {100 * high:+.1f}, p = {test['p_value']:.4f})"
        )


if __name__ == "__main__":
    main()
