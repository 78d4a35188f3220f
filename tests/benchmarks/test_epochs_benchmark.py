"""What the benchmark reads from the folder of a training."""

import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LOG = """\
[host] 2026-01-01 10:00:00,000 (trainer:334) INFO: 1/2epoch started
[host] 2026-01-01 10:00:50,000 (trainer:810) INFO: 1epoch:train:1-50batch: iter_time=0.021
[host] 2026-01-01 10:01:00,500 (trainer:392) INFO: 1epoch results: [train] iter_time=0.021
[host] 2026-01-01 10:01:00,900 (trainer:460) INFO: The best model has been updated: valid.loss
[host] 2026-01-01 10:01:01,000 (trainer:322) INFO: 2/2epoch started. Estimated time to finish: 1 s
[host] 2026-01-01 10:02:00,000 (trainer:392) INFO: 2epoch results: [train] iter_time=0.021
[host] 2026-01-01 10:02:02,000 (trainer:503) INFO: The training was finished at 2 epochs
"""


@pytest.fixture
def epochs(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module("epochs")


def test_epochs_begin_have_results_and_are_saved(epochs):
    found = [
        (n, results - begin, saved - results) for n, begin, results, saved in epochs.epochs_of(LOG)
    ]
    assert found == [(1, 60.5, 0.5), (2, 59.0, 2.0)]
    unfinished = LOG.rsplit("[host]", 1)[0]  # the second one is not saved yet
    assert len(list(epochs.epochs_of(unfinished))) == 1
    resumed = "[host]" + unfinished.split("[host]", 5)[5] + LOG.rsplit("[host]", 1)[1]
    assert [n for n, *_ in epochs.epochs_of(resumed)] == [2]


def test_padding_is_that_of_the_batches(epochs, tmp_path):
    (tmp_path / "shape").write_text("a 100,8\nb 80,8\nc 20,8\nd 20,8\n")
    options = {"train_shape_file": ["shape"], "batch_type": "length", "batch_size": 20}
    one_batch = epochs.padding(options | {"batch_bins": 10_000}, tmp_path)
    assert one_batch == (pytest.approx(1 - 220 / 400), 4)
    assert epochs.padding(options | {"batch_bins": 1}, tmp_path) == (0.0, 4)
