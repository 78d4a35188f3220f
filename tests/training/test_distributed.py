"""Two and four processes train as one process with the whole batch does."""

import os
import subprocess
import sys

import pytest
import torch
from cluster import write_commands
from forked_python import forked_python
from processes import run_together
from ranks import ROOT, command, train, train_rank, write_data
from tiny_sources import write_tiny_sources

pytestmark = pytest.mark.slow

# Adam would amplify rounding: where a gradient is nearly zero, its step has only a sign.
SGD = "--optim sgd --optim_conf lr=0.05 --scheduler none --accum_grad 2".split()
KINDS = {
    "align": ("align", ""),  # InfoNCE with the negatives of the batch, graphemes
    "utterance": ("align", "--model_conf negatives=utterance --model_conf ctc_weight=0.3"),
    "cosine": ("align", "--model_conf align_loss=cosine --model_conf grapheme_weight=0.0"),
    "cosine_sum": ("align", "--model_conf align_loss=cosine_sum"),
    "sentiment": ("sentiment", "--model_conf quantity_weight=0.1"),
    "e2e": ("sentiment_e2e", "--model_conf frozen_steps=2"),
    "prosody": ("sentiment_prosody", ""),
    "text": ("sentiment_text", ""),
}
# Rounding: float32 sums in another order, over six batches and three or four updates.
WEIGHTS, FIGURES = 5e-6, 2e-5


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """Every kind of model, trained by one process; returns the folder and the commands."""
    folder = tmp_path_factory.mktemp("distributed")
    sources = write_tiny_sources(folder)
    data = write_data(folder / "data")

    def options(kind: str, processes: int) -> list[str]:
        config, more = KINDS[kind]
        return command(config, sources, data, folder / f"{processes}" / kind, *SGD, *more.split())

    for kind in KINDS:
        train(options(kind, 1))
    return folder, options


@pytest.mark.parametrize("processes", [2, 4])
def test_processes_train_as_one_with_the_whole_batch(alone, processes):
    """With accumulation, 5, 4 and 4 utterances per batch, and 1 to 3 of them per process.

    Weights and all figures of the log (losses, accuracy, macro F1, norms) are equal up to rounding.
    """
    folder, options = alone
    kinds = list(KINDS) if processes == 2 else ["align", "utterance", "prosody"]
    run_together(train_rank, processes, [options(kind, processes) for kind in kinds])
    for kind in kinds:
        paths = [folder / n / kind / "checkpoint.pth" for n in (str(processes), "1")]
        many, one = (torch.load(path, weights_only=True) for path in paths)
        torch.testing.assert_close(many["model"], one["model"], atol=WEIGHTS, rtol=WEIGHTS)
        assert not any(key.startswith("teacher.") for key in many["model"])
        assert figures(many) == pytest.approx(figures(one), rel=FIGURES, abs=FIGURES), kind


def figures(state: dict) -> dict[str, float]:
    """Return all figures of a training but the times."""
    return {
        f"epoch {epoch} {part} {name}": value
        for epoch, parts in state["reporter"]["stats"].items()
        for part in ("train", "valid")
        for name, value in parts[part].items()
        if isinstance(value, float) and "time" not in name
    }


@pytest.mark.parametrize("backend", [("--num_nodes", "2"), ("--host", "a,b")])
def test_espnets_launch_starts_two_nodes(alone, backend, tmp_path):
    """Its Slurm and its ssh backend start the training command, as they do in ESPnet's recipes."""
    _, options = alone
    commands = write_commands(tmp_path / "bin")
    words = [*options("align", 1), "--max_epoch", "1", "--output_dir", str(tmp_path / "exp")]
    place = words.index("--dist_backend")  # launch gives it, and --ngpu
    done = subprocess.run(
        [sys.executable, "-m", "espnet2.bin.launch", "--cmd", "slurm.pl", "--ngpu", "0", *backend,
         "--log", str(tmp_path / "train.log"), "--init_file_prefix", str(tmp_path / "init"), "--",
         forked_python(), "-m", "espnet_wabert.bin.train", *words[:place], *words[place + 4 :]],
        capture_output=True, text=True, timeout=300, cwd=ROOT / "egs2/librispeech_wabert",
        env={**os.environ, "PATH": f"{commands}:{os.environ['PATH']}", "OMP_NUM_THREADS": "1",
             "PYTHONPATH": str(ROOT), "CLUSTER_LOG": str(tmp_path / "cluster.log")},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    log = (tmp_path / "train.log").read_text()
    assert ":0/2]" in log and "1epoch results" in log
    assert (tmp_path / "exp/1epoch.pth").is_file()
