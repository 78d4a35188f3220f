"""What all tests share: the same random numbers at their beginning, and a small corpus."""

import os
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from filelock import FileLock


@pytest.fixture(autouse=True)
def seeded():
    """Seed the generators: transformers draws the masks of SpecAugment from numpy's."""
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def same_environment():
    """Undo what packages set in `os.environ`: `forked_python` serves its own environment only."""
    before = dict(os.environ)
    yield
    if os.environ != before:
        os.environ.clear()
        os.environ.update(before)


@pytest.fixture(scope="session")
def tiny_corpus(tmp_path_factory) -> Path:
    """A folder with the tiny embedded corpus, to be copied: made once for all test processes."""
    from espnet_wabert.mini.corpus import make_corpus

    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent  # of all processes
    with FileLock(folder / "tiny_corpus.lock"):
        make_corpus(folder / "tiny_corpus", seed=1, size="tiny", jobs=1, models=False)
    return folder / "tiny_corpus"
