"""The data commands as a recipe calls them: the whole way, and one line for a mistake."""

import subprocess
import sys

import pytest
from click.testing import CliRunner
from corpora_makers import VOCABULARY, make_librispeech, make_slue, make_timit, slue_rows

from espnet_wabert.bin import (
    combine_data,
    download_corpus,
    filter_lengths,
    format_wav,
    perturb_speed,
    prepare_data,
    validate_data,
)
from espnet_wabert.formats.kaldi import read_folder


def run(command, *arguments, fails=False):
    result = CliRunner().invoke(command.main, [str(argument) for argument in arguments])
    assert (result.exit_code == 1) == fails, result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result


def test_librispeech_from_the_corpus_to_filtered_audio(tmp_path):
    corpus = make_librispeech(tmp_path)
    (tmp_path / "vocab.txt").write_text("\n".join(VOCABULARY) + "\n")
    data, dump = tmp_path / "data", tmp_path / "dump"
    parts = ("--parts", "train-clean-100")
    run(prepare_data, "librispeech", "--corpus", corpus, *parts, "--out", data / "train")
    factors = ("--factors", "0.9 1.0 1.1")
    run(perturb_speed, "--data", data / "train", *factors, "--out", data / "train_sp")
    ok = run(validate_data, data / "train", data / "train_sp", "--audio", "true").output
    assert "data/train: OK: 8 utterances, 2 speakers, 0.00 h, 24 words, word times for 2" in ok
    assert "24 utterances, 6 speakers" in ok and "speed factors to apply 0.9 1 1.1" in ok
    formats = ("--nj", 2, "--audio_format", "flac")
    made = run(format_wav, "--data", data / "train_sp", "--out", dump / "train", *formats)
    assert "16 written, 8 read where they are" in made.output
    limits = ("--max_seconds", 1.05, "--tokenizer", tmp_path / "vocab.txt")
    kept = run(filter_lengths, "--data", dump / "train", "--out", dump / "train", *limits)
    assert "16 of 24 utterances kept; removed: too long 8" in kept.output
    folder = read_folder(dump / "train")
    assert set(folder.samples.values()) == {16000, round(16000 / 1.1)}
    assert folder.words["sp1.1-19-207-0000"][0].start == pytest.approx(0.1 / 1.1, abs=1e-6)


def test_slue_and_timit(tmp_path):
    corpus = make_slue(tmp_path, "fine-tune", slue_rows(["Neutral", "<mixed>", "Positive"]))
    out = ("--out", tmp_path / "ft")
    split = ("--split", "fine-tune", "--version", "v0.2", "--trim", "true")
    said = run(prepare_data, "slue", "--corpus", corpus, *split, *out).output
    assert "labels: 0 Negative, 1 Neutral, 1 Positive; dropped: 1 <mixed>" in said
    run(format_wav, "--data", tmp_path / "ft", "--out", tmp_path / "raw", "--nj", 1)
    assert set(read_folder(tmp_path / "raw").samples.values()) == {8000}
    said = run(validate_data, tmp_path / "ft").output
    assert "sentiment 1 Neutral / 1 Positive, segments of 2 recordings" in said
    corpus = make_timit(tmp_path)
    timit = ("timit", "--corpus", corpus, "--split", "core", "--sa", "false")
    run(prepare_data, *timit, "--out", tmp_path / "core")
    assert read_folder(tmp_path / "core").text == {"MDAB0_SX49": "don't ask"}


def test_combine(tmp_path):
    one = make_librispeech(tmp_path / "1", "dev-clean", ("1",))
    two = make_librispeech(tmp_path / "2", "dev-clean", ("2",))
    for name, corpus in (("a", one), ("b", two)):
        options = ("--corpus", corpus, "--parts", "dev-clean", "--out", tmp_path / name)
        run(prepare_data, "librispeech", *options)
    said = run(combine_data, "--out", tmp_path / "all", tmp_path / "a", tmp_path / "b").output
    assert said.endswith("all: 8 utterances from 2 folders\n")
    assert run(combine_data, "--out", tmp_path / "x", tmp_path / "a", tmp_path / "a", fails=True)
    run(combine_data, "--out", tmp_path / "y", "--without", "text", tmp_path / "a", tmp_path / "b")
    assert read_folder(tmp_path / "y").text is None and len(read_folder(tmp_path / "y").wav) == 8
    wrong = ("--out", tmp_path / "x", "--without", "wav.scp", tmp_path / "a")
    assert "--without wav.scp: one of text" in run(combine_data, *wrong, fails=True).stderr


def test_mistakes_are_one_line_on_standard_error(tmp_path):
    missing = tmp_path / "none"
    calls = [
        (prepare_data, "timit", "--corpus", missing, "--split", "test", "--out", tmp_path / "o"),
        (download_corpus, "librispeech", "--parts", "dev", "--out", tmp_path),
        (perturb_speed, "--data", missing, "--out", tmp_path / "o"),
        (perturb_speed, "--data", missing, "--out", missing),
        (format_wav, "--data", missing, "--out", tmp_path / "o"),
        (format_wav, "--data", missing, "--out", missing),
        (filter_lengths, "--data", missing, "--out", tmp_path / "o"),
        (combine_data, "--out", tmp_path / "o", missing),
        (validate_data, missing),
    ]
    for command, *arguments in calls:
        result = run(command, *arguments, fails=True)
        assert result.stderr.startswith("error: ") and result.stderr.count("\n") == 1
        assert result.stdout == ""


def test_validation_shows_the_first_problems(tmp_path):
    corpus = make_librispeech(tmp_path)
    options = ("--corpus", corpus, "--parts", "train-clean-100", "--out", tmp_path / "d")
    run(prepare_data, "librispeech", *options)
    for flac in corpus.rglob("*-0000.flac"):
        flac.write_bytes(b"")
    said = run(validate_data, tmp_path / "d", "--audio", "true", "--show", 2, fails=True).stderr
    lines = [line for line in said.splitlines() if line.startswith("error: ")]
    assert len(lines) == 3 and "'19-207-0000'" in lines[0] and "zero-length file" in lines[0]
    assert lines[2].endswith("d: 2 more problems")


@pytest.mark.parametrize("name", ["prepare_data", "download_corpus", "filter_lengths"])
def test_help_needs_nothing_heavy(name):
    code = (
        "import runpy, sys\n"
        f"sys.argv = ['{name}', '--help']\n"
        "try:\n"
        f"    runpy.run_module('espnet_wabert.bin.{name}', run_name='__main__')\n"
        "finally:\n"
        "    heavy = {'torch', 'espnet2', 'transformers', 'numpy', 'requests'} & set(sys.modules)\n"
        "    assert not heavy, heavy\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0 and "Usage:" in result.stdout, result.stderr
