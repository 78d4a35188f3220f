"""Corpora and n-grams from a server of this test's own: parts, versions, unpacking."""

import gzip
import hashlib
import io
import shutil
import tarfile
import zipfile
from functools import partial

import pytest
from click.testing import CliRunner
from corpora_makers import QUICK

from espnet_wabert.bin.download_corpus import main
from espnet_wabert.corpora.download import Archive, fetch
from espnet_wabert.corpora.sources import (
    LIBRISPEECH_MD5,
    download_librispeech,
    download_ngram,
    download_slue,
    read_md5sums,
)
from espnet_wabert.corpora.unpack import unpack
from espnet_wabert.errors import UserError


def tar_of(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def zip_of(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as zipped:
        for name, content in files.items():
            zipped.writestr(name, content)
    return buffer.getvalue()


def changed(content: bytes, after: bytes, offset: int, value: int) -> bytes:
    """Return the content with another byte `offset` after the start of `after`."""
    altered = bytearray(content)
    position = content.index(after) + offset
    assert altered[position] != value
    altered[position] = value
    return bytes(altered)


def test_librispeech_is_brought_once(server, tmp_path):
    content = tar_of({"LibriSpeech/dev-clean/1/2/1-2.trans.txt": b"x", "LibriSpeech/README": b"r"})
    server.files["/12/dev-clean.tar.gz"] = content
    md5 = {"dev-clean": hashlib.md5(content).hexdigest()}
    server.cuts, server.after = 1, 50
    for _ in range(2):
        root = download_librispeech(
            ["dev-clean"], tmp_path, f"{server.url}/12/", md5, True, waits=QUICK
        )
        assert (root / "dev-clean" / "1" / "2" / "1-2.trans.txt").read_bytes() == b"x"
    assert len(server.asked) == 2
    assert {f.name for f in tmp_path.iterdir()} == {"LibriSpeech", ".dev-clean.done"}


def archives_at(server, *parts: str) -> dict[str, str]:
    """Serve archives of LibriSpeech's parts; return their checksums."""
    md5 = {}
    for part in parts:
        content = tar_of({f"LibriSpeech/{part}/1/2/1-2.trans.txt": part.encode()})
        server.files[f"/{part}.tar.gz"] = content
        md5[part] = hashlib.md5(content).hexdigest()
    return md5


@pytest.mark.parametrize("remove_archives", [False, True])
def test_a_download_goes_on_with_the_next_part(server, tmp_path, remove_archives):
    parts = ["train-clean-100", "dev-clean", "test-clean"]
    md5 = archives_at(server, *parts)
    missing = server.files.pop("/test-clean.tar.gz")
    bring = partial(
        download_librispeech, parts, tmp_path, server.url, md5, remove_archives, waits=QUICK
    )
    with pytest.raises(UserError, match="test-clean.tar.gz: the server answers 404"):
        bring()
    server.files = {"/test-clean.tar.gz": missing}
    root = bring()
    for part in parts:
        assert (root / part / "1/2/1-2.trans.txt").read_text() == part
    assert len(list(tmp_path.glob("*.tar.gz"))) == (0 if remove_archives else 3)


def test_a_part_that_was_unpacked_in_part_is_unpacked_again(server, tmp_path):
    md5 = archives_at(server, "dev-clean")
    fetch(Archive("dev-clean.tar.gz", f"{server.url}/dev-clean.tar.gz", None), tmp_path, QUICK)
    (tmp_path / "LibriSpeech/dev-clean/1").mkdir(parents=True)
    root = download_librispeech(["dev-clean"], tmp_path, server.url, md5, waits=QUICK)
    assert (root / "dev-clean/1/2/1-2.trans.txt").is_file()
    assert len(server.asked) == 1


def test_the_users_own_parts_are_not_downloaded(server, tmp_path):
    (tmp_path / "LibriSpeech/dev-clean/1/2").mkdir(parents=True)
    (tmp_path / "LibriSpeech/dev-clean/1/2/1-2.trans.txt").write_text("1-2-0000 A\n")
    download_librispeech(["dev-clean"], tmp_path, server.url, waits=QUICK)
    assert server.asked == []
    out = ["--out", str(tmp_path), "--base_url", server.url]
    said = CliRunner().invoke(main, ["librispeech", "--parts", "dev-clean", *out]).output
    assert said.endswith("LibriSpeech: dev-clean there already, not checked\n")
    slue = tmp_path / "slue-voxceleb"
    (slue / "fine-tune_raw").mkdir(parents=True)
    (slue / "slue-voxceleb_fine-tune.tsv").write_text("id\n")
    said = CliRunner().invoke(main, ["slue", *out]).output
    assert said.endswith("slue-voxceleb: there already, not checked\n") and server.asked == []


def test_a_folder_without_the_corpus_is_not_taken_for_it(server, tmp_path):
    """The archive of LibriSpeech's word times has the same folders; labels can lie beside."""
    md5 = archives_at(server, "dev-clean")
    (tmp_path / "md5").write_text(f"{md5['dev-clean']} dev-clean.tar.gz\n")
    (tmp_path / "LibriSpeech/dev-clean/1/2").mkdir(parents=True)
    (tmp_path / "LibriSpeech/dev-clean/1/2/1-2.alignment.txt").touch()
    out = ["--out", str(tmp_path), "--base_url", server.url]
    parts = ["librispeech", "--parts", "dev-clean", "--md5sums", str(tmp_path / "md5")]
    said = CliRunner().invoke(main, [*parts, *out]).stdout
    assert said.endswith("LibriSpeech: dev-clean complete, MD5 checked\n")
    both = {file.name for file in (tmp_path / "LibriSpeech/dev-clean/1/2").iterdir()}
    assert both == {"1-2.alignment.txt", "1-2.trans.txt"}
    (tmp_path / "slue-voxceleb").mkdir()
    (tmp_path / "slue-voxceleb/slue-voxceleb_test.tsv").touch()
    server.files["/slue-voxceleb_v0.2_blind.zip"] = zip_of({"slue-voxceleb/a": b"a"})
    said = CliRunner().invoke(main, ["slue", *out]).stdout
    assert "slue-voxceleb: v0.2 complete; no published checksum" in said
    assert (tmp_path / "slue-voxceleb/a").is_file()


def test_a_full_disk_is_found_before_the_download(server, tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)._replace(free=int(70e9))
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage)
    bring = partial(download_librispeech, LIBRISPEECH_MD5, tmp_path, server.url, waits=QUICK)
    with pytest.raises(UserError, match="70 GB are free, the corpus needs 123 GB .*remove_archive"):
        bring()
    with pytest.raises(UserError, match="70 GB are free, the corpus needs 92 GB"):
        bring(remove_archives=True)
    # The archive of a part that is there already saves nothing.
    (tmp_path / "LibriSpeech/train-clean-360").mkdir(parents=True)
    (tmp_path / ".train-clean-360.done").touch()
    with (tmp_path / "train-clean-360.tar.gz").open("wb") as archive:
        archive.truncate(int(23e9))
    with pytest.raises(UserError, match="70 GB are free, the corpus needs 77 GB"):
        bring()
    usage = usage._replace(free=int(3e9))
    with pytest.raises(UserError, match="3 GB are free, the corpus needs 5 GB"):
        download_slue("v0.2", tmp_path, waits=QUICK)
    assert server.asked == []


def test_checksums_of_a_mirror(tmp_path):
    path = tmp_path / "md5sum.txt"
    path.write_text(f"{'a' * 32}  dev-clean.tar.gz\n{'b' * 32} *test-clean.tar.gz\n")
    assert read_md5sums(path) == {"dev-clean": "a" * 32, "test-clean": "b" * 32}
    path.write_text(f"{'A' * 32}  ./dev-clean.tar.gz\n")
    assert read_md5sums(path) == {"dev-clean": "a" * 32}
    path.write_text("dev-clean.tar.gz\n")
    with pytest.raises(UserError, match="md5sum.txt:1: not 'MD5 NAME'"):
        read_md5sums(path)


def test_unknown_parts_and_all_checksums_are_known(tmp_path):
    assert len(set(LIBRISPEECH_MD5.values())) == 7
    assert all(len(md5) == 32 for md5 in LIBRISPEECH_MD5.values())
    with pytest.raises(UserError, match="--parts: 'train' is not one of train-clean-100"):
        download_librispeech(["train"], tmp_path)


def test_slue_is_brought_and_its_versions_are_kept_apart(server, tmp_path):
    files = {"slue-voxceleb/slue-voxceleb_dev.tsv": b"id\n"}
    server.files["/slue-voxceleb_v0.2_blind.zip"] = zip_of(files)
    server.files["/slue-voxceleb_blind.tar.gz"] = tar_of({"elsewhere/a": b""})
    root = download_slue("v0.2", tmp_path / "two", server.url, waits=QUICK)
    assert (root / "slue-voxceleb_dev.tsv").read_bytes() == b"id\n"
    assert (tmp_path / "two" / "slue-voxceleb_v0.2_blind.zip").is_file()
    with pytest.raises(UserError, match="two: holds v0.2 already"):
        download_slue("v0.1", tmp_path / "two", server.url, waits=QUICK)
    with pytest.raises(UserError, match="there is no .*slue-voxceleb now: another layout"):
        download_slue("v0.1", tmp_path / "one", server.url, waits=QUICK)
    (tmp_path / "one/slue-voxceleb/fine-tune_raw").mkdir(parents=True)
    (tmp_path / "one/slue-voxceleb/slue-voxceleb_fine-tune.tsv").touch()
    with pytest.raises(UserError, match="one: holds v0.1 already"):  # in part
        download_slue("v0.2", tmp_path / "one", server.url, waits=QUICK)
    with pytest.raises(UserError, match="--version 'v3'"):
        download_slue("v3", tmp_path)


@pytest.mark.parametrize(
    "name, content",
    [
        ("a.tar.gz", tar_of({"x": b"y" * 100000})[:-60]),
        ("a.tar.gz", b"no archive"),
        ("a.zip", b"no archive"),
        ("a.zip", zip_of({"x": b"yyyy"}).replace(b"yyyy", b"zzzz", 1)),
        ("a.zip", changed(zip_of({"x": b"yyyy"}), b"PK\1\2", 8, 1)),  # encrypted
        ("a.zip", changed(zip_of({"x": b"yyyy"}), b"PK\1\2", 10, 77)),  # an unknown method
        ("a.zip", changed(zip_of({"\xe4": b"yyyy"}), b"PK\1\2", 46, 255)),  # no UTF-8
        ("a.tar.gz", changed(tar_of({"x": b"y"}), b"", -8, 0)),  # another checksum
        ("a.tar.gz", tar_of({"../outside": b"x"})),
    ],
    ids=[f"archive {number}" for number in range(9)],
)
def test_bad_archives_leave_nothing(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=f"{name}: cannot be unpacked"):
        unpack(tmp_path / name, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []
    assert not (tmp_path / "outside").exists()


def test_unpacking_over_an_older_copy(tmp_path):
    (tmp_path / "a.tar.gz").write_bytes(tar_of({"d/x": b"new"}))
    (tmp_path / "out" / "d").mkdir(parents=True)
    (tmp_path / "out" / "d" / "x").write_bytes(b"old")
    (tmp_path / "out" / "d" / "mine").write_bytes(b"mine")
    unpack(tmp_path / "a.tar.gz", tmp_path / "out")
    assert (tmp_path / "out" / "d" / "x").read_bytes() == b"new"
    assert (tmp_path / "out" / "d" / "mine").read_bytes() == b"mine"


def test_an_ngram_is_downloaded_and_unpacked_once(server, tmp_path):
    server.files["/3-gram.arpa.gz"] = gzip.compress(b"an n-gram")
    for _ in range(2):
        path = download_ngram("3-gram", tmp_path, server.url, QUICK)
        assert path.name == "3-gram.arpa" and path.read_bytes() == b"an n-gram"
    assert server.asked == [None] and [p.name for p in tmp_path.iterdir()] == ["3-gram.arpa"]
    whole = gzip.compress(b"an n-gram", mtime=0)
    for damaged in (b"no gzip", whole[:-9], whole[:10] + b"\xff" + whole[11:]):
        server.files["/4-gram.arpa.gz"] = damaged
        with pytest.raises(UserError, match="4-gram.arpa.gz: not a whole gzip file"):
            download_ngram("4-gram", tmp_path, server.url, QUICK)
        (tmp_path / "4-gram.arpa.gz").unlink()
    with pytest.raises(UserError, match="--name: '5-gram' is not one of 3-gram.pruned"):
        download_ngram("5-gram", tmp_path, server.url, QUICK)
