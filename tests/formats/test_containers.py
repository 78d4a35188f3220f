"""Audio of containers and codecs of which libsndfile does not tell all: Ogg, MP3 and others."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from corpora_makers import cut, noise, write_audio

from espnet_wabert.formats.audio import DAMAGED, AudioInfo, inspect, is_ready, read_mono


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
def test_a_cut_or_damaged_ogg_is_not_a_shorter_one(tmp_path, subtype):
    path = tmp_path / "a.ogg"
    soundfile.write(path, noise(4.0), 16000, format="OGG", subtype=subtype)
    content = path.read_bytes()
    assert inspect(str(path)) == AudioInfo(64000, 16000, 1, "OGG")
    path.write_bytes(content + b"TAG" + bytes(125))
    assert inspect(str(path)) == AudioInfo(64000, 16000, 1, "OGG")
    last = content.rindex(b"OggS")
    path.write_bytes(content[:last])  # some recorders write no mark of the last page
    assert inspect(str(path)).samples < 64000
    for size in (*range(last // 2, len(content), 999), last - 1, last + 3, last + 27):
        path.write_bytes(content[:size])
        fault = inspect(str(path))
        assert fault.kind == DAMAGED and "page" in fault.detail, size
    path.write_bytes(content[:-9] + bytes([content[-9] ^ 1]) + content[-8:])
    assert inspect(str(path)) == (DAMAGED, f"the page at byte {last} is damaged")
    path.write_bytes(content[:last] + b"x" + content[last + 1 :])
    assert inspect(str(path)) == (DAMAGED, f"no page at byte {last} of {len(content)}")


@pytest.mark.parametrize("kind", ["mp3", "ogg"])
def test_one_file_of_two_recordings_is_named(tmp_path, kind):
    path = tmp_path / f"a.{kind}"
    soundfile.write(path, noise(2.0), 16000)
    content = path.read_bytes()
    path.write_bytes(content * 2)
    assert inspect(str(path)) == (
        "several recordings in one file",
        f"{len(content)} of {2 * len(content)} bytes are not read; split it or convert it",
    )


@pytest.mark.parametrize("first", ["noise", "silence"])
def test_an_mp3_without_its_length_is_read_to_its_end(tmp_path, first):
    """Its first frame is larger or smaller than the others: libsndfile's guess is wrong."""
    parts = [noise(2.0), np.zeros(32000)]
    path = str(tmp_path / "a.mp3")
    soundfile.write(path, np.concatenate(parts if first == "noise" else parts[::-1]), 16000)
    expected = read_mono(path)[0]
    content = Path(path).read_bytes()
    frames = content[content.index(content[:2], 4) :]  # without the first, which is the header
    picture = b"ID3\x03" + bytes([0, 0, 0, 8, 0, 0]) + bytes(8 << 14)
    for before, after in ((b"", b""), (picture, b"TAG" + bytes(125))):
        Path(path).write_bytes(before + frames + after)
        info = inspect(path)
        assert (
            isinstance(info, AudioInfo)
            and not info.counted
            and 64000 <= info.samples < 64000 + 4 * 576
        )
        samples = read_mono(path)[0]
        assert len(samples) == info.samples
        shift = 1105  # LAME's and the decoder's delay
        assert np.abs(samples[shift : shift + 64000] - expected)[2000:-2000].max() < 1e-3
        np.testing.assert_array_equal(read_mono(path, 50000, 60000)[0], samples[50000:60000])
    Path(path).write_bytes(frames[:-20])
    assert inspect(path).kind == DAMAGED


# Codecs that cannot seek, or not to the last sample.
FORWARD = {
    "WAV": ("GSM610", "G721_32", "NMS_ADPCM_16"), "AU": ("G721_32", "G723_24"), "W64": ("GSM610",),
    "AIFF": ("GSM610", "DWVW_16"), "XI": ("DPCM_16",), "SDS": ("PCM_16",), "PAF": ("PCM_24",),
}  # fmt: skip


@pytest.mark.parametrize("format, subtype", [(f, s) for f in FORWARD for s in FORWARD[f]])
def test_a_codec_that_cannot_seek_is_read(tmp_path, format, subtype):
    for seconds in (1.0, 1.02):  # GSM in blocks of 40 ms: the size is even and odd
        path = tmp_path / f"a.{format.lower()}"
        tone = 0.5 * np.sin(np.arange(round(8000 * seconds)) / 10)
        soundfile.write(path, tone, 8000, format=format, subtype=subtype)
        info = inspect(str(path))
        assert isinstance(info, AudioInfo) and len(tone) <= info.samples < len(tone) + 641
        samples = read_mono(str(path))[0]
        assert len(samples) == info.samples
        assert np.corrcoef(samples[: len(tone)], tone)[0, 1] > 0.9
        np.testing.assert_array_equal(read_mono(str(path), 500, 900)[0], samples[500:900])
    if format not in ("XI", "SDS", "PAF"):  # libsndfile finds no length in their headers
        assert inspect(str(cut(path, 0.6))).kind == DAMAGED


def test_a_flac_written_to_a_pipe_is_whole(tmp_path):
    path = write_audio(tmp_path / "a.flac", 1.0)
    content = bytearray(path.read_bytes())
    content[21] &= 0xF0
    content[22:26] = bytes(4)  # the number of samples
    path.write_bytes(content)
    for fs in (None, 16000):
        info = inspect(str(path), fs)
        assert info == AudioInfo(16000, 16000, 1, "FLAC", counted=False)
        assert not is_ready(info, 16000)  # soundfile.read fails
    assert len(read_mono(str(path))[0]) == 16000
    assert len(read_mono(str(path), 5000, 7000)[0]) == 2000
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("espnet_wabert.formats.audio.MOST_SAMPLES", 9000)
        assert inspect(str(path)).kind == "too long"
    assert inspect(str(cut(path, 0.6))).kind == DAMAGED


def test_samples_that_the_header_of_a_wav_does_not_count_are_named(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, np.full(16000, 0.1), 16000)
    whole = path.read_bytes()
    path.write_bytes(whole[:40] + (1000).to_bytes(4, "little") + whole[44:])
    found = inspect(str(path))
    assert found[0] == DAMAGED and "counts 500 samples, and 31000 bytes follow" in found[1]
    chunk = b"LIST" + (8000).to_bytes(4, "little") + b"INFO" * 2000
    for rest in (bytes(9000), chunk, b"x", b"ID3\3" + b"\xff" * 9000):
        path.write_bytes(whole + rest)
        assert isinstance(inspect(str(path)), AudioInfo)
    eight = whole[:40] + (31999).to_bytes(4, "little") + whole[44:-1]
    for pad in (b"\0", b""):
        path.write_bytes(eight + pad + chunk)
        assert isinstance(inspect(str(path)), AudioInfo)
