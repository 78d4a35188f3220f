"""The real run.sh, stages 1 to 14, on a handful of utterances with tiny models."""

import json
import os
import shutil
import subprocess

import pyarrow
import pytest
from pyarrow import parquet
from recipe_runner import ROOT, run, run_script
from tiny_sources import write_tiny_sources

from espnet_wabert.formats.word_files import read_ctm
from espnet_wabert.inference.api import WaBERTInference

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def work(tiny_corpus, tmp_path_factory):
    """The tiny embedded corpus, and both recipes run on it with a tiny data2vec and BERT."""
    work = tmp_path_factory.mktemp("recipes")
    shutil.copytree(tiny_corpus, work / "corpora")
    write_tiny_sources(work)
    output = run(
        "librispeech_wabert", work, "--slu_config", str(ROOT / "conf/tiny/align.yaml"),
        "--stop_stage", "14", "--results", str(work / "results.json"),
        "--speed_perturb_factors", "0.9 1.0",
    )  # fmt: skip
    (work / "align.log").write_text(output)
    output = run(
        "slue_sa", work, "--slu_config", str(ROOT / "conf/tiny/sentiment.yaml"),
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


def test_results_have_their_keys(work):
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
    classifier_zip = tmp_path / "s.zip"
    classifier_zip.write_bytes((work / "slue_sa/exp/sentiment/sentiment.zip").read_bytes())
    for path in ("data2vec", "bert"):
        (work / path).rename(work / f"{path}.moved")
    try:
        aligner = WaBERTInference.from_pretrained(align)
        classifier = WaBERTInference.from_pretrained(classifier_zip)
    finally:
        for path in ("data2vec", "bert"):
            (work / f"{path}.moved").rename(work / path)
    raw = work / "librispeech_wabert/dump/raw/timit_test"
    text = dict(line.split(" ", 1) for line in (raw / "text").read_text().splitlines())
    audio = dict(line.split(" ", 1) for line in (raw / "wav.scp").read_text().splitlines())
    decoded = work / "librispeech_wabert/exp/align/decode/timit_test"
    for utterance, transcript in text.items():
        aligned = aligner.align([read_audio(audio[utterance], utterance)], [transcript])[0]
        assert list(aligned.words_by_method) == [
            "grapheme",
            "cif",
        ]  # without the teacher no similarity
        for method, words in aligned.words_by_method.items():
            lines = (decoded / f"words.{method}.ctm").read_text().splitlines()
            lines = [line.split() for line in lines if line.startswith(utterance)]
            assert [w.word for w in words] == [line[4] for line in lines]
            for word, line in zip(words, lines, strict=True):
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
    decoded = [exp / f"decode/timit_test/words.{method}.ctm" for method in ("cif", "grapheme")]
    trained = [path.read_text() for path in decoded]
    for path in decoded:
        path.unlink()
    options = ("--slu_config", str(ROOT / "conf/tiny/align.yaml"), "--stage", "12", "--stop_stage")
    run("librispeech_wabert", work, *options, "13", "--download_model", str(exp / "align.zip"))
    cif, grapheme = (path.read_text() for path in decoded)
    assert grapheme == trained[1]
    # CIF's confidence comes from BERT's dropped layers, which a packed model has not.
    lines = ([line.split()[:5] for line in text.splitlines()] for text in (cif, trained[0]))
    assert next(lines) == next(lines)


def test_each_seed_makes_a_model_and_the_scores_are_means(work):
    options = ["--slu_config", str(ROOT / "conf/tiny/align.yaml"), "--stage", "11"]
    options += ["--seeds", "1 2", "--slu_args", "--max_epoch 1"]
    results = str(work / "seeds.json")
    run("librispeech_wabert", work, *options, "--results", results, script="run_seeds.sh")
    exp = work / "librispeech_wabert/exp"
    for seed in (1, 2):
        config = (exp / f"align_max_epoch1_seed{seed}/config.yaml").read_text()
        assert f"\nseed: {seed}\n" in config
    results = json.loads((work / "seeds.json").read_text())["alignment"]
    infonce = results["infonce"]
    assert infonce["cif"]["mean_ms_sd"] > 0 and infonce["cif"]["seeds"] == 2
    assert infonce["diagonal_accuracy_sd"] >= 0
    assert results["best"] in ("infonce.cif", "infonce.grapheme", "infonce.similarity")


def test_figures_and_subword_predictions(work):
    options = ("--slu_config", str(ROOT / "conf/tiny/align.yaml"), "--stage", "16")
    output = run("librispeech_wabert", work, *options, "--stop_stage", "16")
    exp = work / "librispeech_wabert/exp"
    for name in ("similarity", "components", "alignment"):
        assert (exp / f"align/figures/{name}.png").read_bytes().startswith(b"\x89PNG")
    assert "| label | top-1 |" in (exp / "align/PREDICTIONS.md").read_text()
    assert "stage 16: figures and subword predictions" in output


def test_a_second_run_skips_what_is_done(work):
    options = ("--slu_config", str(ROOT / "conf/tiny/align.yaml"), "--stop_stage", "4")
    options += ("--speed_perturb_factors", "0.9 1.0", "--skip_done", "true")
    output = run("librispeech_wabert", work, *options)
    assert output.count("done before") == 4


def test_the_aligner_learns_from_the_word_times_of_another_model(work):
    """Self-training: the first model's graphemes say where the words are."""
    first = work / "librispeech_wabert/exp/align/valid.loss.ave.pth"
    run(
        "librispeech_wabert", work, "--slu_config", str(ROOT / "conf/tiny/align.yaml"),
        "--slu_tag", "self", "--slu_args", "--model_conf boundary_weight=2.0",
        "--word_times_model", str(first), "--speed_perturb_factors", "0.9 1.0",
        "--stage", "10", "--stop_stage", "11",
    )  # fmt: skip
    stats = work / "librispeech_wabert/exp/stats"
    for name in ("train_960", "dev"):
        aligned = read_ctm(stats / f"self/aligned/{name}/words.grapheme.ctm")
        known = read_word_times(stats / f"align/{name}/word_times")
        found = read_word_times(stats / f"self/{name}/word_times")
        assert found.keys() == known.keys() and found != known
        for utterance, words in aligned.items():
            edges = [x for word in words for x in (word.start, word.end)]
            assert found[utterance] == pytest.approx(edges, abs=1e-3)
            assert len(found[utterance]) == len(known[utterance])
    assert "boundary=" in (work / "librispeech_wabert/exp/self/train.log").read_text()


def read_word_times(path):
    lines = path.read_text().splitlines()
    return {line.split()[0]: [float(x) for x in line.split()[1:]] for line in lines}


def test_only_what_has_changed_is_run_again(work):
    """Nothing at first; then stages 12 and 13, because a file of stage 12 was cut."""
    configs = {"librispeech_wabert": "align", "slue_sa": "sentiment"}
    cut = {"librispeech_wabert": "timit_test/words.cif.ctm", "slue_sa": "test/sentiment"}
    for recipe, name in configs.items():
        options = ["--slu_config", str(ROOT / f"conf/tiny/{name}.yaml"), "--skip_done", "true"]
        options += ["--stop_stage", "14", "--results", str(work / "results.json")]
        if recipe == "slue_sa":
            model = work / "librispeech_wabert/exp/align/valid.loss.ave.pth"
            options += ["--pretrained_model", str(model)]
        else:
            options += ["--speed_perturb_factors", "0.9 1.0"]
        run(recipe, work, *options)
        output = run(recipe, work, *options)
        wanted = 10 if recipe == "librispeech_wabert" else 9  # stage 2 has nothing to do
        assert output.count("done before") == wanted, output
        decoded = work / recipe / f"exp/{name}/decode" / cut[recipe]
        before = decoded.read_bytes()
        decoded.write_bytes(before[:-9])
        output = run(recipe, work, *options)
        assert f"stage 12: decoding: {decoded} has changed\n" in output
        assert output.count("done before") >= wanted - 2
        assert decoded.read_bytes() == before


def test_a_deleted_model_is_trained_again(work):
    """The marks of --skip_done lie beside what they are about."""
    options = ("--slu_config", str(ROOT / "conf/tiny/align.yaml"), "--slu_tag", "deleted")
    options += ("--stage", "10", "--stop_stage", "11", "--slu_args", "--max_epoch 1")
    for _ in range(2):
        output = run("librispeech_wabert", work, *options, "--skip_done", "true")
        assert "done before" not in output
        shutil.rmtree(work / "librispeech_wabert/exp/deleted")


def test_spaces_in_paths_and_paths_relative_to_the_caller(work, tmp_path):
    corpora = tmp_path / "my corpora"
    corpora.symlink_to(work / "corpora")
    output = run_script(
        "librispeech_wabert/run.sh", "--corpora", "my corpora", "--datadir", "my data",
        "--dumpdir", "my dump", "--expdir", "exp", "--text_model", str(work / "bert"),
        "--slu_config", str(ROOT / "conf/tiny/align.yaml"), "--stop_stage", "5", cwd=tmp_path,
    )  # fmt: skip
    assert "stage 5: token list" in output
    assert (tmp_path / "my data/train_960/wav.scp").is_file()
    assert (tmp_path / "my dump/token_list/vocab.txt").is_file()
    assert (tmp_path / "my dump/raw/timit_test/wav.scp").is_file()


def test_training_on_a_part_of_librispeech(work, tmp_path):
    """As users who have only train-clean-100."""
    corpus = tmp_path / "LibriSpeech"
    corpus.mkdir()
    for part in ("train-clean-100", "dev-clean", "dev-other", "test-clean", "test-other"):
        (corpus / part).symlink_to(work / "corpora/LibriSpeech" / part)
    options = ("--librispeech", str(corpus), "--train_parts", "train-clean-100")
    folders = ("--datadir", str(tmp_path / "data"), "--dumpdir", str(tmp_path / "dump"))
    output = run("librispeech_wabert", work, *options, "--dry_run", "true")
    assert "stage 1: LibriSpeech" in output and "no download" in output
    run("librispeech_wabert", work, *options, *folders, "--stop_stage", "4")
    trained = (tmp_path / "dump/raw/train_clean_100/wav.scp").read_text()
    assert "/train-clean-100/" in trained and "/train-clean-360/" not in trained
    wrong = ("--train_parts", "train-100", "--dry_run", "true")
    output = run("librispeech_wabert", work, *wrong, fails=True)
    assert "--train_parts: no part train-100 to train on; choose of train-clean-100," in output


def test_two_processes_decode_as_one(work):
    options = ("--slu_config", str(ROOT / "conf/tiny/sentiment.yaml"), "--stage", "12")
    decoded = work / "slue_sa/exp/sentiment/decode"
    before = {name: (decoded / name / "sentiment").read_text() for name in ("dev", "test")}
    for name in before:
        (decoded / name / "sentiment").unlink()
    run("slue_sa", work, *options, "--stop_stage", "12", "--inference_nj", "2")
    assert before == {name: (decoded / name / "sentiment").read_text() for name in before}


def test_a_dry_run_tells_what_each_stage_would_do(work, tmp_path):
    """Without data: the published sizes; with the data: what is there."""
    output = run_script(
        "librispeech_wabert/run.sh", "--corpora", str(tmp_path), "--expdir", str(tmp_path / "exp"),
        "--dry_run", "true", "--ngpu", "8", "--speed_perturb_factors", "0.9 1.0 1.1",
    )  # fmt: skip
    lines = dict(line.split(": ", 1) for line in output.splitlines())
    assert list(lines) == [f"stage {n}" for n in range(1, 14)]
    assert "download 7 parts, 61.4 GB" in lines["stage 1"]
    assert "843723 utterances" in lines["stage 2"]
    assert "26 epochs of 6592 steps" in lines["stage 11"] and "GPU hours" in lines["stage 11"]
    assert not list(tmp_path.iterdir())
    output = run("slue_sa", work, "--dry_run", "true")
    assert "fine-tune 2" in output and "no download" in output
    assert "on the CPU" in output
    corpus = tmp_path / "LibriSpeech"
    (corpus / "dev-clean/1").mkdir(parents=True)
    for name in ("1-0000.flac", "._1-0000.flac"):  # macOS
        (corpus / "dev-clean/1" / name).touch()
    given = ("--librispeech", str(corpus), "--dry_run", "true", "--stop_stage", "1")
    output = run("librispeech_wabert", work, *given)
    assert "dev-clean 1; missing: train-clean-100, train-clean-360, train-other-500," in output
    for split in ("train", "validation", "test"):
        rows = [{"id": f"{split}{number}"} for number in range(3)]
        parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / f"{split}-0.parquet")
    output = run("slue_sa", work, "--dry_run", "true", "--slue", str(tmp_path))
    assert "fine-tune 3, dev 3, test 3; no download" in output
    output = run("slue_sa", work, "--dry_run", "true", "--stage", "14", "--stop_stage", "15")
    assert [line.split(":")[0] for line in output.splitlines()] == ["stage 14", "stage 15"]


def test_an_experiment_belongs_to_its_options(work):
    """Other options: refused with the difference, before anything is written; or replaced."""
    options = ["--slu_config", str(ROOT / "conf/tiny/align.yaml"), "--slu_tag", "own"]
    options += ["--stage", "10", "--stop_stage", "11", "--slu_args"]
    run("librispeech_wabert", work, *options, "--max_epoch 1")
    exp = work / "librispeech_wabert/exp/own"
    before = (exp / "config.yaml").read_bytes()
    output = run("librispeech_wabert", work, *options, "--max_epoch 1 --optim_conf lr=0.1",
                 fails=True)  # fmt: skip
    assert "own: was trained with other options: optim_conf.lr: 0.001 there, 0.1 here;" in output
    assert "--slu_tag" in output and "--overwrite true" in output
    assert (exp / "config.yaml").read_bytes() == before
    assert (exp / "train.1.log").is_file() and (exp / "train.log").is_file()
    run("librispeech_wabert", work, *options, "--max_epoch 1 --optim_conf lr=0.1",
        "--overwrite", "true")  # fmt: skip
    assert "lr: 0.1" in (exp / "config.yaml").read_text()
    assert not (exp / "train.1.log").exists()


def test_a_copy_of_the_script_runs_from_a_spool(work, tmp_path):
    """As sbatch does: it runs a copy of run.sh elsewhere and names the folder of submission."""
    copy = tmp_path / "slurm_script"
    shutil.copy(ROOT / "egs2/librispeech_wabert/run.sh", copy)
    done = subprocess.run(
        [str(copy), "--help"], capture_output=True, text=True, cwd=tmp_path,
        env={**os.environ, "SLURM_SUBMIT_DIR": str(ROOT / "egs2/librispeech_wabert")},
    )  # fmt: skip
    assert done.returncode == 0 and "librispeech=" in done.stdout and "stage=1" in done.stdout
