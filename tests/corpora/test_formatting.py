"""From a prepared folder to the audio the model reads: speed, formats, lengths."""

import numpy as np
import pytest
import soundfile
from corpora_makers import VOCABULARY, cut, noise, write_audio
from hypothesis import given
from hypothesis import strategies as st

from espnet_wabert.corpora.formatting import format_folder
from espnet_wabert.corpora.lengths import Limits, count_frames, filter_folder
from espnet_wabert.corpora.speed import parse_factors, perturb
from espnet_wabert.errors import UserError
from espnet_wabert.formats.kaldi import DataFolder, Segment, read_folder, write_folder
from espnet_wabert.formats.word import Word
from espnet_wabert.workers.processes import Processes


def folder_of(paths, **fields) -> DataFolder:
    """One speaker `s`, an utterance `s-<file name>` for each audio file."""
    utts = {f"s-{path.stem}": str(path) for path in paths}
    text = dict.fromkeys(utts, "good film")
    return DataFolder(wav=utts, utt2spk=dict.fromkeys(utts, "s"), text=text, **fields)


def test_floats_at_the_scale_of_integers_are_refused_in_segments_too(tmp_path):
    """A quiet segment alone does not tell the scale."""
    soundfile.write(tmp_path / "a.wav", np.round(noise(2.0) * 30000), 16000, subtype="FLOAT")
    folder = folder_of([tmp_path / "a.wav"], segments={"s-a": Segment("s-a", 0.0, 1.0)})
    with pytest.raises(UserError, match="samples that are no audio"):
        format_folder(folder, tmp_path / "out")


# Speed perturbation


def test_perturbed_copies(tmp_path):
    folder = folder_of(
        [tmp_path / "a.flac"],
        words={"s-a": (Word("good", 0.5, 1.0), Word("film", 1.0, 2.0))},
        seconds={"s-a": 2.0},
        sentiment={"s-a": "Positive"},
    )
    copies = perturb(folder, [0.9, 1.0, 1.1])
    assert copies.utt2spk == {"s-a": "s", "sp0.9-s-a": "sp0.9-s", "sp1.1-s-a": "sp1.1-s"}
    assert copies.speed == {"s-a": 1.0, "sp0.9-s-a": 0.9, "sp1.1-s-a": 1.1}
    assert set(copies.wav.values()) == {str(tmp_path / "a.flac")}
    assert copies.words["s-a"] == folder.words["s-a"]
    assert copies.words["sp0.9-s-a"][0] == Word("good", 0.5 / 0.9, 1.0 / 0.9)
    assert copies.seconds["sp1.1-s-a"] == 2.0 / 1.1
    assert set(copies.sentiment.values()) == {"Positive"}
    write_folder(copies, tmp_path / "sp")
    assert read_folder(tmp_path / "sp").speed == copies.speed
    with pytest.raises(UserError, match="data/utt2speed: this folder is already"):
        perturb(copies, [0.9], "data")


@pytest.mark.parametrize("factors", ["0.9 1.0 1.1", "0.9,1.0,1.1", " 0.9  1 1.1 "])
def test_factors(factors):
    assert parse_factors(factors) == [0.9, 1.0, 1.1]


@pytest.mark.parametrize("factors", ["", "fast", "0.9 0.9", "0", "-1", "nan", "3"])
def test_impossible_factors(factors):
    with pytest.raises(UserError, match="^--factors: "):
        parse_factors(factors)


def test_the_perturbed_audio_has_the_perturbed_word_times(tmp_path):
    """A click at a word's start is found where the perturbed words.ctm says."""
    click = np.zeros(32000)
    click[16000] = 0.9
    soundfile.write(tmp_path / "a.flac", click, 16000)
    words = {"s-a": (Word("good", 0.5, 1.0), Word("film", 1.0, 1.5))}
    copies = perturb(folder_of([tmp_path / "a.flac"], words=words), [0.9, 1.0, 1.1])
    made = format_folder(copies, tmp_path / "dump").folder
    assert made.speed is None
    for utt, factor in copies.speed.items():
        samples, rate = soundfile.read(made.wav[utt])
        assert made.samples[utt] == len(samples) == round(32000 / factor)
        found = np.argmax(np.abs(samples)) / rate
        assert abs(found - made.words[utt][1].start) < 1 / 16000


# Format


def test_a_readable_file_is_not_copied(tmp_path):
    paths = [
        write_audio(tmp_path / "a.flac"),
        write_audio(tmp_path / "b.wav", format="WAV"),
        write_audio(tmp_path / "c.WAV", format="NIST"),
    ]
    made, summary = format_folder(folder_of(paths), tmp_path / "dump")
    assert read_folder(tmp_path / "dump") == made
    assert made.wav == folder_of(paths).wav
    assert made.samples == dict.fromkeys(made.wav, 8000)
    assert made.seconds == dict.fromkeys(made.wav, 0.5)
    assert not (tmp_path / "dump" / "audio").exists()
    assert "0 written, 3 read where they are" in summary


def test_what_must_be_converted_is(tmp_path):
    paths = [
        write_audio(tmp_path / "stereo.flac", channels=2),
        write_audio(tmp_path / "slow.flac", rate=8000),
        write_audio(tmp_path / "both.wav", rate=44100, channels=2, format="WAV"),
        write_audio(tmp_path / "fine.flac"),
    ]
    made, summary = format_folder(folder_of(paths), tmp_path / "dump")
    assert "3 written, 1 read where they are" in summary
    assert "stereo 2, other rate 2" in summary
    for utt, path in made.wav.items():
        info = soundfile.info(path)
        assert (info.samplerate, info.channels, info.frames) == (16000, 1, made.samples[utt])
        assert abs(info.frames - 8000) <= 1
    stereo, _ = soundfile.read(tmp_path / "stereo.flac")
    mono, _ = soundfile.read(made.wav["s-stereo"])
    np.testing.assert_allclose(mono, stereo.mean(axis=1), atol=1e-4)


@pytest.mark.parametrize("audio_format", ["flac", "wav"])
def test_segments_become_files(tmp_path, audio_format):
    whole = noise(2.0)
    soundfile.write(tmp_path / "r.flac", whole, 16000)
    folder = DataFolder(
        wav={"r": str(tmp_path / "r.flac")},
        utt2spk={"s-1": "s", "s-2": "s"},
        segments={"s-1": Segment("r", 0.25, 0.75), "s-2": Segment("r", 0.5, 2.0001)},
    )
    made = format_folder(folder, tmp_path / "dump", audio_format=audio_format).folder
    assert made.segments is None and made.samples == {"s-1": 8000, "s-2": 24000}
    assert made.wav["s-1"] == str(tmp_path / "dump" / "audio" / "s" / f"s-1.{audio_format}")
    samples, _ = soundfile.read(made.wav["s-1"])
    np.testing.assert_allclose(samples, whole[4000:12000], atol=1e-4)


def test_segments_that_end_after_their_recording_are_counted(tmp_path):
    """They may be those of another recording; a tenth of a second is rounding."""
    soundfile.write(tmp_path / "r.flac", noise(2.0), 16000)
    spans = {"s-1": Segment("r", 0.0, 2.05), "s-2": Segment("r", 1.0, 9.0)}
    folder = DataFolder(
        wav={"r": str(tmp_path / "r.flac")}, utt2spk=dict.fromkeys(spans, "s"), segments=spans
    )
    made, summary = format_folder(folder, tmp_path / "dump")
    assert made.samples == {"s-1": 32000, "s-2": 16000}
    assert summary.endswith("; 1 segments end after their recordings and were cut to them")


def test_formatting_again_removes_audio_that_is_not_used_any_more(tmp_path):
    paths = [write_audio(tmp_path / f"{n}.flac", rate=8000) for n in "ab"]
    format_folder(folder_of(paths), tmp_path / "dump")
    first = (tmp_path / "dump" / "audio" / "s" / "s-a.flac").read_bytes()
    format_folder(folder_of(paths[:1]), tmp_path / "dump")
    audio = tmp_path / "dump" / "audio" / "s"
    assert [file.name for file in audio.iterdir()] == ["s-a.flac"]
    assert (audio / "s-a.flac").read_bytes() == first


def test_bad_audio_stops_or_is_left_out_and_counted(tmp_path):
    paths = [write_audio(tmp_path / f"{n}.flac", 5.0, rate=8000) for n in "abcd"]
    cut(paths[0], 0.5)
    paths[1].unlink()
    middle = bytearray(paths[2].read_bytes())
    middle[len(middle) // 2 : len(middle) // 2 + 200] = bytes(200)
    paths[2].write_bytes(middle)
    with pytest.raises(
        UserError, match=r"a.flac: .*'s-a': truncated or damaged audio; bad utterances: 3"
    ):
        format_folder(folder_of(paths), tmp_path / "dump")
    made, summary = format_folder(folder_of(paths), tmp_path / "dump", skip_bad=True)
    assert list(made.utt2spk) == ["s-d"]
    assert "bad: 3 (truncated or damaged audio 2, missing audio file 1)" in summary
    listed = (tmp_path / "dump" / "bad.txt").read_text().splitlines()
    assert [line.split("\t")[0] for line in listed] == ["s-a", "s-b", "s-c"]


def test_audio_that_is_used_in_place_is_decoded_once(tmp_path):
    """Damage in the middle, and samples that are no numbers, in files of any rate."""
    paths = [write_audio(tmp_path / f"{n}.flac", 5.0) for n in "ab"]
    middle = bytearray(paths[0].read_bytes())
    middle[len(middle) // 2 : len(middle) // 2 + 200] = bytes(200)
    paths[0].write_bytes(middle)
    for name, rate in (("c", 16000), ("d", 44100)):
        samples = np.zeros((9000, 2 if rate == 44100 else 1))
        samples[5000] = np.nan
        paths.append(tmp_path / f"{name}.wav")
        soundfile.write(paths[-1], samples, rate, subtype="FLOAT")
    made, _ = format_folder(folder_of(paths), tmp_path / "dump", skip_bad=True)
    assert list(made.utt2spk) == ["s-b"]
    listed = (tmp_path / "dump" / "bad.txt").read_text().splitlines()
    assert "flac decoder lost sync" in listed[0]
    assert all("sample 5000 is not finite" in line for line in listed[1:]) and len(listed) == 3


def test_a_segment_outside_its_recording_is_bad(tmp_path):
    path = write_audio(tmp_path / "a.flac", 0.5)
    folder = folder_of([path], segments={"s-a": Segment("s-a", 0.6, 0.7)})
    with pytest.raises(UserError, match="'s-a': span outside the audio"):
        format_folder(folder, tmp_path / "dump")


def test_two_processes_give_the_same(tmp_path):
    paths = [write_audio(tmp_path / f"{n:02d}.flac", 0.1, rate=8000) for n in range(40)]
    folder = folder_of(paths)
    one = format_folder(folder, tmp_path / "one").folder
    with Processes(2) as workers:
        two = format_folder(folder, tmp_path / "two", workers=workers).folder
    assert one.samples == two.samples
    for utt in folder.utt2spk:
        with open(one.wav[utt], "rb") as left, open(two.wav[utt], "rb") as right:
            assert left.read() == right.read()


# Lengths


@given(st.integers(0, 16000 * 3))
def test_frames_are_those_of_the_convolutions(samples):
    """data2vec's seven convolutions without padding, one after the other."""
    length = samples
    for kernel, stride in [(10, 5), (3, 2), (3, 2), (3, 2), (3, 2), (2, 2), (2, 2)]:
        length = (length - kernel) // stride + 1 if length >= kernel else 0
    assert count_frames(samples) == length


def data_with(tmp_path, samples, text=None):
    """A formatted folder with utterances of these lengths; the audio itself is not looked at."""
    folder = folder_of([tmp_path / f"{name}.flac" for name in samples])
    counts = {f"s-{name}": n for name, n in samples.items()}
    text = {f"s-{name}": line for name, line in (text or dict.fromkeys(samples, "good")).items()}
    seconds = {utt: n / 16000 for utt, n in counts.items()}
    write_folder(folder._replace(samples=counts, text=text, seconds=seconds), tmp_path / "raw")
    return tmp_path / "raw"


def test_lengths(tmp_path):
    lengths = {"few": 399, "short": 1599, "least": 1600, "most": 480000, "long": 480001}
    data = data_with(tmp_path, lengths)
    result = filter_folder(data, tmp_path / "out")
    assert list(read_folder(tmp_path / "out").utt2spk) == ["s-least", "s-most"]
    assert result.summary.endswith("2 of 5 utterances kept; removed: too short 2, too long 1")
    assert (tmp_path / "out" / "removed.txt").read_text() == (
        "s-few 0.025 s is shorter than 0.1 s\n"
        "s-long 30.000 s is longer than 30 s\n"
        "s-short 0.100 s is shorter than 0.1 s\n"
    )
    assert len(read_folder(data).utt2spk) == 5
    loose = filter_folder(data, tmp_path / "out", Limits(0.0, 100.0))
    assert loose.removed == {"s-few": "0 frames are fewer than 1"}


def test_more_tokens_than_frames(tmp_path):
    """Ten frames hold [CLS], seven pieces and [SEP], but not eight pieces."""
    (tmp_path / "vocab.txt").write_text("\n".join(VOCABULARY) + "\n")
    samples = 400 + 9 * 320
    data = data_with(
        tmp_path,
        {"fits": samples, "dense": samples},
        {"fits": "good bad abcde", "dense": "abcdefgh"},
    )
    for tokenizer in (tmp_path / "vocab.txt", tmp_path):
        result = filter_folder(data, tmp_path / "out", tokenizer=str(tokenizer))
        reason = "10 tokens with [CLS] and [SEP] are not fewer than 10 frames"
        assert result.removed == {"s-dense": reason}
    (tmp_path / "bad.txt").write_text("no vocabulary\n")
    with pytest.raises(UserError, match="not a BERT vocabulary"):
        filter_folder(data, tmp_path / "out", tokenizer=str(tmp_path / "bad.txt"))


def test_in_place_twice_keeps_the_record(tmp_path):
    data = data_with(tmp_path, {"a": 100, "b": 16000, "c": 32000})
    filter_folder(data, data)
    first = (data / "removed.txt").read_text()
    filter_folder(data, data)
    assert (data / "removed.txt").read_text() == first != ""
    filter_folder(data, data, Limits(max_seconds=1.5))
    removed = (data / "removed.txt").read_text()
    assert removed.startswith(first) and "s-c 2.000 s is longer" in removed
    assert list(read_folder(data).utt2spk) == ["s-b"]


def test_mistakes_that_stop(tmp_path):
    data = data_with(tmp_path, {"a": 100})
    with pytest.raises(UserError, match="raw: no utterance is left"):
        filter_folder(data, tmp_path / "out")
    with pytest.raises(UserError, match="--min_seconds 3 --max_seconds 2"):
        filter_folder(data, tmp_path / "out", Limits(3, 2))
    with pytest.raises(UserError, match="--min_frames 0"):
        filter_folder(data, tmp_path / "out", Limits(min_frames=0))
    (data / "utt2num_samples").unlink()
    with pytest.raises(UserError, match="utt2num_samples: missing, and needed"):
        filter_folder(data, tmp_path / "out")
