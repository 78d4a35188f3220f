"""Sentiment of what an aligned model reads: parts of long texts, and recordings without words."""

import numpy as np
import pytest
from tiny import save, text_arguments

from espnet_wabert.errors import UserError
from espnet_wabert.inference import word_sentiment
from espnet_wabert.inference.api import WaBERTInference
from espnet_wabert.inference.word_sentiment import WordSentiment

FILM = "the good film of the bad film not"


@pytest.fixture(scope="module")
def classifier(tmp_path_factory):
    return WaBERTInference.from_pretrained(save(text_arguments(), tmp_path_factory.mktemp("m")))


def judge(classifier, *texts):
    return WordSentiment(lambda speech: list(texts), classifier)([])


def test_a_short_text_is_judged_whole(classifier):
    (found,) = judge(classifier, FILM)
    assert found == classifier.classify([FILM])[0]
    assert str(found).startswith(f"{found.label} Negative=")


def test_parts_of_a_long_text_have_the_weight_of_their_words(classifier, monkeypatch):
    monkeypatch.setattr(word_sentiment, "PART", 3)
    alone, long = judge(classifier, "not bad", FILM)
    assert alone.scores == pytest.approx(classifier.classify(["not bad"])[0].scores, abs=1e-5)
    parts = ["the good", "film of the", "bad film not"]
    scores = np.array([classifier.classify([part])[0].scores for part in parts])
    np.testing.assert_allclose(
        long.scores, (2 * scores[0] + 3 * scores[1] + 3 * scores[2]) / 8, atol=1e-5
    )
    assert long.label == long.labels[int(np.argmax(long.scores))]


def test_a_recording_without_words_is_an_error_of_its_own(classifier):
    silent, beside = judge(classifier, "", "not bad")
    assert isinstance(silent, UserError) and "no words" in str(silent)
    assert beside.scores == pytest.approx(classifier.classify(["not bad"])[0].scores, abs=1e-5)
