"""Rows of word alignment in results.json: means over seeds, and the best method."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from espnet_wabert.errors import UserError
from espnet_wabert.scoring.results import mean_and_sd, update_results

OF_DIAGONAL = ("diagonal_accuracy", "diagonal_accuracy_with_cls_sep")
OF_TOKENS = (
    "count_error", "top1", "top5", "top1_with_cls_sep", "top5_with_cls_sep", "wer",
    "wer_apostrophes",
)  # fmt: skip
BOUNDARIES = "boundaries"  # in the scores of a set: method -> its row


def over_seeds(runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the scores of one set: of one run unchanged, of several their means and `<figure>_sd`.

    Args:
        runs: for each seed the scores of tokens, and under `boundaries` one row per method.
    """
    if len(runs) == 1:
        return dict(runs[0])
    methods = [tuple(run[BOUNDARIES]) for run in runs]
    for number, names in enumerate(methods, start=1):
        if set(names) != set(methods[0]):
            apart = ", ".join(sorted(set(names) ^ set(methods[0])))
            raise UserError(f"runs 1 and {number} do not have the same methods: {apart}")
    flat = [{key: value for key, value in run.items() if key != BOUNDARIES} for run in runs]
    scores = mean_and_sd(flat) | {"seeds": len(runs)}
    scores[BOUNDARIES] = {
        name: mean_and_sd([run[BOUNDARIES][name] for run in runs]) | {"seeds": len(runs)}
        for name in methods[0]
    }
    return scores


def best_method(losses: Mapping[str, Any]) -> str | None:
    """Return `<loss>.<method>` with the smallest mean boundary error; None if there is none.

    Only methods with the fewest failed utterances are compared, because a mean over easy utterances
    is not better. Aligners of other toolkits have no methods and are not compared.
    """
    candidates = [
        (row.get("failed", 0), row["mean_ms"], f"{loss}.{method}")
        for loss, methods in losses.items()
        if isinstance(methods, Mapping)
        for method, row in methods.items()
        if isinstance(row, Mapping) and isinstance(row.get("mean_ms"), (int, float))
    ]
    return min(candidates)[2] if candidates else None


def merge_alignment(
    path: str | Path, key: str, name: str, row: Mapping[str, Any]
) -> dict[str, Any]:
    """Write the row of a loss, a method or another aligner to `<key>.<name>`; update the best.

    The whole row is replaced, so that no figures of an earlier run remain.
    """
    results = update_results(path, {(key, *name.split(".")): row}, whole=True)
    best = best_method(results[key])
    return update_results(path, {(key, "best"): best}) if best else results


def merge_decoded(path: str | Path, key: str, loss: str, scores: Mapping[str, Any]) -> None:
    """Merge the scores of a set, as `over_seeds` returns them, into results.json.

    Token scores are those of the main model with L_subword, not of Table 1's models.
    """
    row = _with_spread(scores, OF_DIAGONAL) | scores[BOUNDARIES]
    merge_alignment(path, key, loss, row)
    if loss == "infonce" and key == "alignment" and scores["top1"] is not None:
        tokens = _with_spread(scores, OF_TOKENS)
        update_results(path, {"tokens": tokens}, whole=True)


def _with_spread(scores: Mapping[str, Any], figures: tuple[str, ...]) -> dict[str, Any]:
    """Return some of the figures with their deviations, if there are any."""
    names = [key for figure in figures for key in (figure, f"{figure}_sd")]
    return {key: scores[key] for key in names if key in scores}
