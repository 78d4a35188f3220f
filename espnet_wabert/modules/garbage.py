"""Python's search for garbage, which is in the way while much is loaded."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def no_garbage_collection() -> Iterator[None]:
    """Import or load without the search for reference cycles.

    torch and transformers make many objects that stay, and each search looks at all of them.
    """
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()
