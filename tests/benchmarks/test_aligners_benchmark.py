"""The benchmark of aligners runs, and every system finds the words."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile

from espnet_wabert.constants import SAMPLE_RATE
from espnet_wabert.formats.word import Word
from espnet_wabert.formats.words import write_ctm
from espnet_wabert.mini.real_speech import librivox

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
MOST_MS = {  # mean error of word boundaries; the reference is pocketsphinx's
    "wabert align": 40,
    "wabert align, one by one": 40,
    "letters, forced_align": 120,
    "pocketsphinx": 40,
    "Whisper's attention": 250,
}


@pytest.fixture
def data(tmp_path):
    """A data folder of two recordings of a reader, with known word times."""
    folder, words = tmp_path / "data", {}
    folder.mkdir()
    for one in list(librivox())[:2]:
        soundfile.write(folder / f"{one.utterance}.wav", one.audio, SAMPLE_RATE)
        with (folder / "wav.scp").open("a") as wav, (folder / "text").open("a") as text:
            wav.write(f"{one.utterance} {folder / one.utterance}.wav\n")
            text.write(f"{one.utterance} {one.text}\n")
        words[one.utterance] = [Word(*row) for row in one.words]
    write_ctm(folder / "words.ctm", words)
    return folder


def test_every_system_finds_the_words(data, tmp_path):
    command = [sys.executable, str(ROOT / "benchmarks/aligners.py"), "--data", str(data)]
    done = subprocess.run(
        [*command, "--repeats", "1", "--threads", "1", "--out", str(tmp_path)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    rows = json.loads((tmp_path / "aligners.json").read_text())["aligners"]
    assert [(row["system"], row["joined_to"]) for row in rows] == [
        (system, seconds) for seconds in (0, 28) for system in MOST_MS
    ]
    for row in rows:
        assert row["failed"] == 0 and row["mean_ms"] < MOST_MS[row["system"]], row
        assert row["min"] <= row["median"] <= row["max"] and row["times_real_time"] > 0
