"""Allocate large outputs on huge pages (Linux).

glibc maps every block above 32 MiB anew, in pages of 4 KiB. Each page faults at its first write:
for the gradient of an hour of frames the faults take longer than the arithmetic. Pages of 2 MiB
cause 512 times fewer faults. The memory is freed with the tensor.
"""

import contextlib
import mmap
import sys

import torch

LARGEST_HEAP_BLOCK = 32 * 2**20  # glibc maps larger blocks: DEFAULT_MMAP_THRESHOLD_MAX
HUGE_PAGE = 2 * 2**20


def empty_rows(rows, width, like):
    """Return an uninitialized (rows, width) tensor with the type and device of `like`."""
    size = rows * width * like.element_size()
    supported = sys.platform == "linux" and hasattr(mmap, "MADV_HUGEPAGE")
    if not supported or like.device.type != "cpu" or size <= LARGEST_HEAP_BLOCK:
        return like.new_empty(rows, width)
    block = mmap.mmap(-1, size + HUGE_PAGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    with contextlib.suppress(OSError):  # a kernel without huge pages uses small ones
        block.madvise(mmap.MADV_HUGEPAGE)
    return torch.frombuffer(block, dtype=like.dtype, count=rows * width).view(rows, width)
