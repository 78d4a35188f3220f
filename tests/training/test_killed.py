"""A process of several fails or is killed: all end, with one line; then the training goes on."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import torch
from forked_python import forked_python
from ranks import ROOT, command, launcher, write_data
from tiny_sources import write_tiny_sources

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    """Return a function that starts a training of two processes in an experiment folder.

    Those that are killed are new processes, which import for seconds; the others are `forked`.
    """
    folder = tmp_path_factory.mktemp("killed")
    sources = write_tiny_sources(folder)
    data = write_data(folder / "data")

    def start(config: str, out: Path, *more: str, forked: bool = False) -> subprocess.Popen:
        python = forked_python() if forked else sys.executable
        words = [*launcher(command(config, sources, data, out), out, python=python), *more]
        return subprocess.Popen(
            words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
        )  # fmt: skip

    return start


def is_worker(child: psutil.Process) -> bool:
    """Say whether a child trains; one that has just ended does not."""
    try:
        return any("spawn_main" in word for word in child.cmdline())
    except psutil.NoSuchProcess:
        return False


def workers(launcher: int) -> list[int]:
    """Return the training processes of a launcher, in the order of their ranks."""
    children = [child for child in psutil.Process(launcher).children() if is_worker(child)]
    return [child.pid for child in sorted(children, key=lambda child: child.create_time())]


def test_a_killed_process_ends_all_and_the_resume_equals_a_run_without(start, tmp_path):
    whole = start("sentiment_text", tmp_path / "whole", forked=True)
    output, _ = whole.communicate(timeout=300)
    assert whole.returncode == 0, output[-3000:]
    process = start("sentiment_text", tmp_path / "parts")
    ranks = []
    for line in process.stdout:
        if "1/3epoch started" in line:
            ranks = workers(process.pid)
        if "2/3epoch started" in line:
            break
    assert len(ranks) == 2
    os.kill(ranks[1], signal.SIGKILL)
    begin = time.monotonic()
    output, _ = process.communicate(timeout=60)
    assert time.monotonic() - begin < 30 and process.returncode == 1
    errors = [line for line in output.splitlines() if "INFO" not in line]
    assert len(errors) == 1, errors
    assert "error: process 1 of 2 on " in errors[0] and "was killed (SIGKILL" in errors[0]
    assert "the same command goes on after the last whole epoch" in errors[0]
    assert not any(Path(f"/proc/{pid}").exists() for pid in ranks)
    resumed = start("sentiment_text", tmp_path / "parts", forked=True)
    output, _ = resumed.communicate(timeout=300)
    assert resumed.returncode == 0 and "1epoch results" not in output, output[-3000:]
    for name in ("checkpoint.pth", "valid.acc.ave.pth"):
        one, two = (torch.load(tmp_path / f / name, weights_only=True) for f in ("whole", "parts"))
        if name == "checkpoint.pth":
            assert one["optimizers"][0]["state"].keys() == two["optimizers"][0]["state"].keys()
            one, two = one["model"], two["model"]
        assert one.keys() == two.keys()
        assert all(torch.equal(one[key], two[key]) for key in one)


def test_a_scheduler_that_ends_the_launcher_gets_one_line(start, tmp_path):
    process = start("sentiment_text", tmp_path / "exp")
    for line in process.stdout:
        if "1/3epoch started" in line:
            break
    ranks = workers(process.pid)
    process.terminate()
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 1 and "Traceback" not in output
    (error,) = [line for line in output.splitlines() if line.startswith("error: ")]
    assert "the training was told to end (SIGTERM), as schedulers do; the same command" in error
    assert len(ranks) == 2 and not any(Path(f"/proc/{pid}").exists() for pid in ranks)


def test_processes_that_start_end_with_a_killed_launcher(start, tmp_path):
    process = start("sentiment_text", tmp_path / "exp")
    while len(ranks := workers(process.pid)) < 2:
        time.sleep(0.05)
    process.kill()
    output, _ = process.communicate(timeout=120)  # when no process can print any more
    assert "epoch started" not in output
    assert not any(Path(f"/proc/{pid}/exe").exists() for pid in ranks)


def test_a_mistake_of_all_processes_is_told_once(start, tmp_path):
    process = start("align", tmp_path / "exp", "--model_conf", "negatives=none", forked=True)
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 1
    errors = [line for line in output.splitlines() if line.startswith("error: ")]
    assert errors == ["error: model_conf.negatives: 'none': one of utterance, batch"]
    assert "Traceback" not in output


def test_batches_smaller_than_the_processes_are_refused(start, tmp_path):
    process = start("sentiment_text", tmp_path / "exp", "--batch_size", "1", forked=True)
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 1 and "Traceback" not in output
    assert "has a batch with fewer utterances than the 2 processes: use fewer GPUs" in output
