"""A recognizer's text is kept if the letters agree, and replaced by theirs if they do not."""

import numpy as np
import pytest
from click.testing import CliRunner
from tiny import arguments, save

from espnet_wabert import WaBERT
from espnet_wabert.cli.main import main
from espnet_wabert.demo.clips import CLIPS, DASHWOOD
from espnet_wabert.errors import UserError
from espnet_wabert.formats.audio import read_audio
from espnet_wabert.inference import recognizer
from espnet_wabert.inference.joint_reading import JointReader
from espnet_wabert.modules import precision
from espnet_wabert.scoring.tokens import word_error_rate

SAID = DASHWOOD.lower().replace("mr.", "mister").rstrip(".")
CLIP = CLIPS[0].path
SECONDS = 30


@pytest.fixture(scope="module")
def letters():
    """The model in the box without its recognizer."""
    return WaBERT.from_pretrained(recognizer=None)


@pytest.fixture(scope="module")
def speech():
    return read_audio(CLIP, "dashwood")


class Writer(recognizer.Recognizer):
    """Writes given texts in turn, and keeps what it is asked to read."""

    def __init__(self, *texts):
        self.asked, self.left = [], iter(texts)

    def write(self, speech):
        self.asked.extend(speech)
        return [next(self.left) for _ in speech]


def joint(letters, *texts):
    """Return a reader whose recognizer writes these texts in turn, and what it is asked to read."""
    writer = Writer(*texts)
    return JointReader(letters.inference.reader, writer), writer.asked


def test_a_text_that_the_letters_confirm_is_written_as_it_is_said(letters, speech):
    reader, asked = joint(letters, DASHWOOD.replace(" how", ", how"))
    assert reader([speech]) == [SAID]
    np.testing.assert_array_equal(asked[0][: len(speech)], speech[: len(asked[0])])
    assert len(speech) - len(asked[0]) < 400  # less than a frame of 20 ms and its window


@pytest.mark.parametrize(
    "text",
    ["He might even have been made amiable himself.", "112757", "...", "", "♪ ♪", "the " * 90],
)
def test_letters_replace_a_text_that_they_deny(letters, speech, text):
    reader, _ = joint(letters, text)
    assert reader([speech]) == letters.inference.read([speech])


def test_letters_replace_the_doubtful_words_of_a_text_that_is_right_elsewhere(letters, speech):
    """The letters alone write "dash would" and "laser"."""
    reader, _ = joint(letters, DASHWOOD.replace("how much there", "hippopotamus kilometers"))
    (text,) = reader([speech])
    assert word_error_rate({"a": SAID}, {"a": text}) <= 0.1
    assert text.startswith(SAID[: SAID.index(" how")]) and "hippo" not in text


def test_only_a_text_that_the_letters_deny_is_written_again(letters, speech):
    """A loop of a recognizer looks like what somebody says three times."""
    revised = []

    class Reviser(Writer):
        def revise(self, speech, texts):
            revised.extend(texts)
            return [DASHWOOD.replace(" how", ", how")] * len(speech)

    drafts = [DASHWOOD, "the " * 90]
    reader = JointReader(letters.inference.reader, Reviser(*drafts))
    assert reader([speech, speech]) == [SAID, SAID]
    assert revised == [drafts[1]]


def test_what_is_said_three_times_is_read_three_times(letters, speech):
    whole = WaBERT.from_pretrained()
    texts = whole.transcribe([speech, np.concatenate([speech] * 3)])
    assert texts[1] == " ".join([texts[0]] * 3)


def test_each_part_of_a_long_recording_is_checked_alone(letters, speech):
    pause = np.random.default_rng(0).normal(size=16000).astype(np.float32) * 1e-3
    long = np.concatenate([np.concatenate([speech, pause])] * 5)
    assert len(long) > SECONDS * 16000
    reader, asked = joint(letters, *["something else"] * 9)
    (wrong,) = reader([long])
    assert len(asked) > 1 and max(map(len, asked)) <= SECONDS * 16000
    assert sum(map(len, asked)) == pytest.approx(len(long), abs=400)
    spoken = letters.transcribe(long)
    assert word_error_rate({"a": spoken}, {"a": wrong}) < 0.1  # at a cut they may differ


def test_what_has_no_words_is_not_given_to_the_recognizer(letters, speech):
    noise = np.random.default_rng(0).normal(size=32000).astype(np.float32) * 0.05
    reader, asked = joint(letters, DASHWOOD)
    silence = np.zeros(16000, np.float32)
    assert reader([silence, speech, noise]) == ["", SAID, ""]
    assert len(asked) == 1


def test_samples_of_16_bits_are_read_as_floats_are(letters, speech):
    reader, asked = joint(letters, *[DASHWOOD] * 2)
    assert reader([np.round(speech * 32767).astype(np.int16), speech]) == [SAID] * 2
    np.testing.assert_allclose(asked[0], asked[1], atol=1e-4)


def test_the_box_reads_with_whisper_and_the_option_says_otherwise(letters):
    done = [
        CliRunner().invoke(main, ["transcribe", CLIP, *options])
        for options in ([], ["--recognizer", "none"])
    ]
    assert [one.exit_code for one in done] == [0, 0], done[0].output
    whole, spelled = (one.stdout.strip() for one in done)
    assert spelled == letters.transcribe(CLIP)
    rates = [word_error_rate({"a": SAID}, {"a": text}) for text in (whole, spelled)]
    assert rates[0] <= min(rates[1], 0.1)


def test_the_precision_is_the_recognizers_too(monkeypatch):
    """CPUs without bfloat16 imitate it here."""
    loaded, load = [], recognizer.load_network

    def spy(*args, **kwargs):
        loaded.append(load(*args, **kwargs))
        return loaded[-1]

    monkeypatch.setattr(precision, "has_bfloat16", lambda: True)
    monkeypatch.setattr(recognizer, "load_network", spy)
    quick = WaBERT.from_pretrained(precision="bfloat16")
    assert word_error_rate({"a": SAID}, {"a": quick.transcribe(CLIP)}) <= 0.1
    assert [one.precision for one in loaded] == ["bfloat16"]


def test_a_recognizer_needs_a_model_with_letters(tmp_path):
    model = save(arguments(), tmp_path)
    with pytest.raises(UserError, match="recognizer some: this model has no letters"):
        WaBERT.from_pretrained(model, recognizer="some")


def test_a_recognizer_that_is_not_there_is_named(tmp_path):
    done = CliRunner().invoke(main, ["transcribe", CLIP, "--recognizer", str(tmp_path / "none")])
    assert done.exit_code == 1 and done.output.count("\n") == 1, done.output
    assert done.output.startswith("error: ") and str(tmp_path / "none") in done.output


def test_an_empty_name_of_a_recognizer_is_one_error_for_all_recordings():
    done = CliRunner().invoke(main, ["transcribe", CLIP, CLIPS[1].path, "--recognizer", ""])
    assert done.exit_code == 1 and done.output.count("\n") == 1, done.output
    assert done.output.startswith("error: --recognizer: "), done.output
