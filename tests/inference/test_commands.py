"""`wabert transcribe` and `sentiment`: recordings, folders, lists, and what is wrong with them."""

import csv
import json
import os
import re
import signal

import pytest
import soundfile
from click.testing import CliRunner
from sounds import write_noise
from tiny import arguments, save

from espnet_wabert import WaBERT
from espnet_wabert.alignment.aligner import Aligner
from espnet_wabert.cli.main import main
from espnet_wabert.formats.lines import read_table
from espnet_wabert.inference.api import WaBERTInference
from espnet_wabert.models.checkpoint import pack


def transcribe(model, *arguments):
    return CliRunner().invoke(main, ["transcribe", *map(str, arguments), "--model", model])


def test_one_recording_gives_its_text_alone(model, tmp_path):
    write_noise(tmp_path / "a.wav")
    speech, _ = soundfile.read(tmp_path / "a.wav", dtype="float32")
    done = transcribe(model, tmp_path / "a.wav")
    assert done.exit_code == 0, done.output
    (wanted,) = WaBERTInference.from_pretrained(model).transcribe([speech])
    assert done.stdout.strip() == wanted.text.strip()


def test_a_folder_and_a_list_become_a_text_file(model, tmp_path):
    (tmp_path / "in").mkdir()
    for number, suffix in enumerate(("wav", "flac", "ogg")):
        write_noise(tmp_path / f"in/u{number}.{suffix}", 1 + number / 2, seed=number)
    (tmp_path / "in/notes.txt").write_text("no audio")
    write_noise(tmp_path / "b.wav")
    (tmp_path / "wav.scp").write_text(f"listed {tmp_path / 'b.wav'}\n")
    out = tmp_path / "text"
    done = transcribe(model, tmp_path / "in", tmp_path / "wav.scp", "--out", out)
    assert done.exit_code == 0, done.output
    assert "4 utterances done, 0 skipped" in done.stdout
    assert set(read_table(out)) == {"u0", "u1", "u2", "listed"}


def test_what_cannot_be_read_is_named_and_the_rest_is_done(model, tmp_path):
    write_noise(tmp_path / "good.wav")
    write_noise(tmp_path / "short.wav", 0.01)
    (tmp_path / "broken.wav").write_bytes(b"RIFF no audio")
    files = [tmp_path / f"{name}.wav" for name in ("good", "short", "broken", "absent")]
    done = transcribe(model, *files)
    assert done.exit_code == 1
    assert done.stdout.startswith("good")
    skipped = re.findall(r"skipped: utterance (\w+):", done.stderr)
    assert sorted(skipped) == ["absent", "broken", "short"]


def test_two_recordings_of_one_name_and_an_empty_folder_are_errors(model, tmp_path):
    (tmp_path / "other").mkdir()
    done = transcribe(model, tmp_path / "other")
    assert done.exit_code == 1 and "no audio file in this folder" in done.stderr
    for folder in (tmp_path, tmp_path / "other"):
        write_noise(folder / "a.wav")
    done = transcribe(model, tmp_path / "a.wav", tmp_path / "other")
    assert done.exit_code == 1 and "utterance id 'a' is also that of" in done.stderr


def test_sentiment_has_a_label_and_a_probability_for_each(tmp_path):
    write_noise(tmp_path / "a.wav")
    weights = save(arguments("wabert_sentiment"), tmp_path / "m", seed=0)
    packed = pack(weights, tmp_path / "s.zip")
    arguments_ = ["sentiment", str(tmp_path / "a.wav"), "--model", str(packed)]
    done = CliRunner().invoke(main, arguments_)
    assert done.exit_code == 0, done.output
    label, *scores = done.stdout.split()
    found = {name: float(p) for name, p in (score.split("=") for score in scores)}
    assert label in found and sum(found.values()) == pytest.approx(1.0, abs=2e-3)
    assert found[label] == max(found.values())


def test_a_model_of_another_kind_is_named(model, tmp_path):
    write_noise(tmp_path / "a.wav")
    done = CliRunner().invoke(main, ["sentiment", str(tmp_path / "a.wav"), "--model", model])
    assert done.exit_code == 1 and "a 'wabert' model cannot classify sentiment" in done.stderr


@pytest.mark.parametrize("kind", ["json", "jsonl", "csv"])
def test_texts_are_written_for_other_programs(model, tmp_path, kind):
    for seed, name in enumerate("ab"):
        write_noise(tmp_path / f"{name}.wav", seed=seed)
    lines = transcribe(model, tmp_path).stdout.splitlines()
    out = tmp_path / "new" / "texts"
    done = transcribe(model, tmp_path, "--format", kind, "--out", out)
    assert done.exit_code == 0, done.output
    read = {
        "json": json.load,
        "jsonl": lambda file: [json.loads(line) for line in file],
        "csv": lambda file: list(csv.DictReader(file)),
    }
    with out.open(encoding="utf-8") as file:
        rows = read[kind](file)
    assert [f"{row['utterance']} {row['text']}".strip() for row in rows] == lines


def test_words_are_written_as_a_table_and_as_json_lines(model, tmp_path):
    write_noise(tmp_path / "a.wav")
    out = tmp_path / "out"
    call = ["align", str(tmp_path / "a.wav"), "--text", 'the "good" film', "--out", str(out)]
    done = CliRunner().invoke(main, [*call, "--format", "csv,jsonl,json", "--model", model])
    assert done.exit_code == 0, done.output
    (entry,) = json.loads((out / "a.json").read_text()).values()
    with (out / "words.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["word"] for row in rows] == [word["word"] for word in entry["words"]]
    assert [float(row["start"]) for row in rows] == [word["start"] for word in entry["words"]]
    (line,) = (out / "alignment.jsonl").read_text().splitlines()
    assert json.loads(line) == {"utterance": "a", **entry}


def test_an_input_or_a_recording_is_not_replaced(tmp_path):
    for name in "abc":
        write_noise(tmp_path / f"{name}.wav")
    (tmp_path / "wav.scp").write_text(f"u {tmp_path}/a.wav\n")
    kept = {path: path.read_bytes() for path in tmp_path.iterdir()}
    for sources, out, what in (
        (["b.wav", "c.wav"], "a.wav", "a recording"),  # --out *.wav
        (["c.wav"], "c.wav", "an input"),
        (["wav.scp"], "wav.scp", "an input"),
    ):
        sources = [tmp_path / source for source in sources]
        done = transcribe(tmp_path / "no model is loaded", *sources, "--out", tmp_path / out)
        assert done.exit_code == 1 and done.stderr.count("\n") == 1
        assert f"--out {tmp_path / out}: is {what}, which would be replaced" in done.stderr
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == kept


def test_an_out_that_cannot_be_written_ends_before_the_work(tmp_path):
    write_noise(tmp_path / "a.wav")
    (tmp_path / "results").mkdir()
    (tmp_path / "file").touch()
    for out, message in (
        ("results", f"--out {tmp_path / 'results'}: is a folder; the results are one file"),
        ("file/texts", f"{tmp_path / 'file'}: File exists"),
    ):
        done = transcribe(tmp_path / "no model is loaded", tmp_path, "--out", tmp_path / out)
        assert done.exit_code == 1 and done.stderr == f"error: {message}\n"


def test_what_is_done_before_an_interruption_is_written(model, tmp_path, monkeypatch):
    for name in "ab":
        write_noise(tmp_path / f"{name}.wav")
        (tmp_path / f"{name}.txt").write_text("she was here")
    (tmp_path / "c.wav").write_text("no audio")
    begun = []

    def interrupted(method):
        def second(*arguments, **options):
            begun.append(method)
            if len(begun) == 2:
                os.kill(os.getpid(), signal.SIGTERM)
            return method(*arguments, **options)

        return second

    monkeypatch.setattr(WaBERT, "read_batch", interrupted(WaBERT.read_batch))
    single = ("--batch_seconds", "1.0")
    done = transcribe(model, tmp_path, "--out", tmp_path / "texts", *single)
    assert done.exit_code == 1
    assert "error: interrupted: the other utterances are not done" in done.stderr
    assert len(read_table(tmp_path / "texts")) == 1
    assert "texts: 1 utterances done, 1 skipped\n" in done.stdout
    assert "skipped: utterance c: " in done.stderr

    begun.clear()
    monkeypatch.setattr(Aligner, "align_encoded", interrupted(Aligner.align_encoded))
    (tmp_path / "c.txt").write_text("he was not")
    out = tmp_path / "aligned"
    out.mkdir()
    for name in ("skipped", "low_confidence"):  # of an earlier run
        (out / name).write_text("earlier 0.1\n")
    done = CliRunner().invoke(
        main, ["align", str(tmp_path), "--out", str(out), "--model", model, *single]
    )
    assert done.exit_code == 1 and "error: interrupted" in done.stderr
    assert read_table(out / "skipped").keys() == {"c"}
    assert not (out / "low_confidence").exists()
    (of_one,) = out.glob("*.TextGrid")
    lines = (out / "words.ctm").read_text().splitlines()
    assert {line.split()[0] for line in lines} == {of_one.stem}
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
