"""Messages are one printable line, and disks and permissions are no tracebacks."""

import errno

import pytest

from espnet_wabert.errors import LONGEST, UserError, last_line, one_line_errors


def test_what_a_message_quotes_is_escaped():
    assert (
        last_line(UserError("a.ctm:1: label 'x\ny\x1b[2J' é")) == r"a.ctm:1: label 'x\ny\x1b[2J' é"
    )


def test_a_long_message_keeps_its_ends():
    shown = last_line(UserError(f"a.ctm:1: {'x' * 5000} is not a number"))
    assert len(shown) <= LONGEST and shown.startswith("a.ctm:1: xx")
    assert shown.endswith("xx is not a number") and " [...] " in shown


def test_the_traceback_of_a_worker_is_left_out():
    error = UserError("Caught UserError in DataLoader worker process 0.\nTraceback ...\n"
                      "espnet_wabert.errors.UserError: a.wav: bad")  # fmt: skip
    assert last_line(error) == "a.wav: bad"


@pytest.mark.parametrize(
    "code", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EISDIR, errno.EBADF]
)
def test_errors_of_the_disk_are_one_line(capsys, code):
    @one_line_errors
    def command():
        raise OSError(code, "no", "out/words.ctm")

    with pytest.raises(SystemExit) as ended:
        command()
    assert ended.value.code == 1 and capsys.readouterr().err == "error: out/words.ctm: no\n"


def test_a_character_that_standard_output_lacks_is_one_line(capsys):
    @one_line_errors
    def command():
        "caf\u00e9".encode("ascii")

    with pytest.raises(SystemExit) as ended:
        command()
    assert ended.value.code == 1 and capsys.readouterr().err == (
        "error: '\\xe9' cannot be written as ascii: set PYTHONIOENCODING=utf-8\n"
    )


def test_other_errors_of_the_system_are_not_hidden():
    @one_line_errors
    def command():
        raise OSError(errno.EBADF, "a mistake of the program")

    with pytest.raises(OSError, match="a mistake of the program"):
        command()
