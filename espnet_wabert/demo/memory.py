"""Memory of the server: what a request has used goes back to the system."""

import ctypes
import gc
from contextlib import suppress


def give_back() -> None:
    """Free pictures, which are cycles of objects, and hand free pages to the system.

    glibc keeps free pages in one arena for each thread of the server; other libraries do not.
    """
    gc.collect()
    with suppress(AttributeError, OSError, TypeError):  # not glibc
        ctypes.CDLL(None).malloc_trim(0)
