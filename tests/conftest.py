"""What all tests share: the same random numbers at their beginning, and a small corpus."""

import os
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from filelock import FileLock

# The files that take longest, the longest first: begun at the end, one would keep `make test`
# waiting while the other processes have nothing to do.
LONGEST = """recipes/test_recipes recipes/test_systems docs/test_code_blocks graphs/test_export
    demo/test_server training/test_killed recipes/test_nodes training/test_distributed
    mini/test_corpus docs/test_notebook models/test_hub demo/test_browser workers/test_same_bytes
    workers/test_workers finetuning/test_finetune recipes/test_options inference/test_more_commands
    inference/test_light_install training/test_task benchmarks/test_aligners_benchmark""".split()


def pytest_collection_modifyitems(items):
    """Begin with the files that take longest."""
    tests = Path(__file__).parent
    order = {tests / f"{name}.py": place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: order.get(item.path, len(order)))


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


@pytest.fixture(scope="module")
def own_cache(tmp_path_factory):
    """Packed models are unpacked into a cache of this file's tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


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
