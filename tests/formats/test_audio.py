"""Audio files: whole ones, and every way in which one is not."""

import os
import resource
import tempfile
from pathlib import Path

import numpy as np
import pytest
import soundfile
from corpora_makers import cut, noise, write_audio
from hypothesis import given, settings
from hypothesis import strategies as st

from espnet_wabert.errors import UserError
from espnet_wabert.formats.audio import (
    DAMAGED,
    AudioFault,
    AudioInfo,
    at_full_scale,
    inspect,
    non_finite,
    read_mono,
    resample,
)
from espnet_wabert.formats.audio import write_audio as write_new

FORMATS = [("FLAC", "flac"), ("WAV", "wav"), ("NIST", "WAV")]


@pytest.mark.parametrize("format, suffix", FORMATS)
@pytest.mark.parametrize("rate, channels", [(16000, 1), (8000, 2)])
def test_a_whole_file(tmp_path, format, suffix, rate, channels):
    path = write_audio(tmp_path / f"a.{suffix}", 1.5, rate, channels, format)
    assert inspect(str(path)) == AudioInfo(rate * 3 // 2, rate, channels, format)


@settings(max_examples=40, deadline=None)
@given(share=st.floats(0.01, 0.999), kind=st.sampled_from(FORMATS))
def test_a_cut_file_is_never_taken_for_whole(tmp_path_factory, share, kind):
    folder = tmp_path_factory.mktemp("cut")
    path = cut(write_audio(folder / f"a.{kind[1]}", 1.0, format=kind[0]), share)
    found = inspect(str(path))
    assert isinstance(found, AudioFault)
    assert found.kind in (DAMAGED, "not an audio file", "audio without samples")


def test_a_few_missing_bytes_are_noticed(tmp_path):
    for format, suffix in FORMATS:
        path = write_audio(tmp_path / f"a.{suffix}", 1.0, format=format)
        path.write_bytes(path.read_bytes()[:-2])
        assert inspect(str(path)).kind == DAMAGED, format


def test_other_faults(tmp_path):
    assert inspect(str(tmp_path / "none.flac")).kind == "missing audio file"
    (tmp_path / "empty.flac").touch()
    assert inspect(str(tmp_path / "empty.flac")).kind == "zero-length file"
    (tmp_path / "text.flac").write_text("this is no audio " * 100)
    assert inspect(str(tmp_path / "text.flac")).kind == "not an audio file"
    soundfile.write(tmp_path / "no.wav", np.zeros(0), 16000)
    assert inspect(str(tmp_path / "no.wav")).kind == "audio without samples"


def test_a_wav_written_to_a_pipe_is_whole(tmp_path):
    path = write_audio(tmp_path / "a.wav", 0.5, format="WAV")
    data = bytearray(path.read_bytes())
    place = data.index(b"data")
    data[place + 4 : place + 8] = b"\xff\xff\xff\xff"
    path.write_bytes(data)
    assert inspect(str(path)) == AudioInfo(8000, 16000, 1, "WAV")


def test_channels_are_averaged_and_parts_read(tmp_path):
    stereo = noise(0.5, channels=2)
    soundfile.write(tmp_path / "a.wav", stereo, 16000, subtype="FLOAT")
    samples, rate = read_mono(str(tmp_path / "a.wav"), 100, 300)
    assert rate == 16000 and samples.dtype == np.float32
    np.testing.assert_allclose(samples, stereo[100:300].mean(axis=1), atol=1e-6)


def test_channels_of_opposite_phase_are_not_silence(tmp_path):
    left = noise(0.5)[:, None]
    hiss = 0.001 * noise(0.5, channels=2)
    soundfile.write(tmp_path / "a.wav", np.hstack([left, -left]) + hiss, 16000, subtype="FLOAT")
    samples, _ = read_mono(str(tmp_path / "a.wav"))
    np.testing.assert_allclose(samples, left[:, 0] + hiss[:, 0], atol=1e-6)


@pytest.mark.parametrize("rate, factor", [(16000, 1.0), (8000, 1.0), (44100, 1.0), (16000, 0.9)])
def test_a_tone_keeps_its_place_and_changes_its_pitch_with_the_speed(rate, factor):
    """A 440 Hz tone played `factor` times as fast is at 440 * factor Hz and 1 / factor as long."""
    tone = np.sin(2 * np.pi * 440 * np.arange(rate * 2) / rate).astype(np.float32)
    fast = resample(tone, rate, 16000, factor)
    assert abs(len(fast) - 32000 / factor) <= 1
    middle = fast[4000:-4000] * np.hanning(len(fast) - 8000)
    peak = np.argmax(np.abs(np.fft.rfft(middle, 1 << 17))) * 16000 / (1 << 17)
    assert abs(peak - 440 * factor) < 0.5
    assert 0.98 < np.abs(fast[4000:-4000]).max() < 1.02


def test_writing_is_whole_or_not_at_all(tmp_path):
    write_new(tmp_path / "spk" / "a.flac", noise(0.25), 16000)
    assert inspect(str(tmp_path / "spk" / "a.flac")) == AudioInfo(4000, 16000, 1, "FLAC")
    assert [file.name for file in (tmp_path / "spk").iterdir()] == ["a.flac"]


def test_every_sample_is_checked(tmp_path):
    """A good header and a good end, and damage or a NaN between them."""
    path = str(tmp_path / "a.flac")
    noise = np.cumsum(np.random.default_rng(0).normal(size=48000)) * 1e-3
    soundfile.write(path, noise.clip(-0.9, 0.9), 16000)
    assert inspect(path, 16000) == inspect(path)
    content = bytearray(Path(path).read_bytes())
    content[len(content) // 2] ^= 0x10
    Path(path).write_bytes(content)
    assert isinstance(inspect(path), AudioInfo)
    fault = inspect(path, 16000)
    assert fault is not None and fault.kind == DAMAGED and "lost sync" in fault.detail
    path = str(tmp_path / "a.wav")
    noise[30000] = np.nan
    soundfile.write(path, noise, 16000, subtype="FLOAT")
    assert inspect(path, 16000) == ("samples that are no numbers", "sample 30000 is not finite")
    assert non_finite(np.array([[0.0, 1.0], [np.inf, 0.0]]), first=5) == (
        "samples that are no numbers", "sample 6 is not finite",
    )  # fmt: skip


@pytest.mark.parametrize("format", ["AIFF", "AU", "SVX", "W64", "RF64", "MAT4", "VOC", "WAVEX"])
def test_a_cut_file_of_another_format_is_seen(tmp_path, format):
    path = write_audio(tmp_path / f"a.{format.lower()}", 1.0, format=format)
    assert isinstance(inspect(str(path)), AudioInfo)
    assert isinstance(inspect(str(cut(path, 0.6))), AudioFault)


def test_samples_that_were_integers_are_scaled(tmp_path):
    path = str(tmp_path / "a.wav")
    whole = np.round(noise(1.0) * 30000)
    soundfile.write(path, whole, 16000, subtype="FLOAT")
    np.testing.assert_allclose(read_mono(path)[0], whole / 32768, atol=1e-6)
    assert inspect(path, 8000).samples == 16000
    assert inspect(path, 16000).kind == "samples that are no audio"  # training reads it in place
    for kind in (np.int16, np.int32, np.int64):
        np.testing.assert_allclose(at_full_scale(whole.astype(kind)), whole / 32767)
    unsigned = (whole + 32768).astype(np.uint32)
    np.testing.assert_allclose(at_full_scale(unsigned), whole / 32768, atol=1e-4)
    large = (noise(1.0) * 2**31).astype(np.int32)
    np.testing.assert_allclose(at_full_scale(large), large / (2**31 - 1))
    for same in (noise(1.0) * 30, np.zeros(9), np.zeros(0), np.array([np.nan, 1e4])):
        assert at_full_scale(same) is same  # floats of a recorder, 23 dB above full scale


def test_devices_and_pipes_are_not_opened(tmp_path):
    os.mkfifo(tmp_path / "a.wav")
    for path in (tmp_path / "a.wav", "/dev/zero", tmp_path):
        assert inspect(str(path)) == AudioFault("missing audio file", "not a regular file")
    assert inspect(str(tmp_path / "none.wav")).detail == "no such file"
    (tmp_path / "a.raw").write_bytes(bytes(100))
    assert inspect(str(tmp_path / "a.raw")).kind == "not an audio file"


def test_a_file_of_days_is_refused_before_it_is_read(tmp_path):
    path = tmp_path / "a.rf64"
    soundfile.write(path, np.zeros(10), 16000, format="RF64", subtype="PCM_U8")
    content = bytearray(path.read_bytes())
    size = 1 << 32
    at = content.index(b"ds64") + 8
    for offset in (8, 16):  # bytes of data, and frames
        content[at + offset : at + offset + 8] = size.to_bytes(8, "little")
    content[at : at + 8] = (size + 100).to_bytes(8, "little")
    path.write_bytes(content)
    os.truncate(path, size + 200)
    assert inspect(str(path)).kind == "too long"


@pytest.mark.parametrize("place", [0.3, 0.6, 0.9])
def test_a_bit_inside_a_flac_is_seen(tmp_path, place):
    path = write_audio(tmp_path / "a.flac", 1.0)
    content = bytearray(path.read_bytes())
    content[int(place * len(content))] ^= 16
    path.write_bytes(content)
    assert isinstance(inspect(str(path), 16000), AudioFault)
    with pytest.raises((OSError, RuntimeError)):
        read_mono(str(path))


def test_audio_on_a_full_disk_is_an_error(tmp_path, monkeypatch):
    def on_full_disk(suffix, prefix, folder):
        path = folder / f"{prefix}{suffix}"
        os.symlink("/dev/full", path)
        return os.open(path, os.O_WRONLY), str(path)

    monkeypatch.setattr(tempfile, "mkstemp", on_full_disk)
    with pytest.raises(UserError, match=r"a.flac: cannot be written"):
        (tmp_path / "audio").mkdir()
        write_new(tmp_path / "audio/a.flac", noise(1.0), 16000)
    assert not (tmp_path / "audio/a.flac").exists()


@pytest.mark.parametrize("kind", ["wav", "flac", "ogg"])
def test_a_title_is_no_damage(tmp_path, kind):
    path = str(tmp_path / f"a.{kind}")
    with soundfile.SoundFile(path, "w", 16000, 1) as file:
        file.title = "file seems to be truncated, frames : 99999999"
        file.write(noise(1.0))
    assert inspect(path, 16000).samples == 16000


def test_floats_in_the_wrong_byte_order_are_no_audio(tmp_path):
    assert non_finite(np.array([0.1, 1e30], np.float32)) == (
        "samples that are no audio", "sample 1 is 1e+30",
    )  # fmt: skip
    assert non_finite(np.array([0.1, -32768.0], np.float32)) is None  # of 16-bit integers
    path = str(tmp_path / "slow.wav")
    soundfile.write(path, noise(4.0), 1)
    os.truncate(path, os.path.getsize(path))
    assert isinstance(inspect(path), AudioInfo)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("espnet_wabert.formats.audio.MOST_SAMPLES", 1 << 20)
        assert inspect(path).kind == "too long"  # at 16 kHz


@pytest.mark.parametrize("suffix", ["flac", "wav"])
def test_audio_that_the_disk_cannot_take_is_named_and_not_left(tmp_path, suffix):
    """A limit of the size of files fails inside libsndfile as a full disk does."""
    path, before = tmp_path / f"a.{suffix}", resource.getrlimit(resource.RLIMIT_FSIZE)
    samples = np.random.default_rng(0).integers(-9999, 9999, 80000, np.int16)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, before[1]))
    try:
        with pytest.raises(UserError, match=rf"a.{suffix}: cannot be written: .*is the disk full"):
            write_new(path, samples, 16000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.iterdir()) == []
