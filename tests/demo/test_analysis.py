"""What the page shows: right for speech of a person, one line for what cannot be analyzed."""

import base64
import io
import re

import numpy as np
import pytest
import soundfile
from aligners import write_model
from PIL import Image
from tiny import arguments, save

from espnet_wabert import WaBERT
from espnet_wabert.demo.analysis import Analyzer
from espnet_wabert.demo.clips import CLIPS, DASHWOOD
from espnet_wabert.demo.picture import picture
from espnet_wabert.demo.tables import (
    candidates_table,
    distance,
    methods_table,
    summary,
    words_table,
)
from espnet_wabert.errors import UserError
from espnet_wabert.formats.word import Word
from espnet_wabert.models.checkpoint import pack

RIGHT, UNTOLD, WRONG = CLIPS


@pytest.fixture(scope="module")
def analyzer():
    return Analyzer(WaBERT.from_pretrained(), max_seconds=10)


@pytest.fixture(scope="module")
def seen(analyzer):
    return analyzer(RIGHT.path, RIGHT.text)


def noise(seconds: float) -> np.ndarray:
    return np.random.default_rng(0).normal(size=int(seconds * 16000)) * 0.1


def test_a_clip_is_aligned_by_every_method(analyzer, seen):
    assert list(seen.by_method) == analyzer.methods
    for found in seen.by_method.values():
        assert [word.word for word in found.words] == DASHWOOD.split()
    assert seen.read is None and not seen.doubted
    assert distance(*(seen.by_method[name].words for name in ("grapheme", "cif"))) < 300


def test_cif_fires_once_per_token(seen):
    count = len(seen.tokens) + 2  # with [CLS] and [SEP]
    assert len(seen.firing.fires) == count
    assert seen.firing.weights.sum() == pytest.approx(count, rel=1e-3)
    assert len(seen.firing.edges) == len(seen.firing.weights) + 1
    assert [len(pieces) for pieces in seen.top] == [5] * len(seen.tokens)


def test_cif_fires_where_its_words_are_after_a_long_pause(analyzer, tmp_path):
    samples, _ = soundfile.read(UNTOLD.path)
    longer = np.insert(samples, len(samples) // 2, np.zeros(5 * 16000))
    soundfile.write(tmp_path / "a.wav", longer, 16000)
    seen = analyzer(tmp_path / "a.wav", "he might even have been made amiable himself")
    ends = [word.end for word in seen.by_method["cif"].subwords]
    assert seen.firing.fires[1:-1] == pytest.approx(ends, abs=1e-3)
    assert seen.firing.weights.sum() == pytest.approx(len(ends) + 2, rel=1e-3)
    assert len(seen.firing.edges) == len(seen.firing.weights) + 1


def test_without_a_transcript_the_model_reads(analyzer):
    seen = analyzer(UNTOLD.path, " \n", "cif")
    assert seen.read == "he might even have been made amiable himself"
    assert seen.chosen.method == "cif" and not seen.doubted


def test_the_wrong_transcript_is_doubted(analyzer):
    seen = analyzer(WRONG.path, WRONG.text)
    assert seen.doubted
    assert "the transcript may not belong to this recording" in summary(seen)


@pytest.mark.parametrize(
    ("samples", "text", "message"),
    [
        (None, "a", "upload.wav: not an audio file: "),
        (noise(0.01), "a", "upload.wav: 160 samples at 16000 Hz, less than a frame"),
        (np.zeros(16000), "a", "the recording is silent: "),
        (np.full(16000, np.nan), "a", "upload.wav: sample 0 is not finite"),
        (noise(11), "a", "the recording has 11.0 s; at most 10 s are analyzed here"),
        (noise(1), "?!", "the transcript has no spoken word: '?!'"),
        (noise(1), "a " * 999, "the transcript has 1998 characters; 1.0 s of speech have at most"),
        (np.tile(noise(1)[:, None], 64), "a", "the recording has 64 channels at 16000 Hz; at most"),
    ],
)
def test_a_bad_upload_is_one_line(analyzer, tmp_path, samples, text, message):
    path = tmp_path / "upload.wav"
    if samples is None:
        path.write_text("<script>")
    else:
        soundfile.write(path, samples, 16000, subtype="FLOAT")
    with pytest.raises(UserError) as caught:
        analyzer(path, text)
    line = str(caught.value)
    assert line.startswith(message)
    assert "\n" not in line and str(tmp_path) not in line


def test_more_words_than_frames_are_aligned_by_cif(analyzer, tmp_path):
    soundfile.write(tmp_path / "a.wav", noise(0.3), 16000)
    seen = analyzer(
        tmp_path / "a.wav", "one two three four five six seven eight nine ten", "grapheme"
    )
    assert seen.chosen.method == "cif"
    assert "too short for grapheme" in summary(seen)


def test_sentiment_is_there_if_a_model_has_it(tmp_path):
    aligner = WaBERT.from_pretrained(write_model(tmp_path / "a"))
    assert Analyzer(aligner).classifier is None
    packed = pack(save(arguments("wabert_sentiment"), tmp_path / "b"), tmp_path / "sentiment.zip")
    found = Analyzer(aligner, WaBERT.from_pretrained(packed))(RIGHT.path, "the film").sentiment
    assert found.labels == ("Negative", "Neutral", "Positive")
    assert sum(found.scores) == pytest.approx(1.0, abs=1e-5)
    with pytest.raises(UserError):
        Analyzer(aligner, classifier=aligner)


def test_the_sentiment_is_that_of_the_command(analyzer, seen):
    """Though the recording is encoded once for the page, and once for each command."""
    wanted = analyzer.model.sentiment(str(RIGHT.path))
    assert seen.sentiment.label == wanted.label
    assert seen.sentiment.scores == pytest.approx(wanted.scores, abs=1e-5)


def test_the_words_of_a_doubted_transcript_are_not_judged(analyzer):
    """Those of the recording are; a transcript without doubt need not be read again."""
    seen = analyzer(WRONG.path, WRONG.text)
    assert seen.doubted
    wanted = analyzer.model.sentiment(str(WRONG.path))
    assert seen.sentiment.scores == pytest.approx(wanted.scores, abs=1e-5)
    (given,) = analyzer.model.word_sentiment.of_texts([WRONG.text])
    assert seen.sentiment.scores != pytest.approx(given.scores, abs=1e-2)


def test_tables_have_every_word_and_no_tag_of_a_user(analyzer):
    seen = analyzer(UNTOLD.path, "he might <script>alert(1)</script> & himself", "cif")
    for table in (words_table(seen, 'x"><script>'), methods_table(seen), candidates_table(seen)):
        assert "<script>" not in table
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in words_table(seen)
    assert words_table(seen).count("<tr>") == 1 + len(seen.chosen.words)
    assert methods_table(seen).count("<tr>") == 1 + len(seen.chosen.words)
    assert candidates_table(seen).count("<tr>") == 1 + len(seen.tokens)


def test_the_distance_of_methods_is_in_ms():
    assert distance([Word("a", 0.0, 1.0)], [Word("a", 0.1, 1.3)]) == pytest.approx(200)


def test_the_picture_grows_with_the_recording(analyzer, seen):
    short, long = (
        Image.open(io.BytesIO(base64.b64decode(re.search('base64,([^"]+)', drawn)[1])))
        for drawn in (picture(analyzer(UNTOLD.path)), picture(seen))
    )
    assert short.format == "PNG" and short.width < long.width and short.height == long.height
    gray = np.asarray(long.convert("L"))
    assert (gray < 128).mean() > 0.01  # something is drawn
