"""Scores of what an aligned model wrote for a test set (stage 13), and their table."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from espnet_wabert.errors import UserError
from espnet_wabert.formats.labels import require_same_ids
from espnet_wabert.formats.lines import read_table
from espnet_wabert.formats.words import read_words
from espnet_wabert.scoring.alignment import BOUNDARIES
from espnet_wabert.scoring.boundaries import score_boundaries
from espnet_wabert.scoring.table import Table
from espnet_wabert.scoring.tokens import read_decoding, score_tokens, word_error_rate

WITHIN = tuple(f"within_{tolerance}ms" for tolerance in (50, 100, 500, 1000))  # of Table 2
OF_BOUNDARIES = ("mean_ms", "median_ms", *WITHIN, "words", "failed")
OF_TOKENS = {
    "diagonal_accuracy": "diagonal",
    "count_error": "count error",
    "top1": "top-1",
    "top5": "top-5",
    "diagonal_accuracy_with_cls_sep": "diagonal with [CLS], [SEP]",
    "top1_with_cls_sep": "top-1 with [CLS], [SEP]",
    "wer": "WER",
    "wer_apostrophes": "WER with apostrophes",
}
COLUMNS = (*OF_BOUNDARIES, *OF_TOKENS.values())


def score_decoded_set(data: Path, decoded: Path) -> dict[str, Any]:
    """Return the scores of one set: of its tokens, and under `boundaries` one row per method.

    Args:
        data: formatted data folder with text and, for boundaries, words.ctm.
        decoded: what stage 12 wrote for it: decoding.jsonl and words.METHOD.ctm.
    """
    decoding = read_decoding(decoded / "decoding.jsonl")
    texts = read_table(data / "text")
    require_same_ids(texts, decoding, str(decoded / "decoding.jsonl"))
    scores: dict[str, Any] = score_tokens(decoding).as_dict()
    # A model without a subword head does not transcribe.
    scores["wer"] = scores["wer_apostrophes"] = None
    if scores["top1"] is not None:
        hypotheses = {u: d.hypothesis for u, d in decoding.items()}
        scores["wer"] = word_error_rate(texts, hypotheses)
        scores["wer_apostrophes"] = word_error_rate(texts, hypotheses, apostrophes=True)
    scores[BOUNDARIES] = {}
    if (data / "words.ctm").is_file():
        reference = read_words(data / "words.ctm")
        for path in sorted(decoded.glob("words.*.ctm")):
            method = path.name.split(".")[1]
            scores[BOUNDARIES][method] = score_boundaries(reference, read_words(path)).as_dict()
    return scores


def require_same_methods(sets: Mapping[str, Mapping[str, Any]]) -> None:
    """Check that every set with word times was aligned by the same methods.

    Args:
        sets: the scores of each set, as `score_decoded_set` returns them.

    Raises:
        UserError: a file words.METHOD.ctm is missing.
    """
    methods = {name: set(scores[BOUNDARIES]) for name, scores in sets.items() if scores[BOUNDARIES]}
    known = set().union(*methods.values())
    for name, own in methods.items():
        if known - own:
            missing = ", ".join(f"words.{method}.ctm" for method in sorted(known - own))
            raise UserError(f"{name}: {missing}: missing, though other sets have it: decode again")


def decoded_table(loss: str, sets: Mapping[str, Mapping[str, Any]]) -> Table:
    """Return the table of all sets, one row per set and method."""
    rows = []
    for name, scores in sets.items():
        for method, boundaries in (scores[BOUNDARIES] or {"-": {}}).items():
            figures = [_cell(boundaries, column) for column in OF_BOUNDARIES]
            figures += [_cell(scores, key) for key in OF_TOKENS]
            rows.append((name, loss, method, *figures))
    return Table("Alignment", ("set", "loss", "method", *COLUMNS), tuple(rows), names=3)


def _cell(row: Mapping[str, Any], key: str) -> str:
    """Show a number with three decimals and its deviation, if there is one; "-" for nothing."""
    value, spread = row.get(key), row.get(f"{key}_sd")
    if value is None:
        return "-"
    text = f"{value:.3f}" if spread or value % 1 else f"{value:g}"
    return f"{text}±{spread:.3f}" if spread else text
