"""`from espnet_wabert import WaBERT`: every kind of audio in, results that print and save."""

import io
import json
import subprocess
import sys

import numpy as np
import pysubs2
import pytest
import soundfile
import torch
from aligners import write_model
from praatio import textgrid
from tiny import arguments, save

from espnet_wabert import WaBERT
from espnet_wabert.alignment.chunking import SILENCE
from espnet_wabert.constants import SAMPLE_RATE
from espnet_wabert.errors import UserError
from espnet_wabert.formats.words import read_words
from espnet_wabert.models.checkpoint import pack
from espnet_wabert.modules import precision

TEXT = "the good film"


@pytest.fixture(scope="module")
def model(own_cache, tmp_path_factory):
    return WaBERT.from_pretrained(write_model(tmp_path_factory.mktemp("model")))


def noise(seconds=1.0, seed=0):
    return (np.random.default_rng(seed).normal(size=int(seconds * 16000)) * 0.1).astype(np.float32)


def times(aligned):
    return np.array([word[1:] for word in aligned.words])


def test_every_kind_of_audio_gives_the_same(model, tmp_path):
    samples = noise()
    soundfile.write(tmp_path / "a.wav", samples, 16000, subtype="FLOAT")
    wanted = model.align(tmp_path / "a.wav", TEXT)
    assert [word.word for word in wanted.words] == TEXT.split()
    row = {"array": samples.astype(np.float64), "sampling_rate": 16000}
    opened = io.BytesIO((tmp_path / "a.wav").read_bytes())
    stereo = np.stack([samples, samples])
    kinds = (str(tmp_path / "a.wav"), samples, torch.from_numpy(samples), row, opened, stereo)
    for audio in kinds:
        np.testing.assert_allclose(times(model.align(audio, TEXT)), times(wanted), atol=1e-3)
    at_8_khz = model.align(samples[::2], TEXT, rate=8000)
    assert at_8_khz.duration == pytest.approx(1.0)


def test_times_are_those_of_the_recording_without_the_silence_around_it(model):
    """Frames of silence are subtracted, and no word begins before or ends after the recording."""
    inference = model.inference
    speech = noise()
    speech[4000:12000] *= 0.01  # loud at its edges: cut close to words
    silence, without = inference.aligner.encode([speech, noise()]).silence.tolist()
    assert without == 0
    hop = inference.aligner.hop
    around = np.pad(speech, round(silence * hop * SAMPLE_RATE))
    features, _ = inference.model.features(
        torch.from_numpy(around)[None], torch.tensor([len(around)])
    )
    (shifted,) = inference.align([features[0].numpy()], [TEXT])  # cached features have no silence
    (found,) = inference.align([speech], [TEXT])
    assert silence * hop == pytest.approx(SILENCE)
    assert set(found.by_method) == set(shifted.by_method)
    duration = len(speech) / SAMPLE_RATE
    wanted = [
        [min(max(t - silence * hop, 0.0), duration) for t in (w.start, w.end)]
        for w in shifted.words_by_method["cif"]
    ]
    own = [(w.start, w.end) for w in found.words_by_method["cif"]]
    np.testing.assert_allclose(own, wanted, atol=0.011)  # the end is within half a frame
    for words in found.words_by_method.values():
        assert all(0 <= w.start <= w.end <= duration + 0.011 for w in words)
    encoded = model.encode(speech, TEXT)
    np.testing.assert_allclose(encoded.starts, found.starts, atol=1e-6)
    np.testing.assert_allclose(encoded.ends, found.ends, atol=1e-6)


def test_bfloat16_places_words_as_float32_does(model, monkeypatch):
    """The speech encoder alone is in bfloat16; tests run on CPUs that must imitate it too."""
    wanted = model.align(noise(), TEXT)
    monkeypatch.setattr(precision, "has_bfloat16", lambda: True)
    quick = WaBERT.from_pretrained(model.source, precision="bfloat16")
    features, plain = (m.inference.aligner.encode([noise()]).features for m in (quick, model))
    assert features.dtype == torch.float32 and not torch.equal(features, plain)
    assert (features - plain).norm() < 0.03 * plain.norm()
    np.testing.assert_allclose(times(quick.align(noise(), TEXT)), times(wanted), atol=0.021)


def test_a_precision_that_is_not_there_is_one_line(model, monkeypatch):
    with pytest.raises(UserError, match="precision float16: must be one of float32, bfloat16"):
        WaBERT.from_pretrained(model.source, precision="float16")
    monkeypatch.setattr(precision, "has_bfloat16", lambda: False)
    with pytest.raises(UserError, match="this CPU does not have it"):
        WaBERT.from_pretrained(model.source, precision="bfloat16")


def test_a_list_gives_what_each_recording_gives_alone(model):
    audio = [noise(1.0 + seed / 3, seed) for seed in range(3)]
    texts = [TEXT, "not bad", "film of the film"]
    together = model.align(audio, texts)
    for one, text, found in zip(audio, texts, together, strict=True):
        np.testing.assert_allclose(times(model.align(one, text)), times(found), atol=1e-4)
    assert model.transcribe(audio) == [model.transcribe(one) for one in audio]


def test_a_result_prints_and_saves_in_every_format(model, tmp_path):
    aligned = model.align(noise(2.0), TEXT)
    assert str(aligned).splitlines()[1].endswith("the")
    for suffix in ("TextGrid", "json", "ctm", "srt", "vtt", "txt"):
        aligned.save(tmp_path / f"talk.{suffix}")
    grid = textgrid.openTextgrid(str(tmp_path / "talk.TextGrid"), includeEmptyIntervals=False)
    assert [entry.label for entry in grid.getTier("words").entries] == TEXT.split()
    for kind in ("json", "ctm"):
        assert [w.word for w in read_words(tmp_path / f"talk.{kind}")["talk"]] == TEXT.split()
    assert json.loads((tmp_path / "talk.json").read_text())["talk"] == aligned.to_dict()
    for kind in ("srt", "vtt"):
        events = pysubs2.load(str(tmp_path / f"talk.{kind}")).events
        assert " ".join(event.plaintext for event in events) == TEXT
    labels = [line.split("\t") for line in (tmp_path / "talk.txt").read_text().splitlines()]
    assert [label for *_, label in labels] == TEXT.split()
    assert list(aligned.to_pandas()["word"]) == TEXT.split()
    with pytest.raises(UserError, match="the suffix must be one of"):
        aligned.save(tmp_path / "talk.doc")


def test_encode_gives_vectors_and_times_of_the_tokens(model):
    speech = noise(1.5)
    found = model.encode(speech, TEXT)
    assert found.tokens[0] == "[CLS]" and found.tokens[-1] == "[SEP]"
    assert len(found.tokens) == len(found.aligned) == len(found.hidden) == len(found.starts)
    assert np.all(found.starts <= found.ends) and found.ends[-1] == pytest.approx(1.5, abs=0.03)
    spoken = model.encode([speech, speech])
    assert spoken[0].aligned.shape == spoken[1].aligned.shape
    assert spoken[0].aligned.shape[1] == found.aligned.shape[1]


def test_encode_uses_each_transcript_that_is_given(tmp_path):
    args = arguments(model_conf=dict(ctc_weight=1.0))
    model = WaBERT.from_pretrained(pack(save(args, tmp_path / "m"), tmp_path / "m.zip"))
    given, read = model.encode([noise(1.5, 1), noise(1.5, 2)], [TEXT, None])
    assert given.tokens == model.encode(noise(1.5, 1), TEXT).tokens
    assert read.tokens == model.encode(noise(1.5, 2)).tokens
    deaf = WaBERT.from_pretrained(pack(save(arguments(), tmp_path / "n"), tmp_path / "n.zip"))
    found = deaf.encode([noise(1.5, 1), noise(1.5, 2)], [TEXT, None])
    assert [encoding.tokens for encoding in found] == [given.tokens, []]


def test_samples_of_torch_in_any_precision(model):
    speech = torch.from_numpy(noise(1.5)).to(torch.bfloat16)
    assert model.transcribe(speech) == model.transcribe(speech.float().numpy())


def test_sentiment_gives_probabilities(tmp_path):
    args = arguments("wabert_sentiment")
    classifier = WaBERT.from_pretrained(
        pack(save(args, tmp_path / "m", seed=0), tmp_path / "s.zip")
    )
    one, other = classifier.sentiment([noise(1.0, 1), noise(1.2, 2)])
    assert sum(one.scores) == pytest.approx(1.0) and one.label != ""
    assert classifier.sentiment(noise(1.2, 2)).scores == pytest.approx(other.scores, abs=1e-4)


@pytest.mark.parametrize(
    ("audio", "text", "message"),
    [
        ("nowhere.wav", TEXT, "nowhere.wav: missing audio file: no such file"),
        (np.zeros(10), TEXT, "recording 0: 10 samples at 16000 Hz, less than a frame"),
        (np.full(16000, np.nan), TEXT, "recording 0: sample 0 is not finite"),
        (np.zeros((16000, 2)), TEXT, r"recording 0: shape \(16000, 2\), neither"),
        (np.zeros(16000), "  ", "its transcript is empty"),
        ([np.zeros(16000)] * 2, TEXT, "2 recordings, but 1 transcripts"),
        (io.BytesIO(b"no audio"), TEXT, "recording 0: "),
        ({"array": np.zeros(16000)}, TEXT, "recording 0: .*: needs array and sampling_rate"),
        ({"array": np.zeros(16000), "sampling_rate": "a"}, TEXT, "recording 0: rate 'a' is no num"),
        (np.zeros(16000), None, "1 recordings, but 0 transcripts"),
    ],
)
def test_bad_input_is_one_clear_error(model, audio, text, message):
    with pytest.raises(UserError, match=message):
        model.align(audio, text)


def test_the_package_is_imported_without_torch():
    code = "import sys, espnet_wabert; assert 'torch' not in sys.modules and 'WaBERT' in dir()"
    code = code.replace("'WaBERT' in dir()", "'WaBERT' in espnet_wabert.__all__")
    subprocess.run([sys.executable, "-c", code], check=True)
