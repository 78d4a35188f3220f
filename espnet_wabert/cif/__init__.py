"""Continuous integrate-and-fire (CIF): sum frames into tokens, one token per threshold of weight.

`cif` is the function and `CIFStream` its streaming form. Kernels: numba on the CPU, Triton on CUDA,
torch operations elsewhere. `reference` has the loop of Dong & Xu (arXiv 1905.11235), with which the
tests compare them. This sub-package imports no other one: it needs torch and numba only.
"""

from espnet_wabert.cif.function import CIFOutput, cif
from espnet_wabert.cif.streaming import CIFStream
from espnet_wabert.cif.validation import ArgumentError

__all__ = ["ArgumentError", "CIFOutput", "CIFStream", "cif"]
