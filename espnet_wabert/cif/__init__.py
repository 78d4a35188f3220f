"""Continuous integrate-and-fire (CIF): frames become tokens where the summed weight fills a token.

`cif` is the function, `CIFStream` the same over chunks. Kernels: numba on the CPU, Triton on CUDA,
torch operations elsewhere; `reference` is the loop of the paper (arXiv 1905.11235) that the tests
compare them with. This package imports nothing of the others: it needs torch and numba alone.
"""

from espnet_wabert.cif.function import CIFOutput, cif
from espnet_wabert.cif.streaming import CIFStream

__all__ = ["CIFOutput", "CIFStream", "cif"]
