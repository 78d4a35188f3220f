"""Stage 13 of egs2/slue_sa: which sets are scored, and what is written for the others."""

import json
import shutil
import subprocess

import pytest
from recipe_runner import ROOT, environment, run_recipe

pytestmark = pytest.mark.slow
LABELS = ("Negative", "Neutral", "Positive")


def score(work, *decoded, hypotheses="") -> str:
    """Run local/score.sh; return what it printed."""
    command = ["local/score.sh", "--name", "row", "--raw", str(work / "raw"), "--scores",
               str(work / "scores"), "--v01", str(work / "v01"), "--results",
               str(work / "results.json"), "--hypotheses", str(hypotheses)]  # fmt: skip
    done = subprocess.run(
        [*command, *map(str, decoded)], cwd=ROOT / "egs2/slue_sa", text=True, check=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env=environment(),
    )  # fmt: skip
    return done.stdout


@pytest.fixture
def work(tmp_path):
    """SLUE's public archive: a test set without labels; four of dev's six are in v0.1."""
    for name in ("fine_tune", "dev", "test"):
        folder = tmp_path / "raw" / name
        folder.mkdir(parents=True)
        lines = [f"u{n} {LABELS[n % 3]}\n" for n in range(6)]
        (folder / "wav.scp").write_text("".join(f"u{n} u{n}.flac\n" for n in range(6)))
        if name != "test":
            (folder / "sentiment").write_text("".join(lines))
    (tmp_path / "v01").write_text("u0\nu1\nu2\nu3\n")
    return tmp_path


def decode(folder, *sets):
    for name in sets:
        (folder / name).mkdir(parents=True)
        lines = [f"u{n} {LABELS[n % 3 if n < 4 else 0]} .2 .3 .5\n" for n in range(6)]
        (folder / name / "sentiment").write_text("".join(lines))
        (folder / name / "provenance.json").write_text('{"trained": {"commit": "abc"}}')
    return folder


@pytest.mark.parametrize(
    ("options", "status", "message"),
    [
        (["--help"], 0, "name=wabert           # of the system in the results"),
        (["--raw", "dump/raw", "--name"], 1, "option --name needs a value"),
        (["--name", "row"], 1, "score.sh: name the decoded folders after the options"),
    ],
)
def test_a_mistake_is_told(options, status, message):
    done = subprocess.run(
        ["local/score.sh", *options], cwd=ROOT / "egs2/slue_sa", text=True, check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert done.returncode == status and message in done.stdout


def test_a_blind_test_set_gets_a_submission_file(work):
    """Both of dev: v0.2's, and v0.1's, which the paper used."""
    (work / "scores/test").mkdir(parents=True)
    (work / "scores/test/scores.json").write_text("of an earlier run that had labels")
    output = score(work, decode(work / "one", "dev", "test"), decode(work / "two", "dev", "test"))
    assert "row: test: not scored: it has no labels; a file for SLUE's organizers" in output
    for name in ("one", "two"):
        assert len((work / name / "test/submission.tsv").read_text().splitlines()) == 7
    results = json.loads((work / "results.json").read_text())
    assert results["sentiment"]["row"]["weighted_recall"] == pytest.approx(4 / 6 + 0 / 6)
    assert results["sentiment_dev_v0.1"]["row"]["weighted_recall"] == 1.0
    for key in ("sentiment", "sentiment_dev_v0.1"):
        assert results["provenance"][key]["row"]["trained"] == {"commit": "abc"}
    assert not (work / "scores/test").exists() or not any((work / "scores/test").iterdir())


def test_a_row_that_needs_transcripts_says_so(work):
    """A text system cannot decode the blind test set; its dev set is scored."""
    output = score(work, decode(work / "one", "dev"))
    assert "row: test: not scored: the system reads transcripts, and test has none" in output
    assert "row" in json.loads((work / "results.json").read_text())["sentiment"]


def test_labels_without_transcripts_are_scored(work):
    """`--slue_labels` with ids and labels only: a pipeline has no word error rate."""
    lines = [f"u{n} {LABELS[n % 3]}\n" for n in range(6)]
    (work / "raw/test/sentiment").write_text("".join(lines))
    for folder in ("raw/dev", "read/dev", "read/test"):
        (work / folder).mkdir(parents=True, exist_ok=True)
        (work / folder / "text").write_text("".join(f"u{n} a word\n" for n in range(6)))
    output = score(work, decode(work / "one", "dev", "test"), hypotheses=work / "read")
    assert "row: test: no word error rate: it has no transcripts" in output
    results = json.loads((work / "results.json").read_text())
    assert "wer" in results["sentiment_dev"]["row"] and "wer" not in results["sentiment"]["row"]


def test_a_table_is_about_one_set(work):
    """Labels without transcripts: a text system's dev scores are no row beside others' of test."""
    shutil.copy(work / "raw/dev/sentiment", work / "raw/test")
    output = score(work, decode(work / "one", "dev"))
    assert "row: test: not scored: the system reads transcripts, and test has none" in output
    results = json.loads((work / "results.json").read_text())
    assert "row" in results["sentiment_dev"] and "sentiment" not in results


def test_the_scores_of_a_seed_lie_beside_its_model(work):
    """Stage 15 publishes both; those of several seeds lie in the folder without a seed."""
    (work / "dump").mkdir()
    (work / "raw").rename(work / "dump/raw")
    options = ["--slu_config", str(ROOT / "conf/tiny/sentiment.yaml"), "--aligner", ""]
    options += ["--stage", "13", "--stop_stage", "13"]
    for seed in ("1", "2"):
        decode(work / f"exp/sentiment_seed{seed}/decode", "dev", "test")
        run_recipe("slue_sa", work, work, *options, "--seed", seed)
    run_recipe("slue_sa", work, work, *options, "--score_seeds", "1 2")
    found = {path.parts[-4] for path in work.glob("exp/*/scores/dev/scores.json")}
    assert found == {"sentiment_seed1", "sentiment_seed2", "sentiment"}
