"""More recordings of people: their transcripts, and reading them from small folders."""

import gzip

import numpy as np
import pytest
import soundfile

from espnet_wabert.constants import SAMPLE_RATE
from espnet_wabert.errors import UserError
from espnet_wabert.mini import more_speech

TONE = np.sin(2 * np.pi * 440 * np.arange(SAMPLE_RATE) / SAMPLE_RATE) / 2


def write_g722(file, samples):
    import av

    with av.open(str(file), "w", format="g722") as container:
        stream = container.add_stream("g722", rate=SAMPLE_RATE, layout="mono")
        row = (samples * 2**15).astype(np.int16)[None]
        frame = av.AudioFrame.from_ndarray(row, format="s16", layout="mono")
        frame.sample_rate = SAMPLE_RATE
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("Call-forward on No Answer.", "CALL FORWARD ON NO ANSWER"),
        ("I'm sorry; please, try again!", "I'M SORRY PLEASE TRY AGAIN"),
        ("Thank you.", None),  # short
        ("Please press 1 to mute", None),
        ("Press * to pause the recording", None),
        ("[this is a simple beep tone]", None),
        ("visit www.asterisk.org for more", None),
    ],
)
def test_prompts_are_those_that_are_spelled_as_they_are_said(said, words):
    assert more_speech.spoken(said) == words


def test_g722_is_decoded_at_16_khz(tmp_path):
    write_g722(tmp_path / "a.g722", TONE)
    samples = more_speech.read_g722(tmp_path / "a.g722") / 2**15
    assert samples.shape == pytest.approx(TONE.shape, abs=400)
    spectrum = np.abs(np.fft.rfft(samples[:16000]))
    assert np.argmax(spectrum) == pytest.approx(440, abs=2)
    assert samples.std() == pytest.approx(TONE.std(), rel=0.05)


def test_a_file_without_samples_is_named(tmp_path):
    (tmp_path / "a.g722").write_bytes(b"")
    with pytest.raises(UserError, match=r"a\.g722"):
        more_speech.read_g722(tmp_path / "a.g722")


def test_prompts_are_read_from_the_unpacked_packages(tmp_path):
    folder = tmp_path / "prompts"
    for file in ("a.g722", "digits/b.g722", "c.g722"):
        (folder / more_speech.SOUNDS / file).parent.mkdir(parents=True, exist_ok=True)
        write_g722(folder / more_speech.SOUNDS / file, TONE)
    (folder / more_speech.LISTING).parent.mkdir(parents=True)
    listing = (
        "; Comment\n\na: Not in use: yet.\ndigits/b: one two three\nc: two words\nd: no such file\n"
    )
    (folder / more_speech.LISTING).write_bytes(gzip.compress(listing.encode()))
    read = list(more_speech.prompts(tmp_path))
    assert [(r.utterance, r.text) for r in read] == [
        ("a", "NOT IN USE YET"),
        ("digits_b", "ONE TWO THREE"),
    ]
    assert {r.audio.dtype for r in read} == {np.dtype(np.int16)}
    assert list(more_speech.more_recordings(tmp_path)) == ["prompts"]


def test_noises_are_no_words_of_spontaneous_speech(tmp_path):
    folder = tmp_path / "spontaneous"
    folder.mkdir()
    soundfile.write(folder / "cold3.wav", np.stack([TONE, TONE], axis=1), 2 * SAMPLE_RATE)
    (folder / "cold3.lab").write_text("i'm also [adif] saying\n<VOCNOISE> yeah")
    (recording,) = more_speech.spontaneous(tmp_path)
    assert recording.text == "I'M ALSO SAYING YEAH"
    assert recording.speaker == "cold"
    assert recording.audio.shape == (SAMPLE_RATE // 2,)


def test_prompts_need_debian(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "spontaneous").mkdir()  # fetched before
    with pytest.raises(UserError, match="asterisk-core-sounds-en.*apt-get"):
        more_speech.fetch_more(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["spontaneous"]
