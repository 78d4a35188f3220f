"""The machine and the versions that a benchmark's figures belong to."""

import platform

import torch

from espnet_wabert.models.provenance import commit, machine


def describe(threads):
    """The kind of processor and the versions; nothing that names the machine."""
    return {
        "cpu": machine(), "threads": threads,
        "torch": torch.__version__, "python": platform.python_version(),
        "commit": commit() or "none",
    }  # fmt: skip
