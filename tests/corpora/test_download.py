"""Downloads from a server of this test's own: cuts, resumption, checksums."""

import hashlib
import itertools

import pytest
from corpora_makers import QUICK

from espnet_wabert.corpora.download import CHUNK, Archive, fetch
from espnet_wabert.errors import UserError

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
    assert server.asked == [None, *(f"bytes={n * server.after}-" for n in (1, 2, 3, 4))]


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
    assert server.asked == [None, f"bytes={server.after}-", f"bytes={server.after}-"]


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br"])
def test_archives_are_not_decoded(server, tmp_path, encoding):
    """Some servers declare the compression of a .gz file as a Content-Encoding."""
    server.encoding, server.cuts = encoding, 1
    assert fetch(archive_at(server), tmp_path, QUICK).read_bytes() == CONTENT
    assert len(server.asked) == 2


def test_the_number_of_requests_is_limited(server, tmp_path):
    """A server without ranges that stops each time at another place makes progress for ever."""
    server.ranges, server.cuts = False, 1000
    sizes = itertools.cycle((100, CHUNK))

    answer = server.do_GET

    def respond(handler):
        type(handler).after = next(sizes)
        answer(handler)

    server.do_GET = respond
    with pytest.raises(UserError, match=r"a.bin: .*, 20 times at byte \d+; run the same command"):
        fetch(archive_at(server), tmp_path, QUICK._replace(total=20))
    assert len(server.asked) == 20


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
