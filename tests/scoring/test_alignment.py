"""Alignment scores over seeds, as the recipe scores it, and which method is the best."""

import json
import shutil

import pytest
from click.testing import CliRunner

from espnet_wabert.bin import score_decoding
from espnet_wabert.errors import UserError
from espnet_wabert.scoring.alignment import best_method, merge_alignment, over_seeds
from espnet_wabert.scoring.report import tables

DECODED = dict(
    utt_id="a", tokens=["[CLS]", "gin", "[SEP]"], top=[["[CLS]"], ["or"], ["[SEP]"]],
    predicted_length=3, length=3, hypothesis="gin",
)  # fmt: skip


def _run(mean, top1=0.5, **methods):
    rows = {name: {"mean_ms": value, "failed": 0} for name, value in methods.items()}
    return {"diagonal_accuracy": mean, "top1": top1, "top5": None, "boundaries": rows}


def test_one_run_stays_as_it_is_and_several_become_means():
    one = _run(0.8, cif=90.0)
    assert over_seeds([one]) == one
    scores = over_seeds([one, _run(0.9, cif=110.0)])
    assert scores["diagonal_accuracy"] == pytest.approx(0.85)
    assert scores["diagonal_accuracy_sd"] == pytest.approx(0.0707107)
    assert scores["top5"] is None and scores["seeds"] == 2
    cif = scores["boundaries"]["cif"]
    assert cif["mean_ms"] == 100 and cif["mean_ms_sd"] == pytest.approx(14.142136)
    with pytest.raises(UserError, match="runs 1 and 2 do not have the same methods: similarity"):
        over_seeds([one, _run(0.9, cif=1.0, similarity=2.0)])


def test_the_best_method_has_the_smallest_error_among_those_that_failed_least():
    losses = {"infonce": {"cif": {"mean_ms": 80.0, "failed": 0}, "diagonal_accuracy": 0.9}}
    losses["cosine"] = {"cif": {"mean_ms": 90.0, "failed": 0}, "late": {"mean_ms": None}}
    losses["pocketsphinx"] = {"mean_ms": 10.0, "failed": 0}
    losses["best"] = "cosine.cif"
    assert best_method(losses) == "infonce.cif"
    losses["cosine"]["easy"] = {"mean_ms": 1.0, "failed": 2}
    assert best_method(losses) == "infonce.cif"
    assert best_method({"pocketsphinx": losses["pocketsphinx"]}) is None


def test_a_row_is_replaced_whole_and_the_best_is_named_anew(tmp_path):
    path = tmp_path / "results.json"
    row = {"cif": {"mean_ms": 5.0, "mean_ms_sd": 1.0, "failed": 0}, "diagonal_accuracy_sd": 0.1}
    merge_alignment(path, "alignment", "infonce", row)
    merge_alignment(path, "alignment", "cosine.cif", {"mean_ms": 4.0, "failed": 0})
    assert json.loads(path.read_text())["alignment"]["best"] == "cosine.cif"
    merge_alignment(path, "alignment", "infonce", {"cif": {"mean_ms": 3.0, "failed": 0}})
    found = json.loads(path.read_text())["alignment"]
    assert found["infonce"] == {"cif": {"mean_ms": 3.0, "failed": 0}}
    assert found["best"] == "infonce.cif"


@pytest.fixture
def recipe(tmp_path):
    """A test set, and what models of two seeds made of it."""
    data = tmp_path / "raw/test"
    data.mkdir(parents=True)
    (data / "text").write_text("a gin\n")
    (data / "words.ctm").write_text("a 1 0.0 0.5 gin\n")
    (tmp_path / "c.yaml").write_text("model_conf: {align_loss: infonce}\n")
    for seed, start in enumerate((0.02, 0.04)):
        folder = tmp_path / f"seed{seed}/test"
        folder.mkdir(parents=True)
        (folder / "words.cif.ctm").write_text(f"a 1 {start} {0.5 - start} gin\n")
        decoded = DECODED | {"nearest": [True, bool(seed), True]}
        (folder / "decoding.jsonl").write_text(json.dumps(decoded) + "\n")
    return tmp_path


def call(recipe, sets, *more):
    arguments = ["--config", f"{recipe}/c.yaml", "--dump", f"{recipe}/raw", "--sets", sets]
    arguments += ["--decode", f"{recipe}/seed0", "--out", f"{recipe}/RESULTS.md", *more]
    return CliRunner().invoke(score_decoding.main, arguments)


def score(recipe, *more):
    done = call(recipe, "test", "--results", f"{recipe}/results.json", *more)
    assert done.exit_code == 0, done.output
    return json.loads((recipe / "results.json").read_text())


def test_seeds_are_merged_as_mean_and_deviation(recipe):
    results = score(recipe, "--decode", f"{recipe}/seed1")
    infonce = results["alignment"]["infonce"]
    assert infonce["cif"]["mean_ms"] == pytest.approx(15)
    assert infonce["cif"]["mean_ms_sd"] == pytest.approx(7.07107)
    assert infonce["cif"]["within_20ms"] == pytest.approx(0.75)
    assert infonce["diagonal_accuracy"] == pytest.approx(1 / 2)
    assert infonce["diagonal_accuracy_sd"] == pytest.approx(0.707107)
    assert infonce["diagonal_accuracy_with_cls_sep"] == pytest.approx(5 / 6)
    assert infonce["diagonal_accuracy_with_cls_sep_sd"] == pytest.approx(0.235702)
    assert results["alignment"]["best"] == "infonce.cif"
    assert results["tokens"]["top1_with_cls_sep"] == pytest.approx(2 / 3)
    assert results["tokens"]["top1"] == 0.0  # of the only word
    assert "15.000±7.071" in (recipe / "RESULTS.md").read_text()
    again = score(recipe)["alignment"]["infonce"]  # one seed leaves no deviation of the three
    assert again["cif"]["mean_ms"] == pytest.approx(10)
    assert not any(key.endswith("_sd") for row in (again, again["cif"]) for key in row)


def test_another_place_in_the_results_leaves_the_first_alone(recipe):
    score(recipe)
    results = score(recipe, "--key", "alignment_table1", "--decode", f"{recipe}/seed1")
    assert results["alignment"]["infonce"]["cif"]["mean_ms"] == pytest.approx(10)
    assert results["alignment_table1"]["infonce"]["cif"]["mean_ms"] == pytest.approx(15)
    assert results["tokens"]["top1_with_cls_sep"] == pytest.approx(2 / 3)
    titles = [table.title for table in tables(results)]
    assert titles[:2] == ["Word boundaries", "Word boundaries, table1"] and "Also" not in titles


def test_the_loss_is_that_of_the_arguments(recipe):
    results = score(recipe, "--slu_args", "--model_conf align_loss=cosine")
    assert "cosine" in results["alignment"] and "infonce" not in results["alignment"]


def test_a_missing_alignment_is_named(recipe):
    """A method that aligned another set must have aligned this one."""
    for folder in ("raw", "seed0"):
        shutil.copytree(recipe / folder / "test", recipe / folder / "dev")
    (recipe / "seed0/dev/words.grapheme.ctm").write_text("a 1 0.0 0.5 gin\n")
    done = call(recipe, "dev test")
    assert done.exit_code == 1
    assert "error: test: words.grapheme.ctm: missing, though other sets have it" in done.output


def test_a_decoded_set_has_every_utterance(recipe):
    (recipe / "raw/test/text").write_text("a gin\nb gin\n")
    done = call(recipe, "test")
    assert done.exit_code == 1
    assert "decoding.jsonl lacks 1 utterances of the reference: b" in done.output
