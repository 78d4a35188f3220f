"""The one exception for a user's mistake, and how a command shows it."""

import functools
import sys


class UserError(ValueError):
    """A mistake in the input that its owner can mend.

    The message is one line that names the offender (file, line, field or utterance) and the rule.
    """


def first_line(error: BaseException) -> str:
    """Return the first line of an error of a library; its type if it has no message."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def last_line(error: UserError) -> str:
    """Return the message alone; torch puts the traceback of a data loader's worker before it."""
    line = str(error).strip().splitlines()[-1]
    return line.removeprefix(f"{UserError.__module__}.{UserError.__name__}: ")


def one_line_errors(main):
    """Make a command end with one line on standard error and status 1 on a `UserError`."""

    @functools.wraps(main)
    def wrapped(*args, **kwargs):
        try:
            return main(*args, **kwargs)
        except UserError as error:
            print(f"error: {last_line(error)}", file=sys.stderr)
            sys.exit(1)

    return wrapped
