"""`wabert encode`, `convert` and `info`; globs and standard input."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from sounds import write_noise
from tiny import arguments, save

from espnet_wabert.cli.main import COMMANDS, main
from espnet_wabert.formats.words import read_words


def run(*arguments):
    return CliRunner().invoke(main, list(map(str, arguments)))


def test_every_command_has_a_help_with_an_example():
    for name in COMMANDS:
        shown = run(name, "--help")
        assert shown.exit_code == 0 and f"wabert {name}" in shown.output.split("Options:")[0][30:]


def test_encode_writes_arrays_of_each_recording(model, tmp_path):
    write_noise(tmp_path / "a.wav"), write_noise(tmp_path / "b.wav", seed=1)
    (tmp_path / "c.wav").write_text("no audio")
    done = run("encode", tmp_path / "*.wav", "--out", tmp_path / "out", "--model", model)
    assert done.exit_code == 1 and "2 utterances encoded, 1 skipped" in done.output
    assert "skipped: utterance c" in done.output
    found = np.load(tmp_path / "out/a.npz")
    count = len(found["starts"])
    assert len(found["aligned"]) == len(found["hidden"]) == len(found["ends"]) == count > 0


def test_standard_input_gives_what_the_file_gives(model, tmp_path):
    path = write_noise(tmp_path / "a.wav")
    command = [sys.executable, "-m", "espnet_wabert.cli.main", "transcribe", "--model", model]
    shown = subprocess.run([*command, "-"], input=path.read_bytes(), capture_output=True)
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.decode().strip() == run(*command[3:], path).stdout.strip()


def test_converted_words_keep_their_times(tmp_path):
    ctm = tmp_path / "words.ctm"
    ctm.write_text("u1 1 0.100 0.400 well\nu1 1 0.500 0.250 done\nu2 1 1.000 0.500 yes\n")
    out = tmp_path / "out"
    done = run("convert", ctm, "--out", out, "--format", "textgrid,json,ctm,srt,audacity")
    assert done.exit_code == 0 and "2 utterances, 3 words" in done.output
    wanted = read_words(ctm)
    assert read_words(out / "words.ctm") == wanted
    for kind in ("textgrid", "json"):
        for utterance, words in read_words(out, kind).items():
            assert [w.word for w in words] == [w.word for w in wanted[utterance]]
            np.testing.assert_allclose([w[1:] for w in words], [w[1:] for w in wanted[utterance]])
    assert "00:00:00,100 --> 00:00:00,750" in (out / "u1.srt").read_text()
    assert (out / "u2.txt").read_text() == "1.000000\t1.500000\tyes\n"
    assert json.loads((out / "u2.json").read_text())["u2"]["words"][0]["word"] == "yes"


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (["--format", "doc"], "error: --format doc: must be one or more of"),
        (["--from", "doc"], "error: format 'doc' is not one of"),
    ],
)
def test_convert_names_what_is_wrong(tmp_path, extra, message):
    (tmp_path / "words.ctm").write_text("u1 1 0.1 0.4 well\n")
    done = run("convert", tmp_path / "words.ctm", "--out", tmp_path / "out", *extra)
    assert done.exit_code == 1 and message in done.output


def test_convert_keeps_its_inputs_and_the_transcripts_of_recordings(tmp_path):
    entry = {"words": [{"word": "well", "start": 0, "end": 1, "confidence": 0.5}]}
    (tmp_path / "u.json").write_text(json.dumps({"u": {**entry, "subwords": []}}))
    (tmp_path / "other.ctm").write_text("u 1 0 1 well\n")
    (tmp_path / "words.ctm").write_text("u 1 0 1 well 0.5\n")
    write_noise(tmp_path / "u.wav")
    (tmp_path / "u.txt").write_text("well\n")
    kept = {path: path.read_bytes() for path in tmp_path.iterdir()}
    for given, kind, message in (
        ("u.json", "json", "u.json: is an input, which would be replaced"),
        ("words.ctm", "srt,ctm", "words.ctm: is an input, which would be replaced"),
        ("words.ctm", "audacity", "u.txt: is the transcript of a recording"),
        ("other.ctm", "ctm", "words.ctm: is a CTM with confidences"),
        ("other.ctm", "srt,json", "u.json: is of `wabert align`, with subwords"),
    ):
        done = run("convert", tmp_path / given, "--out", tmp_path, "--format", kind)
        assert done.exit_code == 1 and message in done.output and done.output.count("\n") == 1
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == kept
    for name in ("u.txt", "u.json", "words.ctm"):
        (tmp_path / name).unlink()
    call = ["--out", tmp_path, "--format", "audacity,json,ctm,textgrid"]
    for _ in range(2):  # its own files are replaced
        done = run("convert", tmp_path / "other.ctm", *call)
        assert done.exit_code == 0, done.output


def test_convert_sorts_words_and_counts_labels_of_silence(tmp_path):
    (tmp_path / "words.ctm").write_text("u 1 2 .5 b\nu 1 0 .5 sp\nu 1 1 .5 Pau\n")
    call = ["--out", tmp_path / "out", "--format", "srt,textgrid"]
    done = run("convert", tmp_path / "words.ctm", *call)
    assert done.exit_code == 0 and "taken as silence" not in done.output
    assert "00:00:00,000 --> 00:00:02,500\nsp Pau b" in (tmp_path / "out/u.srt").read_text()
    done = run("convert", tmp_path / "out/u.TextGrid", "--out", tmp_path / "again")
    assert done.exit_code == 0 and "2 labels are taken as silence: Pau, sp\n" in done.output
    (tmp_path / "words.ctm").write_text("u 1 0 1 he\nu 1 1 1 <jumps>\n")
    done = run("convert", tmp_path / "words.ctm", *call)
    assert done.exit_code == 0 and "1 labels are taken as silence: <jumps>\n" in done.output


def test_info_says_what_a_model_can_do(model, tmp_path):
    shown = run("info", "--model", model).output
    assert "model: wabert\n" in shown and "methods of alignment: " in shown
    classifier = save(arguments("wabert_sentiment"), tmp_path)
    assert "labels: Negative, Neutral, Positive" in run("info", "--model", classifier).output


def test_a_glob_without_files_is_an_error(model, tmp_path):
    done = run("transcribe", tmp_path / "*.wav", "--model", model)
    assert done.exit_code == 1 and "*.wav: no such file" in done.output


def test_jobs_is_the_number_of_threads(model, tmp_path):
    write_noise(tmp_path / "a.wav")
    code = """
import sys
from espnet_wabert.cli.main import main
main(sys.argv[1:], standalone_mode=False)
import numba, torch
print(torch.get_num_threads(), numba.get_num_threads())
"""
    call = ["transcribe", str(tmp_path / "a.wav"), "--model", model, "--jobs", "1"]
    done = subprocess.run([sys.executable, "-c", code, *call], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "1 1"


@pytest.mark.parametrize(("typed", "wanted"), [("al", "align"), ("align --j", "--jobs")])
def test_the_shell_completes_commands_and_options(typed, wanted):
    words = f"wabert {typed}".split()
    environment = {
        **os.environ,
        "_WABERT_COMPLETE": "bash_complete",
        "COMP_WORDS": " ".join(words),
        "COMP_CWORD": str(len(words) - 1),
    }
    command = [str(Path(sys.executable).parent / "wabert")]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.stdout.splitlines() == [f"plain,{wanted}"]


def test_align_takes_a_folder_with_a_transcript_beside_each_recording(model, tmp_path):
    folder, out = tmp_path / "speech", tmp_path / "out"
    folder.mkdir()
    for name, suffix in (("a", ".txt"), ("b", ".LAB"), ("c", ".lab")):
        write_noise(folder / f"{name}.wav")
        (folder / f"{name}{suffix}").write_text("the good\nfilm\n")
    write_noise(folder / "d.wav")
    done = run("align", folder, "--out", out, "--model", model)
    assert done.exit_code == 0, done.output
    assert "3 utterances aligned" in done.output and "not in" in done.output
    assert "0 skipped, 1 without transcript or recording" in done.output
    assert (out / "skipped").read_text() == f"d has no transcript in {folder}\n"
    words = read_words(out / "words.ctm")
    assert {name: len(row) for name, row in words.items()} == {"a": 3, "b": 3, "c": 3}
    lines = "".join(f"{name} the film\n" for name in "abd")
    (tmp_path / "text").write_text(lines)
    done = run("align", folder, "--text", tmp_path / "text", "--out", out, "--model", model)
    assert done.exit_code == 0 and sorted(read_words(out / "words.ctm")) == ["a", "b", "d"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["speech"], "speech: a folder of recordings needs --out"),
        (["speech", "--out", "out"], "no transcript (.txt or .lab) in this folder"),
        (["speech/a.wav"], "speech/a.wav: its transcript is needed: --text"),
        (["empty", "--out", "out"], "empty: no audio file in this folder"),
    ],
)
def test_mistakes_with_folders_are_one_line(model, tmp_path, monkeypatch, given, message):
    monkeypatch.chdir(tmp_path)
    for name in ("speech", "empty"):
        (tmp_path / name).mkdir()
    write_noise(tmp_path / "speech/a.wav")
    done = run("align", *given, "--model", model)
    assert done.exit_code == 1 and message in done.output and done.output.count("\n") == 1


def test_two_transcripts_of_a_recording_are_an_error(model, tmp_path):
    write_noise(tmp_path / "a.wav")
    for suffix in (".lab", ".txt"):
        (tmp_path / f"a{suffix}").write_text("good")
    done = run("align", tmp_path, "--out", tmp_path / "out", "--model", model)
    assert done.exit_code == 1 and "is a transcript of the same recording" in done.output


def test_files_that_differ_in_their_suffix_only_are_both_read(model, tmp_path):
    for name in ("a.wav", "a.flac", "b.wav"):
        write_noise(tmp_path / name)
    done = run("transcribe", tmp_path, "--model", model, "--format", "json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout[done.stdout.index("[") :])
    assert [row["utterance"] for row in found] == ["a.flac", "a.wav", "b"]


@pytest.mark.parametrize("device", ["tpu", "cuda:99", "meta:x"])
def test_a_device_that_is_not_there_is_one_line(model, tmp_path, device):
    path = write_noise(tmp_path / "a.wav")
    done = run("transcribe", path, "--model", model, "--device", device)
    assert done.exit_code == 1 and done.output.startswith(f"error: device {device}: ")
    assert done.output.count("\n") == 1
