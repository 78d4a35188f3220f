"""The scoring commands as a user runs them: figures out, or one line that says what is wrong."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from espnet_wabert.bin import score_alignment, score_sentiment, show_results
from espnet_wabert.formats.words import FORMATS

REF_CTM = "a 1 0.0 0.5 don't\na 1 0.5 0.5 stop\nb 1 0.0 1.0 hey\n"
HYP_CTM = "a 1 0.01 0.5 DONT\na 1 0.53 0.5 STOP\nz 1 0.0 1.0 who\n"
LABELS = "a Neutral\nb Neutral\nc Positive\nd Neutral\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    files = {"ref.ctm": REF_CTM, "hyp.ctm": HYP_CTM, "sentiment": LABELS}
    files["hyp"] = "d Neutral 0 1 0\nc Neutral 0 1 0\nb Neutral 0 1 0\na Neutral 0 1 0\n"
    files["better"] = LABELS
    files["parts"] = "a text\nb text\nc voice\nd voice\n"
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    (tmp_path / "hyp.ctm.failures").write_text("b it is too short\n")
    return tmp_path


def run(command, *arguments):
    """Run a command in this process; returns (status, standard output, standard error)."""
    result = CliRunner().invoke(command.main, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout, result.stderr


def fails(command, *arguments):
    """The one line of a run that must fail."""
    status, output, error = run(command, *arguments)
    assert status == 1 and output == "" and error.count("\n") == 1, (status, output, error)
    return error


def test_alignment(folder):
    arguments = ["--ref", "ref.ctm", "--hyp", "hyp.ctm", "--name", "infonce.cif"]
    status, output, error = run(
        score_alignment, *arguments, "--out", "s.json", "--results", "exp/results.json"
    )
    assert status == 0
    row = ["infonce", "cif", "20.0", "20.0", "50.0", "100.0", "100.0", "100.0", "100.0", "2", "1"]
    assert row in [line.split() for line in output.splitlines()]
    assert error.splitlines() == [
        "failed: b: is not in the hypothesis",
        "not in the reference: 1 utterances (z)",
    ]
    scores = json.loads(Path("s.json").read_text())
    assert (scores["name"], scores["failed"], scores["extra"]) == ("infonce.cif", 1, 1)
    assert scores["runs"][0]["missing"] == ["b"]
    figures = json.loads(Path("exp/results.json").read_text())["alignment"]["infonce"]["cif"]
    assert figures["mean_ms"] == pytest.approx(20) and figures["within_20ms"] == 0.5
    assert figures["left_bias_ms"] == pytest.approx(20)


def test_alignment_over_seeds_and_of_chosen_utterances(folder):
    Path("hyp2.ctm").write_text("a 1 0.03 0.5 dont\na 1 0.53 0.5 stop\n")
    Path("ids").write_text("a\n")
    arguments = [
        "--ref",
        "ref.ctm",
        "--hyp",
        "hyp.ctm",
        "--hyp",
        "hyp2.ctm",
        "--name",
        "cosine.cif",
    ]
    arguments += ["--utterances", "ids", "--results", "results.json", "--tolerances", "30"]
    status, output, error = run(score_alignment, *arguments)
    assert status == 0 and "25.0±7.1" in output and "failed: b" not in error
    figures = json.loads(Path("results.json").read_text())["alignment"]["cosine"]["cif"]
    assert figures["mean_ms"] == pytest.approx(25) and figures["within_30ms_sd"] == 0
    assert figures["failed"] == 0


def test_timit_without_its_sa_sentences(folder):
    for sentence in ("SA1", "SI1"):
        path = Path("timit/TEST/DR1/FAKS0") / f"{sentence}.WRD"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("0 8000 a\n")
    Path("timit.ctm").write_text("FAKS0_SA1 1 0 0.6 a\nFAKS0_SI1 1 0 0.5 a\n")
    for extra, mean in ([], "25.0"), (["--skip_sa"], "0.0"):
        _, output, error = run(score_alignment, "--ref", "timit", "--hyp", "timit.ctm", *extra)
        assert output.splitlines()[2].split()[2] == mean
        assert error == ""


def test_recordings_are_cut_by_segments(folder):
    Path("s01.words").write_text("#\n1.0 121 <SIL>\n2.0 121 yes; y; y; UH\n")
    Path("segments").write_text("s01-1 s01 0.5 2.5\n")
    Path("cut.ctm").write_text("s01-1 1 0.5 1.0 yes\n")
    arguments = ["--ref", "s01.words", "--segments", "segments", "--hyp", "cut.ctm"]
    status, output, _ = run(score_alignment, *arguments)
    assert status == 0 and output.splitlines()[2].split()[2] == "0.0"


def test_every_format_can_be_named():
    """The command lists them itself, so that its --help imports nothing."""
    for option in score_alignment.main.params:
        if option.name in ("ref_format", "hyp_format"):
            assert list(option.type.choices) == list(FORMATS)


def test_alignment_of_bad_input(folder):
    good = ["--ref", "ref.ctm", "--hyp", "hyp.ctm"]
    Path("broken.ctm").write_text(REF_CTM + "c 1 0.0\n")
    Path("other.ctm").write_text("q 1 0 1 x\n")
    Path("ids").write_text("a\nq\n")
    error = fails(score_alignment, "--ref", "broken.ctm", "--hyp", "hyp.ctm")
    assert error.startswith("error: broken.ctm:4: 3 fields, not 'utterance channel start")
    error = fails(score_alignment, "--ref", "ref.ctm", "--hyp", "nowhere")
    assert error == "error: nowhere: no such file or folder\n"
    error = fails(score_alignment, "--ref", "ref.ctm", "--hyp", "other.ctm")
    assert "have no utterance in common (such as a and q)" in error
    assert "--results needs --name <loss>.<method>" in fails(
        score_alignment, *good, "--results", "r.json"
    )
    assert "every tolerance must be above 0" in fails(score_alignment, *good, "--tolerances", "0")
    assert "'x' is not a number" in fails(score_alignment, *good, "--tolerances", "20,x")
    error = fails(score_alignment, *good, "--utterances", "ids")
    assert "ids: 1 utterances are not in ref.ctm: q" in error
    Path("hyp.ctm.failures").unlink()
    error = fails(score_alignment, *good)
    assert error.startswith("error: hyp.ctm: 1 utterances of the reference are missing: b; score")


def test_sentiment(folder):
    arguments = ["--ref", "sentiment", "--hyp", "hyp", "--name", "wabert", "--subset", "parts"]
    arguments += ["--against", "better", "--out", "s.json", "--picture", "c.png"]
    arguments += ["--results", "results.json", "--resamples", "200"]
    status, output, error = run(score_sentiment, *arguments)
    assert status == 0 and "Sentiment, voice part (%)" in output
    assert ["majority", "75.0", "64.3", "42.9", "-"] in [
        line.split() for line in output.splitlines()
    ]
    assert "macro_f1: -57.1 points against better" in output
    assert "warning: sentiment: no utterance of the reference is Negative; macro F1" in error
    assert Path("c.png").read_bytes().startswith(b"\x89PNG")
    results = json.loads(Path("results.json").read_text())
    parts = {"sentiment", "sentiment_text_part", "sentiment_voice_part"}
    assert set(results) == parts | {"provenance"} and set(results["provenance"]) == parts
    assert results["sentiment"]["wabert"]["macro_f1"] == pytest.approx(0.428571)
    assert results["sentiment"]["majority"]["weighted_recall"] == 0.75
    scores = json.loads(Path("s.json").read_text())
    assert scores["runs"][0]["sentiment"]["confusion"] == [[0, 0, 0], [0, 3, 0], [0, 1, 0]]
    assert scores["runs"][0]["sentiment"]["majority"]["label"] == "Neutral"
    assert scores["against"]["macro_f1"]["difference"] < 0


def test_sentiment_over_seeds_with_the_training_majority(folder):
    Path("train").write_text("x Positive\n")
    arguments = ["--ref", "sentiment", "--hyp", "hyp", "--hyp", "better", "--name", "wabert"]
    arguments += ["--train_ref", "train", "--results", "results.json", "--espnet_macro"]
    status, output, _ = run(score_sentiment, *arguments, "--resamples", "10")
    assert status == 0 and "87.5±17.7" in output and "Neutral+Positive F1" in output
    results = json.loads(Path("results.json").read_text())["sentiment"]
    assert results["wabert"]["weighted_recall_sd"] == pytest.approx(0.176777)
    assert results["majority"]["weighted_recall"] == 0.25


def test_the_blind_test_needs_no_reference(folder):
    Path("wav.scp").write_text("a a.wav\nb b.wav\nc c.wav\nd d.wav\n")
    arguments = ["--hyp", "hyp", "--submission", "blind.tsv", "--utterances", "wav.scp"]
    status, output, _ = run(score_sentiment, *arguments)
    assert status == 0 and output == "blind.tsv: 4 utterances for SLUE\n"
    assert Path("blind.tsv").read_text().splitlines()[1] == "a\tNone\tNone\tNeutral"


def test_sentiment_of_bad_input(folder):
    good = ["--ref", "sentiment", "--hyp"]
    Path("few").write_text("a Neutral\nx Neutral\n")
    Path("empty").write_text("")
    Path("nan").write_text("a Neutral 0 nan 1\n")
    error = fails(score_sentiment, *good, "few")
    assert "few lacks 3 utterances of the reference: b, c, d and has 1 that are not" in error
    assert "in the reference: x" in error
    assert "error: empty:1: is empty" in fails(score_sentiment, *good, "empty")
    assert "error: nan:1: score of Neutral is nan" in fails(score_sentiment, *good, "nan")
    assert "few lacks 3" in fails(score_sentiment, *good, "hyp", "--against", "few")
    assert "give --ref to score against" in fails(score_sentiment, "--hyp", "hyp")
    two = [*good, "hyp", "--hyp", "better"]
    assert "take one --hyp, not several" in fails(score_sentiment, *two, "--against", "hyp")
    assert "resamples is 0" in fails(score_sentiment, *good, "hyp", "--resamples", "0")


def test_a_row_has_no_figures_of_an_earlier_run(folder):
    arguments = ["--ref", "sentiment", "--name", "wabert.v2", "--results", "r.json"]
    run(score_sentiment, *arguments, "--hyp", "hyp")
    first = json.loads(Path("r.json").read_text())["sentiment"]["wabert.v2"]
    assert {"macro_f1_low", "macro_f1_high"} <= set(first)
    run(score_sentiment, *arguments, "--hyp", "hyp", "--hyp", "better")
    second = json.loads(Path("r.json").read_text())["sentiment"]["wabert.v2"]
    assert "macro_f1_sd" in second and not {"macro_f1_low", "macro_f1_high"} & set(second)


def test_results_are_shown(folder):
    Path("exp/mini").mkdir(parents=True)
    Path("exp/mini/results.json").write_text('{"tokens": {"top1": 0.25}, "seed": 3}')
    status, output, _ = run(show_results)
    assert status == 0 and "25.0" in output and "seed 3" in output
    status, output, _ = run(show_results, "exp/mini/results.json", "--markdown")
    assert status == 0 and "| 25.0 |" in output and "| seed | 3 |" in output
    Path("exp/mini/results.json").write_text("{}")
    assert "exp/mini/results.json: holds no figures yet" in fails(show_results)
    Path("exp/mini/results.json").write_text('{"tokens": 3}')
    assert "exp/mini/results.json: results: tokens is 3; it must be" in fails(show_results)
    assert "elsewhere.json: no such file" in fails(show_results, "elsewhere.json")


def test_scoring_needs_neither_torch_nor_espnet():
    """Scoring is for other aligners' output too, and --help must be quick."""
    code = """
import importlib, pkgutil, sys
import espnet_wabert.scoring as package
for module in pkgutil.iter_modules(package.__path__):
    importlib.import_module(f"{package.__name__}.{module.name}")
for name in ("score_alignment", "score_sentiment", "show_results"):
    importlib.import_module(f"espnet_wabert.bin.{name}")
heavy = {"torch", "espnet2", "transformers", "sklearn", "matplotlib"} & set(sys.modules)
assert not heavy, heavy
"""
    subprocess.run([sys.executable, "-c", code], check=True)
