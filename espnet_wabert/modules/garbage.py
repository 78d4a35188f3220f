"""Python's search for garbage, which is in the way while much is loaded."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def no_garbage_collection() -> Iterator[None]:
    """Import or load without the search for reference cycles.

    torch and transformers make a million objects that stay; searching them again and again takes
    an eighth of the time of their import.
    """
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()
