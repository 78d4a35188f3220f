"""A pause of Python's garbage collector, which slows down imports and the loading of models."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def no_garbage_collection() -> Iterator[None]:
    """Switch the garbage collector off within the context.

    torch and transformers create many objects that stay, and each collection examines all of them.
    """
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()
