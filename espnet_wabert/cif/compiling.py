"""Compile loops with numba, and keep the result on disk where there is a place for it."""

from collections.abc import Callable

import numba


def compiled(**options) -> Callable:
    """Return a decorator, `numba.njit` with `options`.

    What is compiled is kept beside the source or in the user's cache, for the next process. In a
    container neither may be writable. numba would refuse that; then each process compiles anew.
    """

    def decorate(function: Callable) -> Callable:
        try:
            return numba.njit(cache=True, **options)(function)
        except RuntimeError:  # no place for a cache
            return numba.njit(**options)(function)

    return decorate
