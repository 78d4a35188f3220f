"""Score word boundaries of any aligner (the paper's Tables 1 and 2)."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace

import click

from espnet_wabert.bin.options import seeds_option
from espnet_wabert.errors import UserError, one_line_errors
from espnet_wabert.formats.words import FORMATS, cut_segments, read_ids, read_words

SHOWN_FAILURES = 5
_format = click.Choice(list(FORMATS))


@click.command()
@click.option("--ref", required=True, type=Path, help="Reference: a file or a folder of files.")
@click.option("--ref_format", type=_format, help="Format of --ref; default: detected.")
@seeds_option("--hyp", "hyps", "Hypothesis: a file or a folder")
@click.option("--hyp_format", type=_format, help="Format of --hyp; default: detected.")
@click.option("--out", type=Path, help="Write all scores, and every failure, as JSON.")
@click.option("--name", help="Name of the scores: <loss>.<method>, or another aligner's name.")
@click.option("--results", type=Path, help="Merge the scores here under <key>.<name>.")
@click.option(
    "--key", default="alignment", show_default=True, help="Name of the scores in --results."
)
@click.option("--utterances", type=Path, help="Score only the ids in this file's first column.")
@click.option("--segments", type=Path, help="Kaldi segments that cut --ref into utterances.")
@click.option("--skip_sa", is_flag=True, help="Leave TIMIT's SA1 and SA2 sentences out.")
@click.option("--tolerances", default="20,50,100,500,1000", show_default=True, help="In ms.")
@one_line_errors
def main(**options):
    """Score the word boundaries of --hyp against --ref: mean, median, within tolerances.

    An utterance that HYP lacks is an error, unless the aligner has named it in HYP.failures (lines
    of utterance and reason): then it is counted as failed.
    """
    from espnet_wabert.models.provenance import commit
    from espnet_wabert.scoring.alignment import merge_alignment
    from espnet_wabert.scoring.boundaries import score_boundaries
    from espnet_wabert.scoring.provenance import KEY, read_provenance
    from espnet_wabert.scoring.results import mean_and_sd, update_results

    opts = SimpleNamespace(**options)
    if opts.results and opts.name in (None, "infonce", "cosine", "cosine_sum"):
        raise UserError(
            "--results needs --name <loss>.<method>, such as infonce.cif, or an aligner's name"
        )
    within = _tolerances(opts.tolerances)
    reference = read_words(opts.ref, opts.ref_format)
    if opts.segments:
        reference = cut_segments(reference, opts.segments)
    reference, dropped = _chosen(reference, opts)
    runs = []
    for path in opts.hyps:
        decoded = read_words(path, opts.hyp_format)
        hypothesis = {utt: words for utt, words in decoded.items() if utt not in dropped}
        _require_common(reference, hypothesis, opts.ref, path)
        runs.append(score_boundaries(reference, hypothesis, within))
        _require_all(runs[-1].missing, path)
    row = mean_and_sd([run.as_dict() for run in runs]) if len(runs) > 1 else runs[0].as_dict()
    _print(opts.name or opts.hyps[0].name, row)
    for run in runs:
        _print_failures(run)
    made_by = {**read_provenance(path.parent for path in opts.hyps), "scored": commit()}
    if opts.out:
        _write(opts, {**row, KEY: made_by}, runs)
    if opts.results:
        merge_alignment(opts.results, opts.key, opts.name, row)
        update_results(opts.results, {(KEY, opts.key, opts.name): made_by}, whole=True)


def _tolerances(text: str) -> list[float]:
    from espnet_wabert.formats.lines import parse_number

    numbers = [parse_number(part, "a tolerance", "--tolerances") for part in text.split(",")]
    if any(number <= 0 for number in numbers):
        raise UserError(f"--tolerances {text}: every tolerance must be above 0 ms")
    return numbers


def _chosen(reference: dict, opts: SimpleNamespace) -> tuple[dict, set[str]]:
    """Return the reference of the scored utterances, and the ids that options exclude."""
    from espnet_wabert.formats.lines import name_some

    ids = set(reference)
    if opts.utterances:
        ids = set(read_ids(opts.utterances))
        unknown = ids - set(reference)
        if unknown:
            raise UserError(
                f"{opts.utterances}: {len(unknown)} utterances are not in {opts.ref}: "
                f"{name_some(unknown)}"
            )
    if opts.skip_sa:
        ids = {utt_id for utt_id in ids if not utt_id.upper().endswith(("_SA1", "_SA2"))}
    chosen = {utt_id: words for utt_id, words in reference.items() if utt_id in ids}
    return chosen, set(reference) - ids


def _require_common(reference: Mapping, hypothesis: Mapping, ref: Path, hyp: Path) -> None:
    if set(reference) & set(hypothesis):
        return
    one, other = (next(iter(sorted(times)), "none") for times in (reference, hypothesis))
    raise UserError(f"{ref} and {hyp} have no utterance in common (such as {one} and {other})")


def _require_all(missing: Sequence[str], hyp: Path) -> None:
    """Check that the aligner has named the utterances that it could not align."""
    from espnet_wabert.formats.lines import name_some, read_table

    failures = hyp.with_name(f"{hyp.name}.failures")
    named = read_table(failures) if failures.is_file() else {}
    lost = set(missing) - named.keys()
    if lost:
        raise UserError(
            f"{hyp}: {len(lost)} utterances of the reference are missing: {name_some(lost)};"
            f" score some with --utterances, or name those that failed in {failures.name}"
        )


def _print(name: str, row: dict) -> None:
    from espnet_wabert.scoring.report import alignment_table
    from espnet_wabert.scoring.table import print_tables

    loss, _, method = name.partition(".")
    table = alignment_table({loss: {method or "-": row}})
    print_tables([table] if table else [])


def _print_failures(scores) -> None:
    """Print failed utterances to standard error."""
    failures = [(utt_id, "is not in the hypothesis") for utt_id in scores.missing]
    failures += scores.differing
    for utt_id, reason in failures[:SHOWN_FAILURES]:
        click.echo(f"failed: {utt_id}: {reason}", err=True)
    if len(failures) > SHOWN_FAILURES:
        click.echo(f"failed: {len(failures) - SHOWN_FAILURES} more; --out lists them", err=True)
    if scores.extra:
        some = ", ".join(scores.extra[:SHOWN_FAILURES])
        click.echo(f"not in the reference: {len(scores.extra)} utterances ({some})", err=True)


def _write(opts: SimpleNamespace, row: dict, runs: list) -> None:
    """Write the row, and the failed and additional utterances of each run, as JSON."""
    from espnet_wabert.formats.lines import write_atomically
    from espnet_wabert.formats.rows import to_json

    details = [
        run.as_dict()
        | {"hypothesis": str(path), "missing": run.missing, "differing": dict(run.differing)}
        | {"not_in_reference": run.extra}
        for path, run in zip(opts.hyps, runs, strict=True)
    ]
    content = {"name": opts.name} | row | {"runs": details}
    write_atomically(opts.out, to_json(content))


if __name__ == "__main__":
    main()
