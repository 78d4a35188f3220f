"""Every test begins with the same random numbers, in whatever order and process the tests run."""

import random

import numpy as np
import pytest
import torch


@pytest.fixture(autouse=True)
def seeded():
    """Seed the generators: transformers draws the masks of SpecAugment from numpy's."""
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)
