"""The one exception for a user's mistake, and how a command shows it."""

import errno
import functools
import sys

LONGEST = 1500  # characters of a message
# Errors of the disk and of permissions: no fault of the program, and no traceback.
_OF_THE_SYSTEM = {
    errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO,
    errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENAMETOOLONG, errno.ELOOP,
    errno.EINVAL, errno.ESTALE, errno.EMFILE, errno.ENFILE, errno.ENOTEMPTY, errno.EBUSY,
    errno.ETXTBSY, errno.EXDEV, errno.EOPNOTSUPP, errno.ETIMEDOUT, errno.ENXIO,
}  # fmt: skip


class UserError(ValueError):
    """A mistake in the input that the user can correct.

    The message is one line that names the place (file, line, field or utterance) and the rule.
    """


def first_line(error: BaseException) -> str:
    """Return the first line of an error of a library; its type if it has no message."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def last_line(error: UserError) -> str:
    """Return the message alone, as one printable line.

    torch puts the traceback of a data loader's worker before it. What a message quotes from a file
    may have line ends and control characters, which become escapes.
    """
    line = str(error).strip()
    if line.startswith("Caught "):
        line = line.split("\n")[-1]
        line = line.removeprefix(f"{UserError.__module__}.{UserError.__name__}: ")
    shown = printable(line)
    return shown if len(shown) <= LONGEST else f"{shown[: LONGEST - 200]} [...] {shown[-180:]}"


def printable(text: str) -> str:
    """Return text as one line that any terminal and any UTF-8 file can take."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def one_line_errors(main):
    """Make a command end with one line on standard error and status 1.

    On a `UserError`, on a disk that is full or a file that may not be written, and on characters
    that standard output does not have.
    """

    @functools.wraps(main)
    def wrapped(*args, **kwargs):
        try:
            return main(*args, **kwargs)
        except UserError as error:
            message = last_line(error)
        except UnicodeEncodeError as error:
            bad = error.object[error.start : error.end]
            message = f"{bad!a} cannot be written as {error.encoding}: set PYTHONIOENCODING=utf-8"
        except OSError as error:
            if error.errno not in _OF_THE_SYSTEM and error.filename is None:
                raise
            what = error.filename2 or error.filename or "a file or standard output"
            message = last_line(UserError(f"{what}: {error.strerror}"))
        print(f"error: {message}", file=sys.stderr)
        sys.exit(1)

    return wrapped
