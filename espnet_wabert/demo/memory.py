"""Memory of the server: what a request has used goes back to the system."""

import ctypes
import gc
from contextlib import suppress


def keep() -> None:
    """Keep what is there now, models and packages, so that `give_back` need not look through it.

    To look through all of it takes twice as long as to align a clip of 7 s.
    """
    gc.collect()
    gc.freeze()


def give_back() -> None:
    """Free pictures, which are cycles of objects, and hand free pages to the system.

    glibc keeps free pages in one arena for each thread of the server; other libraries do not.
    """
    gc.collect()
    with suppress(AttributeError, OSError, TypeError):  # not glibc
        ctypes.CDLL(None).malloc_trim(0)
