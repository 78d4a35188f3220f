"""Score what `decode` wrote for an aligned model (stage 13): boundaries, tokens, word errors."""

from pathlib import Path

import click

from espnet_wabert.errors import one_line_errors

_path = click.Path(path_type=Path)
COLUMNS = ("mean_ms", "median_ms", "within_50ms", "within_100ms", "words", "failed")

TOKENS = ("diagonal_accuracy", "count_error", "top1", "top5", "wer")


@click.command()
@click.option("--config", required=True, help="Training yaml, which names the loss.")
@click.option("--dump", required=True, type=_path, help="dump/raw.")
@click.option(
    "--decode",
    "decodes",
    required=True,
    multiple=True,
    type=_path,
    help="What was decoded; given again for each seed of the same configuration.",
)
@click.option("--sets", required=True, help="Test sets. The last one is the one for --results.")
@click.option("--out", required=True, type=_path, help="The table to write.")
@click.option("--results", help="Merge the last set's scores into this results.json.")
@click.option("--key", default="alignment", show_default=True, help="Where in --results.")
@one_line_errors
def main(config, dump, decodes, sets, out, results, key):
    """Write a table of all sets; sets without reference word times get no boundary scores.

    Over several seeds every figure is a mean, with the deviation beside it.
    """
    from espnet_wabert.config import read_yaml
    from espnet_wabert.formats.lines import write_atomically
    from espnet_wabert.scoring.alignment import READINGS, merge_alignment, over_seeds
    from espnet_wabert.scoring.results import update_results

    loss = (read_yaml(config).get("model_conf") or {}).get("align_loss", "infonce")
    rows = {}
    for name in sets.split():
        rows[name] = over_seeds([score_set(dump / name, decode / name) for decode in decodes])
    table = markdown(loss, rows)
    write_atomically(out, table)
    print(table)
    if results and rows:
        last = list(rows.values())[-1]
        row = _with_spread(last, ("diagonal_accuracy",)) | last[READINGS]
        merge_alignment(results, key, loss, row)
        # The figures of the recognizer are those of the model that is one, with L_subword.
        if loss == "infonce" and key == "alignment" and last["top1"] is not None:
            tokens = _with_spread(last, ("count_error", "top1", "top5", "wer"))
            update_results(results, {"tokens": tokens}, whole=True)


def _with_spread(scores: dict, figures: tuple[str, ...]) -> dict:
    """Some of the figures, each with its deviation where there is one."""
    wanted = [key for figure in figures for key in (figure, f"{figure}_sd")]
    return {key: scores[key] for key in wanted if key in scores}


def score_set(data: Path, decoded: Path) -> dict:
    """Return the scores of one set; `boundaries` holds those of each reading, if there are any."""
    from espnet_wabert.formats.words import read_words
    from espnet_wabert.scoring.boundaries import score_boundaries
    from espnet_wabert.scoring.tokens import (
        read_decoding,
        read_text,
        score_tokens,
        word_error_rate,
    )

    decoding = read_decoding(decoded / "decoding.jsonl")
    scores = score_tokens(decoding).as_dict()
    scores["wer"] = None  # a model without a subword head cannot be read
    if scores["top1"] is not None:
        hypotheses = {u: d.hypothesis for u, d in decoding.items()}
        scores["wer"] = word_error_rate(read_text(data / "text"), hypotheses)
    scores["boundaries"] = {}
    if (data / "words.ctm").is_file():
        reference = read_words(data / "words.ctm")
        for path in sorted(decoded.glob("words.*.ctm")):
            reading = path.name.split(".")[1]
            found = score_boundaries(reference, read_words(path))
            scores["boundaries"][reading] = found.as_dict()
    return scores


def markdown(loss: str, rows: dict[str, dict]) -> str:
    """Return the table of all sets."""
    head = ["set", "loss", "reading", *COLUMNS, "diagonal", "count error", "top-1", "top-5", "WER"]
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    for name, scores in rows.items():
        for reading, boundaries in (scores["boundaries"] or {"-": {}}).items():
            cells = [name, loss, reading, *(cell(boundaries, column) for column in COLUMNS)]
            cells += [cell(scores, key) for key in TOKENS]
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def cell(row: dict, key: str) -> str:
    """Show a number with three places, its deviation if there is one, nothing as a dash."""
    value, spread = row.get(key), row.get(f"{key}_sd")
    if value is None:
        return "-"
    text = f"{value:.3f}" if spread or value % 1 else f"{value:g}"
    return f"{text}±{spread:.3f}" if spread else text


if __name__ == "__main__":
    main()
