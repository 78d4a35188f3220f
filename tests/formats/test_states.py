"""What stands for the content of files, folders and recordings."""

import os

import pytest

from espnet_wabert.errors import UserError
from espnet_wabert.formats import states as module
from espnet_wabert.formats.states import MISSING, file_state, states


def touch_back(path, content: bytes) -> None:
    """Write a file and give it its old time of change."""
    before = path.stat().st_mtime_ns
    path.write_bytes(content)
    os.utime(path, ns=(before, before))


def test_a_small_file_is_its_content(tmp_path):
    path = tmp_path / "text"
    path.write_bytes(b"abc")
    before = file_state(path)
    os.utime(path, (1, 1))
    assert file_state(path) == before
    touch_back(path, b"abd")
    assert file_state(path) != before


def test_a_large_file_is_its_size_and_time(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "SMALL", 2)
    path = tmp_path / "feats.ark"
    path.write_bytes(b"abc")
    before = file_state(path)
    touch_back(path, b"abd")
    assert file_state(path) == before  # what cannot be noticed
    touch_back(path, b"abcd")
    assert file_state(path) != before
    path.write_bytes(b"abc")
    os.utime(path, (1, 1))
    assert file_state(path) != before


def test_a_folder_names_its_files_and_is_one_with_its_folders(tmp_path):
    (tmp_path / "inner").mkdir()
    for name in ("a", "inner/b", ".hidden"):
        (tmp_path / name).write_text(name)
    before = states(tmp_path)
    assert set(before) == {str(tmp_path), f"{tmp_path}/a", f"{tmp_path}/inner"}
    (tmp_path / "inner/c").write_text("")
    after = states(tmp_path)
    assert {name for name in after if after[name] != before[name]} == {f"{tmp_path}/inner"}
    assert states(tmp_path / "nothing") == {f"{tmp_path}/nothing": MISSING}


@pytest.mark.parametrize("harm", ["other", "time", "remove"])
def test_a_data_folder_is_its_recordings_too(tmp_path, harm):
    """Its audio folder is not looked through a second time."""
    audio = tmp_path / "data/audio/u1.flac"
    audio.parent.mkdir(parents=True)
    audio.write_bytes(b"abc")
    (tmp_path / "data/wav.scp").write_text(f"u1 {audio}\nu2 /nowhere/u2.flac\nbroken\n")
    before = states(tmp_path / "data")
    recordings = f"{tmp_path}/data/wav.scp: recordings"
    assert set(before) == {f"{tmp_path}/data", f"{tmp_path}/data/wav.scp", recordings}
    if harm == "remove":
        audio.unlink()
    elif harm == "time":
        os.utime(audio, (1, 1))
    else:
        touch_back(audio, b"abcd")
    after = states(tmp_path / "data")
    assert {name for name in after if after[name] != before[name]} == {recordings}


def test_a_file_that_cannot_be_read_is_an_error(tmp_path):
    with pytest.raises(UserError, match="nowhere: cannot be read: No such file"):
        file_state(tmp_path / "nowhere")


def test_the_files_of_a_folder_alone(tmp_path):
    (tmp_path / "inner").mkdir()
    for name in ("text", "wav.scp", ".hidden", "inner/b"):
        (tmp_path / name).write_text(f"u1 {tmp_path}/text")
    found = states(f"{tmp_path}/*")
    assert set(found) == {f"{tmp_path}/text", f"{tmp_path}/wav.scp"}
    assert states(tmp_path / "nothing/*") == {}
