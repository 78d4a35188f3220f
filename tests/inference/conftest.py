"""What the tests of inference share."""

import pytest
from aligners import write_model


@pytest.fixture(scope="module")
def model(own_cache, tmp_path_factory):
    """An untrained aligner as a zip."""
    return str(write_model(tmp_path_factory.mktemp("model")))
