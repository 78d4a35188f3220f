"""Report a fine-tuning: figures on the test split, its predictions, a picture, the settings."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from espnet_wabert.finetuning.data import SKIPPED
from espnet_wabert.finetuning.settings import versions
from espnet_wabert.finetuning.table import SPLITS, Clip
from espnet_wabert.formats.lines import write_atomically
from espnet_wabert.formats.rows import to_csv
from espnet_wabert.inference.api import Classification
from espnet_wabert.plots.confusion import draw_confusion
from espnet_wabert.scoring.intervals import bootstrap_intervals
from espnet_wabert.scoring.report import class_table
from espnet_wabert.scoring.sentiment import SentimentScores, score_majority, score_sentiment
from espnet_wabert.scoring.table import Table, markdown, print_tables

REPORT, PREDICTIONS, PICTURE = "report.md", "predictions.csv", "confusion.png"


def write_report(
    out: Path,
    clips: Sequence[Clip],
    labels: Sequence[str],
    predictions: Mapping[str, Classification],
    settings: Mapping[str, Any],
    epochs: Mapping[int, float],
    averaged: int,
    seconds: float,
) -> None:
    """Print the tables; write OUT/predictions.csv, OUT/confusion.png and, last, OUT/report.md.

    Args:
        out: folder of the fine-tuning.
        clips: those that were used, with their splits.
        labels: the classes, in the order of the scores.
        predictions: by the ids of the test clips.
        settings: with which they were made.
        epochs: the validation score of each epoch.
        averaged: the number of them whose weights are in the model.
        seconds: of this run.
    """
    test = [clip for clip in clips if clip.split == "test"]
    reference = {clip.utterance: clip.label for clip in test}
    train = {clip.utterance: clip.label for clip in clips if clip.split == "train"}
    found = {utterance: one.label for utterance, one in predictions.items()}
    scores = score_sentiment(reference, found, labels)
    majority, baseline = score_majority(reference, train, labels)
    tables = [
        _systems(scores, baseline, majority, settings["seed"], labels),
        class_table(scores.confusion, labels),
        _counts(clips, labels),
    ]
    print_tables(tables)
    write_atomically(out / PREDICTIONS, _predictions(test, labels, predictions))
    draw_confusion(out / PICTURE, scores.confusion, labels, f"{len(test)} test clips")
    best = max(epochs, key=lambda epoch: epochs[epoch])
    weights = f"the mean of the best {averaged}" if averaged > 1 else "those of the best one"
    lines = [
        f"# Fine-tuning on {settings['data']}", "", markdown(tables),
        f"![Confusion matrix]({PICTURE})", "",
        f"{len(epochs)} epochs; the weights are {weights}. On the validation clips"
        f" epoch {best} is the best, macro F1 {100 * epochs[best]:.1f}. This run took"
        f" {seconds / 60:.1f} minutes. `{PREDICTIONS}` has the predictions of the test clips.", "",
        *_skipped(out), "## Settings", "", *_listed(settings),
        "", "## Versions and machine", "", *_listed(versions()),
    ]  # fmt: skip
    write_atomically(out / REPORT, "\n".join(lines) + "\n")


def _systems(
    scores: SentimentScores, baseline: SentimentScores, majority: str, seed: int,
    labels: Sequence[str],
) -> Table:  # fmt: skip
    """Return the table of the model beside the majority class."""
    rows = []
    for name, one in ((f"always {majority}", baseline), ("the model", scores)):
        interval = bootstrap_intervals(one.confusion, labels, seed=seed)["macro_f1"]
        figures = (one.weighted_recall, one.macro_f1, *interval, one.weighted_f1)
        accuracy, macro, low, high, weighted = (f"{100 * figure:.1f}" for figure in figures)
        rows.append((name, accuracy, macro, f"{low}-{high}", weighted))
    columns = ("system", "accuracy", "macro F1", "macro F1 95 %", "weighted F1")
    return Table(
        f"On the {scores.confusion.sum()} test clips (%)", columns, tuple(rows),
        note=f"95 %: bootstrap over the clips. {majority} is the largest class in training.",
    )  # fmt: skip


def _counts(clips: Sequence[Clip], labels: Sequence[str]) -> Table:
    """Return the numbers of clips by class and split."""
    counts = Counter((clip.label, clip.split) for clip in clips)
    rows = tuple((x, *(str(counts[x, name]) for name in SPLITS)) for x in labels)
    return Table("Clips", ("class", *SPLITS), rows)


def _predictions(
    test: Sequence[Clip], labels: Sequence[str], predictions: Mapping[str, Classification]
) -> str:
    """Return a csv with the label, the prediction and the probabilities of each test clip."""
    rows = []
    for clip in test:
        one = predictions[clip.utterance]
        scores = {f"p({x})": f"{p:.6f}" for x, p in zip(labels, one.scores, strict=True)}
        rows.append({"path": clip.given, "label": clip.label, "prediction": one.label, **scores})
    return to_csv(rows)


def _skipped(out: Path) -> list[str]:
    count = len((out / "data" / SKIPPED).read_text(encoding="utf-8").splitlines())
    return (
        [f"Recordings that could not be used: {count}; `data/{SKIPPED}` lists them.", ""]
        if count
        else []
    )


def _listed(values: Mapping[str, Any]) -> list[str]:
    return [f"- {name}: {value}" for name, value in values.items()]
