"""Token scores against counting one by one, and every way a decoding can be wrong."""

import json
import math

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from espnet_wabert.bin import show_predictions
from espnet_wabert.errors import UserError
from espnet_wabert.formats.lines import read_table
from espnet_wabert.scoring.predictions import predictions_table, recognizer_table, typical
from espnet_wabert.scoring.tokens import (
    Decoded,
    read_decoding,
    score_tokens,
    word_error_rate,
)

GOOD = {
    "utt_id": "u1",
    "tokens": ["gin", "##s"],
    "nearest": [True, False],
    "top": [["gin", "or", "a", "b", "c"], ["or", "a", "b", "c", "##s"]],
    "predicted_length": 3,
    "length": 2,
    "hypothesis": "gin or",
}
vocabulary = st.sampled_from("abcdefgh")
candidates = st.lists(vocabulary, min_size=5, max_size=8, unique=True).map(tuple)
decoded = st.builds(
    lambda rows, count: (tuple(zip(*rows, strict=True)) or ((), (), ()), len(rows), count),
    st.lists(st.tuples(vocabulary, st.booleans(), candidates), max_size=6),
    st.integers(0, 9),
).map(lambda made: Decoded("", *made[0], made[2], made[1], ""))


@settings(max_examples=150, deadline=None)
@given(st.lists(decoded, min_size=1, max_size=5))
def test_scores_are_those_counted_one_by_one(utterances):
    scores = score_tokens({f"u{n}": utterance for n, utterance in enumerate(utterances)})
    first = fifth = near = tokens = missed = 0
    for utterance in utterances:
        missed += abs(utterance.predicted_length - utterance.length)
        for place, token in enumerate(utterance.tokens):
            tokens += 1
            near += utterance.nearest[place]
            first += utterance.top[place][0] == token
            fifth += token in utterance.top[place][:5]
    assert scores.count_error == pytest.approx(missed / len(utterances))
    assert (scores.tokens, scores.utterances) == (tokens, len(utterances))
    if tokens:
        shares = (scores.top1, scores.top5, scores.diagonal_accuracy)
        assert shares == pytest.approx((first / tokens, fifth / tokens, near / tokens))
    else:
        assert math.isnan(scores.top1) and scores.as_dict()["diagonal_accuracy"] is None


def test_a_decoding_is_read(tmp_path):
    decoding = read_decoding(_lines(tmp_path, GOOD, GOOD | {"utt_id": "u2"}))
    assert decoding["u1"].top[1][0] == "or"
    scores = score_tokens(decoding)
    assert scores[:4] == (1.0, 0.5, 1.0, 0.5)


def test_cls_and_sep_are_scored_apart(tmp_path):
    """Two words, both wrong, between two ends, both right."""
    wrong, candidates = ["x", "y", "z", "v"], ["[CLS]", "a", "b", "[SEP]"]
    top = [[own if own.startswith("[") else "u", *wrong] for own in candidates]
    entry = GOOD | {"tokens": candidates, "nearest": [True, False, False, True], "top": top}
    scores = score_tokens(read_decoding(_lines(tmp_path, entry | {"length": 4})))
    assert (scores.top1, scores.top5, scores.diagonal_accuracy) == (0.0, 0.0, 0.0)
    with_ends = (scores.top1_with_cls_sep, scores.top5_with_cls_sep)
    assert (*with_ends, scores.diagonal_accuracy_with_cls_sep) == (0.5, 0.5, 0.5)


def test_apostrophes_are_counted_on_request():
    reference, hypothesis = {"a": "don't well 'tis"}, {"a": "dont we'll tis"}
    assert word_error_rate(reference, hypothesis) == 0.0
    assert word_error_rate(reference, hypothesis, apostrophes=True) == pytest.approx(2 / 3)
    same = {"a": "Don\u2019t WELL, 'tis"}
    assert word_error_rate(reference, same, apostrophes=True) == 0.0


def test_the_recognizer_is_aligned_with_the_transcript():
    """A substitution, an insertion and a deletion, each with its candidates."""
    decoded = _decoded("u", 1)._replace(
        tokens=("[CLS]", "good", "gin", "bad", "[SEP]"), hypothesis="gin or bad",
        recognized=(("[CLS]", "a"), ("god", "good"), ("gin", "x"), ("or", "y"), ("[SEP]", "z")),
    )  # fmt: skip
    table = recognizer_table(decoded, most=2)
    assert table.rows == (
        ("good", "god", "good ✓"), ("gin", "gin ✓", "x"), ("bad", "or", "y"),
    )  # fmt: skip
    assert table.note == "decoded: gin or bad"
    more = decoded._replace(recognized=(*decoded.recognized, ("bad", "b"), ("end", "e")))
    assert recognizer_table(more, most=2).rows[2:] == (
        ("-", "or", "y"), ("bad", "bad ✓", "b"), ("-", "end", "e"),
    )  # fmt: skip
    fewer = decoded._replace(recognized=decoded.recognized[:2])
    assert recognizer_table(fewer, most=2).rows[1:] == (("gin", "", ""), ("bad", "", ""))
    assert recognizer_table(decoded._replace(recognized=())) is None


def test_top5_needs_five_predictions(tmp_path):
    few = GOOD | {"top": [["gin"], ["or"]]}
    assert score_tokens(read_decoding(_lines(tmp_path, few))).as_dict()["top5"] is None


BAD_LINES = [
    ({"length": 3}, "length is 3 but there are 2 tokens"),
    ({"nearest": [True]}, "nearest has 1 entries for 2 tokens"),
    ({"top": [["a"]]}, "top has 1 entries for 2 tokens"),
    ({"top": ["a", "b"]}, "top is ['a', 'b']; it must be a list of lists of strings"),
    ({"nearest": [1, 0]}, "nearest is [1, 0]; it must be a list of true and false"),
    ({"tokens": [1, 2]}, "tokens is [1, 2]; it must be a list of strings"),
    ({"predicted_length": float("nan")}, "predicted_length is nan; it must be 0 or more"),
    ({"predicted_length": -1}, "predicted_length is -1; it must be 0 or more"),
    ({"length": 2.0}, "length is 2.0; it must be a whole number"),
    ({"length": True}, "length is True; it must be a whole number"),
    ({"hypothesis": None}, "hypothesis is None; it must be a string"),
    ({"utt_id": ""}, "utt_id is ''; it must be a name"),
    ({"utt_id": "u0"}, "utterance u0 occurs twice"),
]


@pytest.mark.parametrize(("change", "message"), BAD_LINES)
def test_a_bad_line_is_named(tmp_path, change, message):
    path = _lines(tmp_path, GOOD | {"utt_id": "u0"}, GOOD | change)
    with pytest.raises(UserError) as caught:
        read_decoding(path)
    assert str(caught.value).startswith(f"{path}:2: ") and message in str(caught.value)


def test_lines_that_are_no_utterance_at_all(tmp_path):
    path = tmp_path / "decoding.jsonl"
    for content, message in {
        "": ":1: is empty; it must have one utterance per line",
        "[]\n": ":1: is not a JSON object",
        "\n{": ":2: is not JSON: ",
        "{}\n": ":1: lacks utt_id, tokens, nearest, top, predicted_length, length, hypothesis",
    }.items():
        path.write_text(content)
        with pytest.raises(UserError) as caught:
            read_decoding(path)
        assert f"{path}{message}" in str(caught.value)


def test_a_score_over_an_unknown_share_is_refused(tmp_path):
    path = _lines(tmp_path, GOOD, GOOD | {"utt_id": "u2", "top": []})
    with pytest.raises(UserError, match=r"top is empty in 1 of 2 utterances \(u2\); all or none"):
        read_decoding(path)
    none = read_decoding(_lines(tmp_path, GOOD | {"top": [], "nearest": []}))
    assert score_tokens(none).as_dict()["top1"] is None


def test_word_error_rate():
    reference = {"a": "Don't drink the gin.", "b": "ONE TWO", "c": ""}
    hypothesis = {"c": "noise", "b": "one two", "a": "dont drink a gin"}
    assert word_error_rate(reference, hypothesis) == pytest.approx(2 / 6)
    assert word_error_rate({"a": "one two"}, {"a": ""}) == 1.0
    with pytest.raises(UserError, match="lacks 1 utterances of the reference: b"):
        word_error_rate({"a": "x", "b": "y"}, {"a": "x"})
    with pytest.raises(UserError, match="needs a reference with words in it"):
        word_error_rate({"a": "--"}, {"a": "x"})


def test_text_of_a_kaldi_folder(tmp_path):
    path = tmp_path / "text"
    path.write_text("a one two\nb\n")
    assert read_table(path) == {"a": "one two", "b": ""}
    path.write_text("a one\na two\n")
    with pytest.raises(UserError, match=r"text:2: utterance a occurs twice"):
        read_table(path)


def _lines(folder, *entries):
    path = folder / "decoding.jsonl"
    path.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    return path


def _decoded(name, hits, length=4):
    """An utterance of which `hits` labels come first, the others third of three."""
    tokens = ("[CLS]", *"abcdefgh"[: length - 2], "[SEP]")
    top = tuple((t, "x", "y") if place < hits else ("x", "y", t) for place, t in enumerate(tokens))
    return Decoded(name, tokens, (), top, length, length, "a b")


def test_a_predictions_table_marks_the_label_wherever_it_stands():
    table = predictions_table(_decoded("u", 2), most=3)
    assert table.columns == ("label", "top-1", "top-2", "top-3")
    assert table.rows == (("a", "a ✓", "x", "y"), ("b", "x", "y", "b ✓"))
    assert table.note.startswith("1 of 2 labels come first, 2 are among the first 3")
    few = predictions_table(_decoded("u", 2), most=2)
    assert few.rows[1] == ("b", "x", "y") and "1 are among the first 2" in few.note
    assert predictions_table(_decoded("u", 2)).rows[0] == ("a", "a ✓", "x", "y", "", "")
    with pytest.raises(UserError, match="utterance u: was decoded without candidates"):
        predictions_table(_decoded("u", 2)._replace(top=()))


def test_shown_utterances_are_spread_from_worse_to_better():
    decoding = {f"u{hits}": _decoded(f"u{hits}", hits, 9) for hits in (8, 2, 6, 4, 0, 5, 7)}
    assert typical(decoding) == ["u2", "u5", "u7"]
    assert typical(decoding, 1) == ["u5"]
    assert typical({"u0": decoding["u0"]}, 3) == ["u0"]
    with pytest.raises(UserError, match="at least 1 utterance"):
        typical(decoding, 0)


def test_the_command_shows_predictions(tmp_path):
    recognized = [["gin", "a"], ["or", "##s"]]
    path = _lines(tmp_path, GOOD, GOOD | {"utt_id": "u2", "recognized": recognized})
    (tmp_path / "text").write_text("u1 gin\nu2 gin\n")
    arguments = ["--decoding", path, "--text", tmp_path / "text", "--out", tmp_path / "c.md"]

    def run(*more):
        return CliRunner().invoke(show_predictions.main, [str(a) for a in (*arguments, *more)])

    done = run("--utterances", "u2")
    assert done.exit_code == 0 and "gin ✓" in done.stdout
    assert "word error rate as a recognizer: 100.0% over 2 utterances" in done.stdout
    assert "| ##s | or | a | b | c | ##s ✓ |" in (tmp_path / "c.md").read_text()
    assert "| ##s | or | ##s ✓ |  |  |  |" in (tmp_path / "c.md").read_text()
    assert "| gin | gin ✓ |" in run("--markdown").stdout
    done = run("--utterances", "u1 nobody")
    assert done.exit_code == 1
    assert done.stderr == "error: not among the 2 decoded utterances: nobody\n"
