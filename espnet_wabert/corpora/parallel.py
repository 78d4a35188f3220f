"""Run a function on many items in processes, with a progress bar."""

import multiprocessing
import sys
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor

from tqdm import tqdm

# With fewer items per process, starting processes takes longer than the work.
WORTH_A_PROCESS = 200


def progress(items: Iterable, total: int, label: str, unit: str) -> Iterable:
    """Return `items` with a progress bar, updated rarely if the output is a file."""
    interval = 0.2 if sys.stderr.isatty() else 10.0
    return tqdm(items, total=total, desc=label, unit=unit, mininterval=interval)


def parallel_map(
    function: Callable, items: Sequence, nj: int, label: str, worth: int = WORTH_A_PROCESS
) -> list:
    """Return `function` of every item, in order, with up to `nj` processes."""
    nj = min(nj, len(items) // worth)
    if nj < 2:
        return [function(item) for item in progress(items, len(items), label, "utt")]
    chunk = max(1, min(500, len(items) // (nj * 4)))
    # spawn: a process forked from one that already runs torch threads can hang.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(nj, mp_context=context) as pool:
        results = pool.map(function, items, chunksize=chunk)
        return list(progress(results, len(items), label, "utt"))
