"""Transcripts of a recognizer are kept while nothing that went in has changed."""

import shutil
from threading import Thread

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner
from filelock import FileLock
from tiny_sources import write_tiny_recognizer

from espnet_wabert.bin.transcribe import main


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """A recognizer, a set of three recordings, and what was transcribed."""
    folder = tmp_path_factory.mktemp("transcribe")
    write_tiny_recognizer(folder / "recognizer")
    data = folder / "raw/dev"
    data.mkdir(parents=True)
    (folder / "audio").mkdir()
    for number in range(3):
        record(folder / f"audio/u{number}.wav", number)
    values = {"wav.scp": f"{folder}/audio/u{{}}.wav", "utt2spk": "u{}", "spk2utt": "u{}",
              "utt2num_samples": "8000", "text": "hello there"}  # fmt: skip
    for name, value in values.items():
        lines = [f"u{number} {value.format(number)}\n" for number in range(3)]
        (data / name).write_text("".join(lines))
    assert "computed" not in transcribe(folder) and "there already" in transcribe(folder)
    return folder


def record(path, seed: int) -> None:
    soundfile.write(path, np.random.default_rng(seed).normal(size=8000) * 0.1, 16000)


def transcribe(folder) -> str:
    """Run the command; return what it says of the set."""
    arguments = ["--recognizer", folder / "recognizer", "--dump", folder / "raw", "--sets", "dev"]
    done = CliRunner().invoke(main, [*map(str, arguments), "--out", str(folder / "out")])
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("audio/u1.wav", "a recording of {}/raw/dev/wav.scp has changed"),
        ("raw/dev/text", "{}/raw/dev/text has changed"),
        ("recognizer/config.json", "{}/recognizer/config.json has changed"),
        ("out/dev/text", "{}/out/dev/text has changed"),
        ("out/dev/recognizer.json", "{}/out/dev/recognizer.json is damaged"),
    ],
)
def test_what_has_changed_is_named_and_transcribed_again(first, path, reason):
    file = first / path
    kept = (first / "out/dev/text").read_text()
    if file.suffix == ".wav":
        shutil.copy(first / "audio/u2.wav", file)  # other audio of the same length
    elif file.parent.name == "recognizer":
        file.write_text(file.read_text() + "\n")
    else:
        file.write_text(file.read_text()[:-6] + "\n")
    assert f"{first}/out/dev/text: computed again: {reason.format(first)}\n" in transcribe(first)
    assert "there already" in transcribe(first)
    if file.suffix != ".wav":
        assert (first / "out/dev/text").read_text() == kept


def test_of_two_at_the_same_time_the_second_one_finds_the_transcripts(first):
    """Seeds of a pipeline that are decoded side by side; the first one is this test."""
    out, said = first / "out/dev", []
    with FileLock(out / ".lock"):
        (out / "recognizer.json").rename(first / "kept")
        second = Thread(target=lambda: said.append(transcribe(first)))
        second.start()
        (first / "kept").rename(out / "recognizer.json")
    second.join()
    assert len(said) == 1 and "there already" in said[0]
