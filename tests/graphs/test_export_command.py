"""`wabert export` as a process of its own."""

import subprocess
import sys
import time

import pytest
from tiny import arguments, save


@pytest.mark.slow
def test_an_export_that_is_ended_leaves_nothing(tmp_path):
    weights = save(arguments(), tmp_path / "model")
    place = tmp_path / "place"
    command = [sys.executable, "-m", "espnet_wabert.cli.main", "export", "--model", str(weights)]
    process = subprocess.Popen([*command, "--out", str(place / "out")], stderr=subprocess.PIPE)
    while not list(place.glob(".out.*/export")) and process.poll() is None:
        time.sleep(0.01)
    process.terminate()  # as a cluster or a container does
    error = process.communicate()[1]
    assert process.returncode == 1, error
    assert not list(place.iterdir())
