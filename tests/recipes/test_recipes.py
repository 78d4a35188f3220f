"""The real run.sh, stages 1 to 14, on a handful of utterances with tiny models."""

import json
import subprocess
from pathlib import Path

import pytest
from recipe_runner import ROOT, run_recipe
from tiny_sources import write_tiny_sources

from espnet_wabert.inference.api import WaBERTInference
from espnet_wabert.mini.corpus import make_corpus


def run(recipe: str, work: Path, *options: str, fails: bool = False) -> str:
    """Run a recipe, each in its own folder of `work`; return what it printed."""
    return run_recipe(recipe, work, work / recipe, *options, fails=fails)


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """The tiny embedded corpus, and both recipes run on it with a tiny data2vec and BERT."""
    work = tmp_path_factory.mktemp("recipes")
    make_corpus(work / "corpora", seed=1, size="tiny", jobs=1, models=False)
    write_tiny_sources(work)
    output = run(
        "librispeech_wabert", work, "--config", str(ROOT / "conf/tiny/align.yaml"),
        "--stop_stage", "14", "--results", str(work / "results.json"),
        "--speed_perturb_factors", "0.9 1.0",
    )  # fmt: skip
    (work / "align.log").write_text(output)
    output = run(
        "slue_sa", work, "--config", str(ROOT / "conf/tiny/sentiment.yaml"),
        "--stop_stage", "14", "--results", str(work / "results.json"), "--pretrained_model",
        str(work / "librispeech_wabert/exp/align/valid.loss.ave.pth"),
    )  # fmt: skip
    (work / "sentiment.log").write_text(output)
    return work


def test_stages_are_named_and_in_order(work):
    for log in ("align.log", "sentiment.log"):
        lines = (work / log).read_text().splitlines()
        begun = [int(line.split()[1].rstrip(":")) for line in lines if line.startswith("stage ")]
        assert sorted(set(begun)) == list(range(1, 15)) and begun == sorted(begun)
    assert "36 of 36 utterances kept" in (work / "align.log").read_text()  # 18, at two speeds


def test_results_have_the_keys_that_programs_read(work):
    results = json.loads((work / "results.json").read_text())
    infonce = results["alignment"]["infonce"]
    assert 0 <= infonce["diagonal_accuracy"] <= 1
    wanted = {"mean_ms", "median_ms", "words", "failed"}
    wanted |= {f"within_{n}ms" for n in (50, 100, 500, 1000)}
    assert wanted <= infonce["cif"].keys()
    assert infonce["cif"]["words"] > 0 and infonce["cif"]["failed"] == 0
    assert {"count_error", "top1", "top5"} <= results["tokens"].keys()
    for system in ("majority", "wabert"):
        scores = results["sentiment"][system]
        assert {"weighted_recall", "weighted_f1", "macro_f1"} <= scores.keys()
    assert results["seconds"]["align_11"] > 0 and results["seconds"]["sentiment_11"] > 0


def test_packed_models_give_the_same_scores_from_their_zip_alone(work, tmp_path, monkeypatch):
    """Each zip alone, copied elsewhere: what it says is what stage 12 wrote."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    from espnet_wabert.formats.audio import read_audio

    align = tmp_path / "a.zip"
    align.write_bytes((work / "librispeech_wabert/exp/align/align.zip").read_bytes())
    judge = tmp_path / "s.zip"
    judge.write_bytes((work / "slue_sa/exp/sentiment/sentiment.zip").read_bytes())
    for path in ("data2vec", "bert"):
        (work / path).rename(work / f"{path}.moved")
    try:
        aligner = WaBERTInference.from_pretrained(align)
        classifier = WaBERTInference.from_pretrained(judge)
    finally:
        for path in ("data2vec", "bert"):
            (work / f"{path}.moved").rename(work / path)
    raw = work / "librispeech_wabert/dump/raw/timit_test"
    text = dict(line.split(" ", 1) for line in (raw / "text").read_text().splitlines())
    audio = dict(line.split(" ", 1) for line in (raw / "wav.scp").read_text().splitlines())
    decoded = work / "librispeech_wabert/exp/align/decode/timit_test"
    for utterance, transcript in text.items():
        aligned = aligner.align([read_audio(audio[utterance], utterance)], [transcript])[0]
        assert list(aligned.readings) == ["grapheme", "cif"]  # without the teacher no similarity
        for reading, words in aligned.readings.items():
            lines = (decoded / f"words.{reading}.ctm").read_text().splitlines()
            lines = [line.split() for line in lines if line.startswith(utterance)]
            assert [w.word for w in words] == [line[4] for line in lines]
            for word, line in zip(words, lines):
                assert word.start == pytest.approx(float(line[2]), abs=2e-3)
    raw = work / "slue_sa/dump/raw/test"
    said = (work / "slue_sa/exp/sentiment/decode/test/sentiment").read_text().splitlines()
    audio = dict(line.split(" ", 1) for line in (raw / "wav.scp").read_text().splitlines())
    for line in said:
        utterance, label, *scores = line.split()
        found = classifier.classify([read_audio(audio[utterance], utterance)])[0]
        assert found.label == label
        assert found.scores == pytest.approx([float(s) for s in scores], abs=1e-4)


def test_a_downloaded_model_decodes_as_the_trained_one(work, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    exp = work / "librispeech_wabert/exp/align"
    decoded = [exp / f"decode/timit_test/words.{reading}.ctm" for reading in ("cif", "grapheme")]
    trained = [path.read_text() for path in decoded]
    for path in decoded:
        path.unlink()
    options = ("--config", str(ROOT / "conf/tiny/align.yaml"), "--stage", "12", "--stop_stage")
    run("librispeech_wabert", work, *options, "13", "--download_model", str(exp / "align.zip"))
    cif, letters = (path.read_text() for path in decoded)
    assert letters == trained[1]
    # CIF's confidence comes from BERT's dropped layers, which a packed model has not.
    lines = ([line.split()[:5] for line in text.splitlines()] for text in (cif, trained[0]))
    assert next(lines) == next(lines)


def test_seeds_make_a_model_each_and_one_row_of_scores_and_figures_come_after(work):
    options = ["--config", str(ROOT / "conf/tiny/align.yaml"), "--stage", "11", "--stop_stage"]
    options += ["16", "--skip_packing", "true", "--seeds", "1 2", "--train_args", "--max_epoch 1"]
    output = run("librispeech_wabert", work, *options, "--results", str(work / "seeds.json"))
    exp = work / "librispeech_wabert/exp"
    for seed in (1, 2):
        config = (exp / f"align_seed{seed}/config.yaml").read_text()
        assert f"\nseed: {seed}\n" in config
    results = json.loads((work / "seeds.json").read_text())["alignment"]
    infonce = results["infonce"]
    assert infonce["cif"]["mean_ms_sd"] > 0 and infonce["cif"]["seeds"] == 2
    assert infonce["diagonal_accuracy_sd"] >= 0
    assert results["best"] in ("infonce.cif", "infonce.letters", "infonce.similarity")
    for name in ("similarity", "components", "alignment"):
        assert (exp / f"align/figures/{name}.png").read_bytes().startswith(b"\x89PNG")
    assert "| label | top-1 |" in (exp / "align/CANDIDATES.md").read_text()
    assert "stage 16: figures and candidates" in output


def test_a_second_run_skips_what_is_done(work):
    options = ("--config", str(ROOT / "conf/tiny/align.yaml"), "--stop_stage", "4")
    options += ("--speed_perturb_factors", "0.9 1.0", "--skip_done", "true")
    output = run("librispeech_wabert", work, *options)
    assert output.count("done before") == 4


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--stagee", "1"), "unknown option --stagee"),
        (("--stage",), "option --stage needs a value"),
        (("--config", "nowhere.yaml"), "nowhere.yaml: no such configuration"),
        (("--stage", "12", "--download_model", "nowhere.zip"), "nowhere.zip: no such packed model"),
        (("--librispeech", "/nowhere"), "/nowhere"),
        (("--seeds", "1, 2"), "--seeds '1, 2': numbers with a space between"),
    ],
)
def test_mistakes_end_with_one_clear_line(tmp_path, options, message):
    output = run("librispeech_wabert", tmp_path, *options, fails=True)
    assert message in output and "Traceback" not in output


def test_help_shows_every_option():
    script = ROOT / "egs2/librispeech_wabert/run.sh"
    shown = subprocess.run([script, "--help"], capture_output=True, text=True, check=True).stdout
    assert "stop_stage=13" in shown and "download_model=" in shown
