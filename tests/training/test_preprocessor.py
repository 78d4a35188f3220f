"""Word times in training: from words.ctm to the times of each token."""

import numpy as np
import pytest

from espnet_wabert.errors import UserError
from espnet_wabert.formats.kaldi import DataFolder, write_folder
from espnet_wabert.formats.word import Word
from espnet_wabert.training.preprocessor import WaBERTPreprocessor
from espnet_wabert.training.shapes import word_times, write_shapes

VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "play", "##ing", "well"]
WORDS = [Word("playing", 0.25, 0.5), Word("well", 0.75, 1.0)]


def parse(line: str) -> np.ndarray:
    """Return the numbers of a line as ESPnet's loader of text_float does."""
    return np.array([float(field) for field in line.split()[1:]], dtype=np.float32)


def processed(times: np.ndarray) -> dict:
    preprocessor = WaBERTPreprocessor(train=True, vocabulary=VOCABULARY)
    return preprocessor("utt1", {"text": "playing well", "word_times": times})


def test_every_piece_has_the_times_of_its_word():
    data = processed(parse(word_times("utt1", WORDS)))
    assert data["text"].tolist() == [2, 4, 5, 6, 3]
    free = [-np.inf, np.inf]
    wanted = [free, [0.25, 0.5], [0.25, 0.5], [0.75, 1.0], free]
    assert data["token_times"].tolist() == wanted and "word_times" not in data


def test_an_utterance_without_word_times_is_free():
    times = processed(parse(word_times("utt1", [])))["token_times"]
    assert np.isinf(times).all()


def test_times_of_another_transcript_name_the_utterance():
    with pytest.raises(UserError, match="utterance utt1: times of 1 words, but 2 words"):
        processed(parse(word_times("utt1", WORDS[:1])))


def test_word_times_of_an_earlier_run_are_removed(tmp_path):
    """With those of other data a training would learn from times that are not its own."""
    (tmp_path / "vocabulary").write_text("\n".join(VOCABULARY) + "\n")
    one = {"utt1": "playing well"}
    folder = DataFolder({"utt1": "a.flac"}, {"utt1": "utt1"}, one, words={"utt1": tuple(WORDS)})
    folder = folder._replace(seconds={"utt1": 1.0}, samples={"utt1": 16000})
    for data, names in (
        (folder, {"speech_shape", "text_shape", "word_times"}),
        (folder._replace(words=None), {"speech_shape", "text_shape"}),
        (folder._replace(words=None, text=None), {"speech_shape"}),
    ):
        write_folder(data, tmp_path / "data")
        write_shapes(tmp_path / "data", None, tmp_path / "vocabulary", tmp_path / "stats")
        assert {file.name for file in (tmp_path / "stats").iterdir()} == names
