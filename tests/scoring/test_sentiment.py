"""Sentiment scores against counting by hand and scikit-learn; labels and every bad input."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.image import imread
from sklearn import metrics

from espnet_wabert.constants import LABELS
from espnet_wabert.errors import UserError
from espnet_wabert.formats.labels import (
    read_labels,
    read_parts,
    read_predictions,
    require_same_ids,
)
from espnet_wabert.plots.confusion import draw_confusion
from espnet_wabert.scoring.sentiment import majority_label, score_majority, score_sentiment
from espnet_wabert.scoring.set_scores import result_rows, score_sets
from espnet_wabert.scoring.submission import write_submission

labels = st.sampled_from(LABELS)
pairs = st.lists(st.tuples(labels, labels), min_size=1, max_size=40)


@settings(max_examples=200, deadline=None)
@given(pairs)
def test_scores_are_those_counted_by_hand(answers):
    reference, hypothesis = _tables(answers)
    scores = score_sentiment(reference, hypothesis)

    f1, recall, support = {}, {}, {}
    for label in LABELS:
        hits = sum(said == heard == label for said, heard in answers)
        support[label] = sum(said == label for said, _ in answers)
        found = sum(heard == label for _, heard in answers)
        recall[label] = hits / support[label] if support[label] else 0.0
        precision = hits / found if found else 0.0
        both = precision + recall[label]
        f1[label] = 2 * precision * recall[label] / both if both else 0.0
    present = [label for label in LABELS if support[label]]
    total = len(answers)
    assert scores.macro_f1 == pytest.approx(sum(f1[x] for x in present) / len(present))
    assert scores.weighted_f1 == pytest.approx(sum(f1[x] * support[x] for x in LABELS) / total)
    weighted = sum(recall[x] * support[x] for x in LABELS) / total
    assert scores.weighted_recall == pytest.approx(weighted)
    assert scores.neutral_positive_f1 == pytest.approx((f1["Neutral"] + f1["Positive"]) / 2)
    assert scores.absent == tuple(label for label in LABELS if not support[label])


@settings(max_examples=100, deadline=None)
@given(pairs)
def test_scores_are_scikit_learns(answers):
    reference, hypothesis = _tables(answers)
    scores = score_sentiment(reference, hypothesis)
    said, heard = zip(*answers, strict=True)
    options = {"labels": LABELS, "zero_division": 0}
    by_class = metrics.precision_recall_fscore_support(said, heard, **options)
    for place, one in enumerate(scores.per_class):
        assert one[1:] == pytest.approx(tuple(column[place] for column in by_class))
    weighted = metrics.precision_recall_fscore_support(said, heard, average="weighted", **options)
    assert (scores.weighted_recall, scores.weighted_f1) == pytest.approx(weighted[1:3])
    assert (scores.confusion == metrics.confusion_matrix(said, heard, labels=LABELS)).all()
    # ESPnet's recipe: classification_report(..., labels=["Neutral", "Positive"])
    espnet = metrics.f1_score(
        said, heard, labels=["Neutral", "Positive"], average="macro", zero_division=0
    )
    assert scores.neutral_positive_f1 == pytest.approx(espnet)


def test_the_majority_of_slues_first_dev_set():
    """784 Neutral, 167 Positive, 3 Negative: 82.2, 74.1 and 30.1 without listening."""
    answers = ["Neutral"] * 784 + ["Positive"] * 167 + ["Negative"] * 3
    reference = {f"u{number}": label for number, label in enumerate(answers)}
    label, scores = score_majority(reference)
    assert label == "Neutral"
    figures = (scores.weighted_recall, scores.weighted_f1, scores.macro_f1)
    assert [round(100 * figure, 1) for figure in figures] == [82.2, 74.1, 30.1]


def test_the_majority_is_that_of_the_training_labels():
    reference = {"a": "Neutral", "b": "Neutral", "c": "Positive"}
    label, scores = score_majority(reference, train={"x": "Positive"})
    assert label == "Positive" and scores.weighted_recall == pytest.approx(1 / 3)
    assert majority_label(["Positive", "Neutral"]) == "Neutral"  # the first class of a tie


def test_order_does_not_matter_but_ids_do():
    reference = {"a": "Neutral", "b": "Positive"}
    assert score_sentiment(reference, {"b": "Positive", "a": "Neutral"}).macro_f1 == 1.0
    with pytest.raises(UserError) as caught:
        score_sentiment(reference, {"b": "Positive", "c": "Neutral"})
    message = str(caught.value)
    assert "lacks 1 utterances of the reference: a" in message
    assert "has 1 that are not in the reference: c" in message
    with pytest.raises(UserError, match="u0, u1, u2, u3, u4 and 5 more"):
        require_same_ids([f"u{number}" for number in range(10)], [])


def test_parts_are_scored_beside_the_whole():
    reference = {"a": "Neutral", "b": "Positive", "c": "Negative", "d": "Neutral"}
    hypothesis = reference | {"c": "Neutral"}
    parts = {"a": "text", "b": "text", "c": "voice_part", "d": "voice_part"}
    sets = score_sets(reference, hypothesis, parts=parts, resamples=50)
    assert list(sets) == ["sentiment", "sentiment_text_part", "sentiment_voice_part"]
    assert sets["sentiment_text_part"].scores.weighted_recall == 1.0
    assert sets["sentiment_voice_part"].scores.weighted_recall == 0.5
    assert {one.majority for one in sets.values()} == {"Neutral"}  # of the whole, for each part
    with pytest.raises(UserError, match="the subset file lacks 1 utterances of the reference: d"):
        score_sets(reference, hypothesis, parts={"a": "t", "b": "t", "c": "t"})


def test_rows_of_one_run_and_of_three_seeds():
    reference = {f"u{number}": LABELS[number % 3] for number in range(30)}
    runs = [
        score_sets(reference, reference | wrong, resamples=50)["sentiment"]
        for wrong in ({}, {"u0": "Positive"}, {"u1": "Positive", "u2": "Neutral"})
    ]
    one = result_rows("wabert", runs[1:2])
    assert list(one) == ["majority", "wabert"]
    assert [row["utterances"] for row in one.values()] == [30, 30]
    assert one["wabert"]["macro_f1_low"] <= one["wabert"]["macro_f1"] <= 1
    three = result_rows("wabert", runs)["wabert"]
    figures = [run.scores.macro_f1 for run in runs]
    assert three["macro_f1"] == pytest.approx(np.mean(figures))
    assert three["macro_f1_sd"] == pytest.approx(np.std(figures, ddof=1))
    assert "macro_f1_low" not in three


def test_hypotheses_with_and_without_scores(tmp_path):
    path = tmp_path / "hyp"
    path.write_text("a Positive 0.1 0.2 0.7\n\nb Neutral\n")
    assert read_predictions(path) == {"a": "Positive", "b": "Neutral"}


BAD_HYPOTHESES = {
    "": "hyp:1: is empty; it must have one utterance per line",
    "\n  \n": "hyp:1: is empty",
    "a Neutral\nb happy\n": "hyp:2: label 'happy' of b is not one of Negative, Neutral, Positive",
    "a neutral\n": "hyp:1: label 'neutral' of a is not one of",
    "a Neutral\nb Neutral\na Positive\n": "hyp:3: utterance a occurs twice",
    "a\n": "hyp:1: 1 fields, not 'utterance label' with nothing or 3 scores after it",
    "a Neutral 0.5 0.5\n": "hyp:1: 4 fields, not 'utterance label' with nothing or 3 scores",
    "a Neutral 0.5 nan 0.5\n": "hyp:1: score of Neutral is nan; it must be finite",
    "a Neutral inf 0 0\n": "hyp:1: score of Negative is inf; it must be finite",
    "a Neutral 0 0 x\n": "hyp:1: score of Positive 'x' is not a number",
}


@pytest.mark.parametrize("content", BAD_HYPOTHESES)
def test_a_bad_hypothesis_names_file_and_line(tmp_path, content):
    path = tmp_path / "hyp"
    path.write_text(content)
    with pytest.raises(UserError) as caught:
        read_predictions(path)
    assert str(caught.value).startswith(str(path))
    assert BAD_HYPOTHESES[content] in str(caught.value)


def test_bad_references_and_parts_name_file_and_line(tmp_path):
    path = tmp_path / "file"
    for read, content, message in [
        (read_labels, "a Neutral\nb <mixed>\n", "file:2: label '<mixed>' of b is not one of"),
        (read_labels, "a Neutral x\n", "file:1: label 'Neutral x' of a is not one of"),
        (read_labels, "a Neutral\na Neutral\n", "file:2: utterance a occurs twice"),
        (read_labels, "", "file:1: is empty"),
        (read_parts, "a\n", "file:1: 1 fields, not 'utterance part'"),
        (read_parts, "a text\na voice\n", "file:2: utterance a occurs twice"),
    ]:
        path.write_text(content)
        with pytest.raises(UserError) as caught:
            read(path)
        assert message in str(caught.value)
    with pytest.raises(UserError, match="nothing: no such file"):
        read_labels(tmp_path / "nothing")
    with pytest.raises(UserError, match="there is no utterance to score"):
        score_sentiment({}, {})


def test_the_picture_of_the_confusion_matrix(tmp_path):
    path = tmp_path / "pictures" / "confusion.png"
    draw_confusion(path, np.array([[2, 0, 1], [91, 629, 66], [0, 0, 0]]), title="wabert")
    pixels = imread(path)
    assert pixels.shape[0] > 300 and pixels.shape[1] > 300
    assert pixels[..., :3].std() > 0.05  # something is drawn


def test_the_submission_file(tmp_path):
    path = tmp_path / "blind.tsv"
    write_submission(path, {"b": "Neutral", "a": "Positive"}, ["a", "b"])
    assert path.read_text() == (
        "id\tpred_text\tpred_ner\tpred_sentiment\na\tNone\tNone\tPositive\nb\tNone\tNone\tNeutral\n"
    )
    with pytest.raises(UserError, match="the hypothesis lacks 1 utterances .*: c"):
        write_submission(path, {"a": "Neutral"}, ["a", "c"])


def _tables(answers):
    reference = {f"u{number}": said for number, (said, _) in enumerate(answers)}
    hypothesis = {f"u{number}": heard for number, (_, heard) in enumerate(answers)}
    return reference, dict(reversed(hypothesis.items()))


def test_many_classes_with_any_names_are_drawn(tmp_path):
    classes = [f"$x_{n}$ or a long name" for n in range(8)]
    confusion = np.full((8, 8), 1)
    draw_confusion(tmp_path / "few.png", confusion[:3, :3], ["a", "b", "c"])
    draw_confusion(tmp_path / "many.png", confusion, classes)
    draw_confusion(tmp_path / "more.png", np.eye(200, dtype=int), list(map(str, range(200))))
    few, many = (imread(tmp_path / f"{name}.png") for name in ("few", "many"))
    assert many.shape[0] > few.shape[0] and many.shape[1] > few.shape[1]
