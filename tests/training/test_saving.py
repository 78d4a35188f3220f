"""Checkpoints after a kill, a damaged file and a full disk."""

import errno
import os

import pytest
import torch

from espnet_wabert.errors import UserError
from espnet_wabert.models import weights_file
from espnet_wabert.training import saving


def state(epoch: int) -> dict:
    return {"model": {"w": torch.full((9,), float(epoch))}, "reporter": {"epoch": epoch}}


def save_epoch(folder, epoch: int) -> None:
    """Write what ESPnet's trainer writes after an epoch."""
    with saving.safe_saving():
        torch.save(state(epoch), folder / saving.CHECKPOINT)
        torch.save(state(epoch)["model"], folder / f"{epoch}epoch.pth")


def epoch_of(folder) -> int:
    return weights_file.read_weights(folder / saving.CHECKPOINT)["reporter"]["epoch"]


def damage(path) -> None:
    """Flip one bit in the middle."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.fixture
def folder(tmp_path):
    for epoch in (1, 2):
        save_epoch(tmp_path, epoch)
    return tmp_path


def test_a_checkpoint_has_a_checksum_and_a_predecessor(folder):
    assert epoch_of(folder) == 2
    assert weights_file.read_weights(folder / saving.PREVIOUS)["reporter"]["epoch"] == 1
    digest, name = (folder / "2epoch.pth.sha256").read_text().split()
    assert len(digest) == 64 and name == "2epoch.pth"
    assert not list(folder.glob(".*"))
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    saving.recover(folder)
    assert before == {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("harm", [damage, lambda p: p.write_bytes(p.read_bytes()[:50]), os.unlink])
def test_a_broken_checkpoint_goes_back_one_epoch(folder, harm, caplog):
    harm(folder / saving.CHECKPOINT)
    saving.recover(folder)
    assert epoch_of(folder) == 1
    assert "checkpoint.pth is damaged or missing: going back to the epoch before" in caplog.text
    save_epoch(folder, 2)
    assert epoch_of(folder) == 2 and weights_file.intact(folder / "2epoch.pth")


class Killed(BaseException):
    """As a kill: nothing of the code under test handles it."""


def save_and_be_killed(folder, epoch: int, monkeypatch, module, name: str, after: int) -> bool:
    """Write an epoch; a call of `name` is a kill. Return whether there was such a call."""
    real, calls = getattr(module, name), []

    def killed(*args):
        calls.append(args)
        if len(calls) > after:
            raise Killed
        return real(*args)

    with monkeypatch.context() as patch:
        patch.setattr(module, name, killed)
        try:
            save_epoch(folder, epoch)
        except Killed:
            return True
    return False


@pytest.mark.parametrize(
    ("module", "name", "calls"),
    [(os, "replace", 6), (os, "fsync", 4), (saving, "write_checksum", 2)],
)
def test_a_kill_at_every_step_of_a_write_can_be_resumed(folder, monkeypatch, module, name, calls):
    for after in range(calls):
        before = epoch_of(folder)
        assert save_and_be_killed(folder, before + 1, monkeypatch, module, name, after)
        saving.recover(folder)
        epoch = epoch_of(folder)
        assert epoch in (before, before + 1)
        assert weights_file.intact(folder / f"{epoch}epoch.pth")
    assert not save_and_be_killed(folder, epoch + 1, monkeypatch, module, name, calls)


def test_missing_weights_of_the_last_epoch_are_written_again(folder):
    (folder / "2epoch.pth").unlink()
    saving.recover(folder)
    assert torch.equal(
        weights_file.read_weights(folder / "2epoch.pth")["w"], state(2)["model"]["w"]
    )


def test_damage_that_cannot_be_repaired_is_named(folder):
    damage(folder / "1epoch.pth")
    with pytest.raises(UserError, match=r"/1epoch.pth: damaged: its checksum .*--overwrite true"):
        saving.recover(folder)
    with pytest.raises(UserError, match=r"/1epoch.pth: damaged: its checksum is not the one of"):
        weights_file.read_weights(folder / "1epoch.pth")
    for name in (saving.CHECKPOINT, saving.PREVIOUS):
        damage(folder / name)
    with pytest.raises(
        UserError, match=r"checkpoint.pth: damaged, and there is no checkpoint of th"
    ):
        saving.recover(folder)


def test_a_full_disk_keeps_the_last_epoch(folder, monkeypatch):
    def full(handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match=r"cannot be written: .*No space left.*the same command"):
        save_epoch(folder, 3)
    monkeypatch.undo()
    assert not list(folder.glob(".*"))
    saving.recover(folder)
    assert epoch_of(folder) == 2


def test_an_interruption_while_a_file_is_written_is_no_full_disk(folder, monkeypatch):
    def interrupted(*_):
        try:
            raise KeyboardInterrupt
        finally:  # as torch, which finds its zip cut off
            raise RuntimeError("unexpected pos 57342016 vs 57341904")

    monkeypatch.setattr(saving, "_save", interrupted)
    with pytest.raises(KeyboardInterrupt):
        save_epoch(folder, 3)
    assert not list(folder.glob(".*"))


def test_room_is_checked_before_training(tmp_path, monkeypatch):
    model = torch.nn.Linear(1000, 1000)
    saving.require_room(tmp_path, model, 3)
    usage = saving.shutil.disk_usage(tmp_path)._replace(free=50_000_000)
    monkeypatch.setattr(saving.shutil, "disk_usage", lambda path: usage)
    with pytest.raises(UserError, match=r"0.1 GB are free, the checkpoints need 0.1 GB"):
        saving.require_room(tmp_path, model, 3)


def test_checksums_of_removed_files_are_removed(folder):
    (folder / "1epoch.pth").unlink()
    saving.recover(folder)
    assert not (folder / "1epoch.pth.sha256").exists()


def test_an_open_file_and_a_list_of_no_weights(tmp_path):
    with saving.safe_saving(), (tmp_path / "list.pth").open("wb") as file:
        torch.save([1, 2], file)
    with pytest.raises(UserError, match="list.pth: holds a list instead of weights by name"):
        weights_file.read_weights(tmp_path / "list.pth")
