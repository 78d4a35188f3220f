"""Numbers, fields and JSON: what is read, and what is refused."""

import errno
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from espnet_wabert.errors import UserError
from espnet_wabert.formats.lines import (
    decoded,
    fields_of,
    parse_json,
    parse_number,
    replacing,
    to_number,
    write_atomically,
)
from espnet_wabert.formats.words import read_words


@pytest.mark.parametrize("text", ["1_000", "١٢", "0x10", "1e", "", " 1", "1 ", "--1", "1,5", True])
def test_no_numbers(text):
    with pytest.raises(UserError, match="x:1: start '.*' is not a number"):
        parse_number(text, "start", "x:1")


@pytest.mark.parametrize("text", ["nan", "-inf", "1e999", 10**400])
def test_numbers_that_are_not_finite(text):
    with pytest.raises(UserError, match="it must be finite"):
        parse_number(text, "start", "x:1")


def test_numbers():
    assert [to_number(x) for x in ("1", "-.5", "+2.", "1E-3", 3, 0.5)] == [1, -0.5, 2, 1e-3, 3, 0.5]


def test_fields_are_parted_at_ascii_blanks_only():
    assert fields_of("a\tb\u00a0c  d\x85\r") == ["a", "b\u00a0c", "d\x85"]
    assert fields_of("a  b c ", 1) == ["a", "b c "]


def test_utf_16_without_a_byte_order_mark_is_refused(tmp_path):
    """As UTF-8 it is letters with a NUL between them: each a word."""
    (tmp_path / "a.txt").write_text("one\ntwo", encoding="utf-16-le")
    with pytest.raises(UserError, match=r"a.txt:1: has a NUL: UTF-16 needs a byte order mark"):
        decoded(tmp_path / "a.txt")
    (tmp_path / "a.txt").write_text("one\ntwo", encoding="utf-16")
    assert decoded(tmp_path / "a.txt") == "one\ntwo"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[" * 100_000, "x.json: is nested too deeply"),
        ("1" * 5000, "x.json: Exceeds the limit"),
        (r'{"a": "\ud800"}', "x.json: has half a character"),
        ('{"a": 1, "a": 2}', "x.json: has a key more than once: a"),
    ],
)
def test_json_that_is_refused(text, message):
    with pytest.raises(UserError, match=message):
        parse_json(text, "x.json")


def test_a_pair_of_surrogates_is_a_character():
    assert parse_json(r'"\ud83d\ude00"', "") == "😀"


def test_an_interrupted_file_leaves_the_one_before(tmp_path):
    path = tmp_path / "u.json"
    path.write_text("old")
    with pytest.raises(RuntimeError), replacing(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old" and [p.name for p in tmp_path.iterdir()] == ["u.json"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.ctm", "u 1 0.1 0.2 two words\n", "x.ctm:1: confidence 'words' is not a number"),
        ("x.ctm", "u 1 0.1 0.2 a .5 lex spk more\n", "x.ctm:1: 9 fields"),
        ("x.ctm", "", "x.ctm:1: is empty"),
        ("x.ctm", ";; only a comment\n", "x.ctm:1: is empty"),
        ("u.json", '{"u": {"words": [{"word": 3, "start": 0, "end": 1}]}}', "3 is not a word"),
        ("u.json", '{"u": {"words": [{"word": "a", "start": true, "end": 1}]}}', "is not a number"),
    ],
)  # fmt: skip
def test_words_that_would_be_lost_are_refused(tmp_path, name, content, message):
    (tmp_path / name).write_text(content)
    with pytest.raises(UserError, match=message):
        read_words(tmp_path / name, name.split(".")[1])


def test_a_word_with_a_no_break_space_is_one_word(tmp_path):
    (tmp_path / "x.ctm").write_text("u 1 0 1 New\u00a0York 0.5\nu 1 1 1 a NA lex spk\n", "utf-8")
    assert [w.word for w in read_words(tmp_path / "x.ctm")["u"]] == ["New\u00a0York", "a"]


def test_two_writers_of_one_file(tmp_path):
    path = tmp_path / "u.json"
    with replacing(path) as one, replacing(path) as other:
        one.write_text("one")
        other.write_text("other")
    assert path.read_text() == "one" and list(tmp_path.iterdir()) == [path]
    assert path.stat().st_mode & 0o777 == 0o666 & ~_umask()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_a_file_with_the_same_content_stays(tmp_path):
    path = tmp_path / "text"
    write_atomically(path, "a b\n")
    os.utime(path, (1, 1))
    write_atomically(path, "a b\n")
    assert path.stat().st_mtime == 1
    write_atomically(path, "a c\n")
    assert path.stat().st_mtime != 1 and path.read_text() == "a c\n"


def test_links_and_pipes_stay_what_they_are(tmp_path):
    target, link, pipe = (tmp_path / name for name in ("target", "link", "pipe"))
    link.symlink_to(target)
    write_atomically(link, "new")
    assert link.is_symlink() and target.read_text() == "new"
    os.mkfifo(pipe)
    with ThreadPoolExecutor(1) as pool:
        read = pool.submit(pipe.read_text)
        write_atomically(pipe, "through")
        assert read.result() == "through"
    assert pipe.is_fifo()


@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/stderr", "/dev/fd/1"])
def test_a_stream_that_is_redirected_to_a_file_is_appended_to(tmp_path, name):
    (tmp_path / "log").write_text("before\n")
    code = "import sys; from espnet_wabert.formats.lines import write_atomically as w; "
    code += "w(sys.argv[1], 'text\\n'); print('after', file=sys.stderr)"
    with (tmp_path / "log").open("a") as log:
        subprocess.run([sys.executable, "-c", code, name], stdout=log, stderr=log, check=True)
    assert (tmp_path / "log").read_text() == "before\ntext\nafter\n"


def test_a_full_disk_has_the_name_of_the_file(tmp_path):
    with pytest.raises(OSError, match=r"No space left on device: '/dev/full'"):
        write_atomically("/dev/full", "text")
    with (
        pytest.raises(OSError, match=r"No space left on device: '.*/u.srt'"),
        replacing(tmp_path / "u.srt"),
    ):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
