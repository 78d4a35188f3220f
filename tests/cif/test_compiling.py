"""Loops that numba compiles."""

import pytest
from numba import njit

from espnet_wabert.cif.compiling import compiled


def test_without_a_place_for_the_cache_a_loop_is_compiled_all_the_same():
    """As in a container whose files and home cannot be written."""
    made: dict = {}
    exec("def double(n):\n    return 2 * n", made)  # of no file: numba finds no place beside it
    with pytest.raises(RuntimeError, match="cannot cache function 'double'"):
        njit(cache=True)(made["double"])
    double = compiled(nogil=True)(made["double"])
    assert double(21) == 42 and double.signatures
