"""Downloads from a server of this test's own: cuts, resumption, checksums, unpacking."""

import gzip
import hashlib
import io
import tarfile
import threading
import zipfile
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from espnet_wabert.corpora.download import CHUNK, Archive, Waits, fetch
from espnet_wabert.corpora.sources import (
    LIBRISPEECH_MD5,
    download_librispeech,
    download_ngram,
    download_slue,
)
from espnet_wabert.corpora.unpack import unpack
from espnet_wabert.errors import UserError

QUICK = Waits(tries=3, seconds=0.01)


class Server(BaseHTTPRequestHandler):
    """Serves `files`; cuts the first `cuts` answers after `after` bytes; can ignore ranges."""

    files: dict[str, bytes] = {}
    cuts = 0
    after = CHUNK + 100  # the hundred are lost
    ranges = True
    status = 200
    asked: list[str | None] = []

    def do_GET(self):
        cls = type(self)
        cls.asked.append(self.headers.get("Range"))
        content = cls.files.get(self.path)
        if content is None or cls.status != 200:
            self.send_error(404 if content is None else cls.status)
            return
        start = 0
        if cls.ranges and self.headers.get("Range"):
            start = int(self.headers["Range"].removeprefix("bytes=").rstrip("-"))
            if start >= len(content):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(content)}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        part = content[start:]
        if cls.cuts > 0:
            cls.cuts -= 1
            part = part[: cls.after]
        self.wfile.write(part)

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture
def server():
    handler = type("Handler", (Server,), {"files": {}, "asked": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as http:
        http.daemon_threads = True
        thread = threading.Thread(target=partial(http.serve_forever, poll_interval=0.01))
        thread.start()
        handler.url = f"http://127.0.0.1:{http.server_port}"
        yield handler
        http.shutdown()
        thread.join()


CONTENT = bytes(range(256)) * (CHUNK * 5 // 256) + b"the end"


def archive_at(server, md5="right", name="a.bin"):
    server.files[f"/{name}"] = CONTENT
    known = {"right": hashlib.md5(CONTENT).hexdigest(), "wrong": "0" * 32, None: None}
    return Archive(name, f"{server.url}/{name}", known[md5])


@pytest.mark.parametrize("md5", ["right", None])
def test_a_download(server, tmp_path, md5):
    assert fetch(archive_at(server, md5), tmp_path / "new", QUICK).read_bytes() == CONTENT
    assert [file.name for file in (tmp_path / "new").iterdir()] == ["a.bin"]
    fetch(archive_at(server, md5), tmp_path / "new", QUICK)
    assert server.asked == [None]


def test_a_cut_download_goes_on_where_it_stopped(server, tmp_path):
    server.cuts = 4  # more than the tries, but each of them made progress
    assert fetch(archive_at(server), tmp_path, QUICK).read_bytes() == CONTENT
    assert server.asked == [None, *(f"bytes={n * CHUNK}-" for n in (1, 2, 3, 4))]


def test_the_next_run_goes_on_where_the_last_one_stopped(server, tmp_path):
    archive = archive_at(server)
    (tmp_path / "a.bin.part").write_bytes(CONTENT[:1234])
    assert fetch(archive, tmp_path, QUICK).read_bytes() == CONTENT
    assert server.asked == ["bytes=1234-"]


def test_a_part_that_is_whole_is_only_checked(server, tmp_path):
    (tmp_path / "a.bin.part").write_bytes(CONTENT)
    assert fetch(archive_at(server), tmp_path, QUICK).read_bytes() == CONTENT


def test_a_part_that_is_too_long_starts_over(server, tmp_path):
    (tmp_path / "a.bin.part").write_bytes(CONTENT + b"x")
    assert fetch(archive_at(server), tmp_path, QUICK).read_bytes() == CONTENT
    assert server.asked == [f"bytes={len(CONTENT) + 1}-", None]


def test_a_server_without_ranges_starts_over(server, tmp_path):
    server.ranges, server.cuts = False, 2
    assert fetch(archive_at(server), tmp_path, QUICK).read_bytes() == CONTENT
    assert server.asked == [None, f"bytes={CHUNK}-", f"bytes={CHUNK}-"]


def test_a_download_that_never_ends_says_how_to_go_on(server, tmp_path):
    server.cuts, server.after = 100, 0
    with pytest.raises(UserError, match="a.bin: .*, 3 times without progress at byte 0; run the"):
        fetch(archive_at(server), tmp_path, QUICK)


def test_a_wrong_checksum_removes_the_file(server, tmp_path):
    with pytest.raises(UserError, match="a.bin: MD5 [0-9a-f]{32} is not the published 00000000"):
        fetch(archive_at(server, "wrong"), tmp_path, QUICK)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_was_there_with_a_wrong_checksum_is_left_to_its_owner(server, tmp_path):
    (tmp_path / "a.bin").write_bytes(b"mine")
    with pytest.raises(UserError, match="a.bin: MD5 .* remove this file"):
        fetch(archive_at(server), tmp_path, QUICK)
    assert (tmp_path / "a.bin").read_bytes() == b"mine" and server.asked == []


def test_answers_and_addresses_that_are_none(server, tmp_path):
    archive = archive_at(server)
    with pytest.raises(UserError, match="/b: the server answers 404"):
        fetch(archive._replace(url=f"{server.url}/b"), tmp_path, QUICK)
    with pytest.raises(UserError, match="nowhere/a"):
        fetch(archive._replace(url="nowhere/a"), tmp_path, QUICK)
    server.status = 503
    with pytest.raises(UserError, match="HTTPError, 3 times without progress"):
        fetch(archive, tmp_path, QUICK)


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
    with pytest.raises(UserError, match="--version 'v3'"):
        download_slue("v3", tmp_path)


@pytest.mark.parametrize(
    "name, content",
    [
        ("a.tar.gz", tar_of({"x": b"y" * 100000})[:-60]),
        ("a.tar.gz", b"no archive"),
        ("a.zip", b"no archive"),
        ("a.zip", zip_of({"x": b"yyyy"}).replace(b"yyyy", b"zzzz", 1)),
        ("a.tar.gz", tar_of({"../outside": b"x"})),
    ],
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
    server.files["/4-gram.arpa.gz"] = b"no gzip"
    with pytest.raises(UserError, match="4-gram.arpa.gz: not a whole gzip file"):
        download_ngram("4-gram", tmp_path, server.url, QUICK)
    with pytest.raises(UserError, match="--name: '5-gram' is not one of 3-gram.pruned"):
        download_ngram("5-gram", tmp_path, server.url, QUICK)
