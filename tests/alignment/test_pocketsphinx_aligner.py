"""pocketsphinx beside the model: words in order and inside the audio, failures counted."""

import json
import sys

import numpy as np
import pytest
import soundfile
import soxr
from click.testing import CliRunner

from espnet_wabert.alignment.pocketsphinx_aligner import NotAlignedError, PocketsphinxAligner
from espnet_wabert.bin import align_pocketsphinx, score_alignment
from espnet_wabert.errors import UserError
from espnet_wabert.formats.kaldi import DataFolder, write_folder
from espnet_wabert.formats.word import Word
from espnet_wabert.formats.words import read_words
from espnet_wabert.mini.espeak import RATE, EspeakVoice
from espnet_wabert.mini.speech import Manner

TEXT = "the film was good and not too long"
SILENCE = np.zeros(8000, np.float32)  # half a second


@pytest.fixture(scope="module")
def spoken():
    """One sentence at 16 kHz between two silences, and the true times of its words."""
    speech = EspeakVoice("gmw/en-US+m3").speak(TEXT, Manner(rate=0.9), 0)
    audio = soxr.resample(speech.samples, RATE, 16000)
    times = [
        Word(w, s / RATE + 0.5, e / RATE + 0.5)
        for w, (s, e) in zip(TEXT.split(), speech.words, strict=True)
    ]
    return np.concatenate([SILENCE, audio, SILENCE]), times


@pytest.fixture(scope="module")
def aligner():
    return PocketsphinxAligner()


def test_words_are_in_order_inside_the_audio_and_near_the_truth(aligner, spoken):
    audio, truth = spoken
    words = aligner(audio, "The film was good, and not too LONG.")
    assert [w.word for w in words] == "The film was good, and not too LONG.".split()
    edges = [edge for word in words for edge in word[1:]]
    assert edges == sorted(edges) and edges[0] >= 0 and edges[-1] <= len(audio) / 16000
    errors = [
        abs(a - b)
        for w, t in zip(words, truth, strict=True)
        for a, b in zip(w[1:], t[1:], strict=True)
    ]
    assert np.mean(errors) < 0.05
    assert aligner(audio, "The film was good, and not too LONG.") == words  # no memory


def test_what_it_cannot_align_says_why(aligner, spoken):
    with pytest.raises(NotAlignedError, match="not in the dictionary: 1999, zzxqy"):
        aligner(spoken[0], "the zzxqy of 1999")
    with pytest.raises(NotAlignedError, match=r"the search ended with \d+ of 60 words"):
        aligner(SILENCE, "extraordinary " * 60)
    assert aligner(spoken[0], " -- ") == []


def test_failed_utterances_are_listed_and_counted(tmp_path, spoken):
    texts = {"a1": TEXT, "a2": "nonsense zzxqy", "a3": " ".join(["extraordinary"] * 60)}
    wav = {u: str(tmp_path / f"{u}.wav") for u in texts}
    for path in wav.values():
        soundfile.write(path, spoken[0], 16000)
    words = {u: tuple(Word(w, 0.6, 0.9) for w in texts[u].split()) for u in texts}
    words["a1"] = tuple(spoken[1])
    write_folder(DataFolder(wav, dict.fromkeys(wav, "a"), texts, words=words), tmp_path / "data")
    arguments = ["--data", str(tmp_path / "data"), "--out", str(tmp_path / "ps.ctm")]
    done = CliRunner().invoke(align_pocketsphinx.main, arguments)
    assert done.exit_code == 0 and "1 of 3 utterances aligned, 2 failed" in done.stdout
    assert list(read_words(tmp_path / "ps.ctm")) == ["a1"]
    failed = (tmp_path / "ps.ctm.failures").read_text().splitlines()
    assert failed[0] == "a2 not in the dictionary: zzxqy" and failed[1].startswith("a3 the search")
    arguments = ["--ref", str(tmp_path / "data/words.ctm"), "--hyp", str(tmp_path / "ps.ctm")]
    arguments += ["--name", "pocketsphinx", "--results", str(tmp_path / "results.json")]
    assert CliRunner().invoke(score_alignment.main, arguments).exit_code == 0
    row = json.loads((tmp_path / "results.json").read_text())["alignment"]["pocketsphinx"]
    assert (row["utterances"], row["failed"]) == (1, 2) and row["mean_ms"] < 50


def test_without_the_package_one_line_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "pocketsphinx", None)
    with pytest.raises(UserError, match=r"pip install 'espnet_wabert\[reference\]'"):
        PocketsphinxAligner()
