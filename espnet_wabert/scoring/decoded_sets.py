"""Scores of what an aligned model wrote for a test set (stage 13), and their table."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from espnet_wabert.formats.lines import read_table
from espnet_wabert.formats.words import read_words
from espnet_wabert.scoring.alignment import BOUNDARIES
from espnet_wabert.scoring.boundaries import score_boundaries
from espnet_wabert.scoring.table import Table
from espnet_wabert.scoring.tokens import read_decoding, score_tokens, word_error_rate

OF_BOUNDARIES = ("mean_ms", "median_ms", "within_50ms", "within_100ms", "words", "failed")
OF_TOKENS = ("diagonal_accuracy", "count_error", "top1", "top5", "wer")
COLUMNS = (*OF_BOUNDARIES, "diagonal", "count error", "top-1", "top-5", "WER")


def score_decoded_set(data: Path, decoded: Path) -> dict[str, Any]:
    """Return the scores of one set: of its tokens, and under `boundaries` one row per method.

    Args:
        data: formatted data folder with text and, for boundaries, words.ctm.
        decoded: what stage 12 wrote for it: decoding.jsonl and words.METHOD.ctm.
    """
    decoding = read_decoding(decoded / "decoding.jsonl")
    scores: dict[str, Any] = score_tokens(decoding).as_dict()
    scores["wer"] = None  # a model without a subword head does not transcribe
    if scores["top1"] is not None:
        hypotheses = {u: d.hypothesis for u, d in decoding.items()}
        scores["wer"] = word_error_rate(read_table(data / "text"), hypotheses)
    scores[BOUNDARIES] = {}
    if (data / "words.ctm").is_file():
        reference = read_words(data / "words.ctm")
        for path in sorted(decoded.glob("words.*.ctm")):
            method = path.name.split(".")[1]
            scores[BOUNDARIES][method] = score_boundaries(reference, read_words(path)).as_dict()
    return scores


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
