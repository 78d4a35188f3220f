"""Transcripts that begin or end with other words than the recording, with the model in the box."""

import numpy as np
import pytest

from espnet_wabert import WaBERT
from espnet_wabert.alignment.long_transcript import Heard
from espnet_wabert.alignment.transcript_ends import find_frames, heard_part
from espnet_wabert.inference.align_corpus import align_all
from espnet_wabert.inference.recordings import from_samples
from espnet_wabert.mini.real_speech import librivox
from espnet_wabert.modules.ctc_head import SYMBOLS


def heard(text: str) -> list[Heard]:
    return [Heard(word, 10 * at, 10 * at + 8) for at, word in enumerate(text.split())]


@pytest.mark.parametrize(
    ("read", "said", "wanted"),
    [
        ("the good film", "the good film", range(3)),
        ("tha good film", "it is the good film", range(2, 5)),
        ("the good filn", "the good film was not seen", range(3)),
        ("tobe or not to be", "to be or not to be", range(6)),  # cut in another place
        ("was that the good film", "the good film", range(3)),
        ("something else", "the good film", None),
    ],
)
def test_words_that_are_not_heard_are_those_whose_letters_are_missing(read, said, wanted):
    assert heard_part(heard(read), said.split()) == wanted


def test_frames_are_those_of_the_words():
    """'a b' in frames 40 to 70 of others' letters."""
    other = ["c", "", "d", ""]
    text = other * 10 + ["a", *[""] * 9, " ", *[""] * 9, "b", *[""] * 9] + other * 5
    log_p = np.full((len(text), len(SYMBOLS)), -9.0, dtype=np.float32)
    log_p[np.arange(len(text)), [SYMBOLS.index(letter) for letter in text]] = -0.01
    first, end = find_frames(log_p, ["a", "b"])
    assert 38 <= first <= 40 and 61 <= end <= 70
    assert find_frames(log_p[:2], ["a", "b"]) is None


@pytest.fixture(scope="module")
def read(tmp_path_factory):
    """Samples, text and true words of three sentences of a reader."""
    found = list(librivox())[:3]
    return [(r.audio.astype(np.float32) / 2**15, r.text.lower(), r.words) for r in found]


@pytest.fixture(scope="module")
def model():
    return WaBERT.from_pretrained()


def errors(words, true) -> np.ndarray:
    times = np.array([word[1:] for word in words])
    return np.abs(times - np.array([word[1:] for word in true]))


def test_a_recording_that_says_more_than_the_transcript(model, read):
    audio = np.concatenate([samples for samples, *_ in read])
    start = 0.0
    for samples, text, true in read:
        found = model.align(audio, text)
        moved = [(word, start + first, start + last) for word, first, last in true]
        assert errors(found.words, moved).mean() < 0.04 and found.confidence > 0.9
        start += len(samples) / 16000


def test_a_transcript_that_says_more_than_the_recording(model, read):
    (_, before, _), (audio, text, true), (_, after, _) = read
    count, more = len(before.split()), len(after.split())
    found = model.align(audio, f"{before} {text} {after}")
    assert errors(found.words[count:-more], true).mean() < 0.04
    unheard = found.words[:count] + found.words[-more:]
    assert all(word.start == word.end for word in unheard)
    assert [word.word for word in unheard] == before.split() + after.split()
    assert found.word_confidences[:count] == [0.0] * count
    assert min(found.word_confidences[count:-more]) > 0.1
    recording = from_samples("a", audio, 16000, f"{before} {text} {after}")
    notes = align_all(model.inference, [recording], lambda *_: None, bar=False).notes
    assert notes and "utterance a: its transcript" in notes[0]
    assert f"{count + more} words are not heard" in notes[0]


def test_the_transcript_of_another_recording_stays_in_doubt(model, read):
    texts = [text for _, text, _ in read]
    found = model.align([samples for samples, *_ in read], texts[1:] + texts[:1])
    assert max(one.confidence for one in found) < 0.72
    assert all(0.0 not in (word.end - word.start for word in one.words) for one in found)
