"""Room for large results on huge pages, where Linux lends them.

The C library maps every block above 32 MiB anew, and the kernel hands it over in pages of 4 KiB,
each one a fault at its first write: for the gradient of an hour of frames that takes several times
longer than the arithmetic. Pages of 2 MiB make it 512 times fewer faults. Nothing is kept or
cached: the memory goes back when the tensor dies.
"""

import mmap
import sys

import torch

LARGEST_HEAP_BLOCK = 32 * 2**20  # above it glibc maps; DEFAULT_MMAP_THRESHOLD_MAX
HUGE_PAGE = 2 * 2**20


def empty_rows(rows, width, like):
    """Make an uninitialised (rows, width) tensor of the type and on the device of `like`."""
    size = rows * width * like.element_size()
    lends = sys.platform == "linux" and hasattr(mmap, "MADV_HUGEPAGE")
    if not lends or like.device.type != "cpu" or size <= LARGEST_HEAP_BLOCK:
        return like.new_empty(rows, width)
    block = mmap.mmap(-1, size + HUGE_PAGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    try:
        block.madvise(mmap.MADV_HUGEPAGE)
    except OSError:  # a kernel without them: small pages are as good as before
        pass
    return torch.frombuffer(block, dtype=like.dtype, count=rows * width).view(rows, width)
