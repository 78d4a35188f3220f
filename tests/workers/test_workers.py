"""Results in order, the same bytes for every number of workers, and work of lost workers."""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from functools import partial

import pytest
import torch
import worker_functions as functions
import yaml
from cluster import write_queue
from recipe_runner import ROOT

from espnet_wabert.errors import UserError
from espnet_wabert.workers import dask_cluster
from espnet_wabert.workers.choice import open_workers
from espnet_wabert.workers.workers import AHEAD, HERE, one_core

LOCAL = {
    "cluster": "dask.distributed.LocalCluster",
    "arguments": {"threads_per_worker": 1, "host": "127.0.0.1", "dashboard_address": "127.0.0.1:0"},
    "workers": 2,
    "wait_seconds": 30,
}


def write(path, values) -> str:
    path.write_text(yaml.safe_dump(values))
    return str(path)


@pytest.fixture(scope="module", params=["processes", "dask"])
def workers(request, tmp_path_factory):
    dask = request.param == "dask"
    path = write(tmp_path_factory.mktemp("conf") / "local.yaml", LOCAL)
    with open_workers(None if dask else 2, path if dask else None) as opened:
        yield opened


def test_results_come_in_order_and_items_are_taken_when_they_are_needed(workers):
    taken = []
    items = (taken.append(n) or n for n in range(1000))
    results = workers.map(functions.square, items, size=3)
    assert [next(results) for _ in range(10)] == [n * n for n in range(10)]
    assert len(taken) <= 3 * (AHEAD * workers.count + 4)
    assert list(results) == [n * n for n in range(10, 1000)]
    assert list(workers.map(functions.square, [])) == []


def test_the_work_of_a_killed_worker_is_done_again(workers, tmp_path):
    function = partial(functions.square_but_die_at, str(tmp_path / "mark"), 20)
    assert list(workers.map(function, range(50), size=2)) == [n * n for n in range(50)]
    assert (tmp_path / "mark").exists()


def test_a_worker_lost_too_often_ends_in_one_line(workers):
    with pytest.raises(UserError, match="killed 4 times in a row|lost its worker 4 times") as error:
        list(workers.map(partial(functions.die_at, 7), range(20)))
    assert "memory" in str(error.value) and "\n" not in str(error.value)
    assert list(workers.map(functions.square, range(5))) == [0, 1, 4, 9, 16]  # still usable


def test_processes_end_when_their_parent_is_killed():
    code = (
        "import time, worker_functions\n"
        "from espnet_wabert.workers.choice import open_workers\n"
        "with open_workers(2, None) as workers:\n"
        "    print(list(workers.map(worker_functions.square, range(4))), flush=True)\n"
        "    time.sleep(600)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, start_new_session=True,
        env=os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"},
    )  # fmt: skip
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "[0, 1, 4, 9]\n"
        process.kill()
        assert process.communicate(timeout=60)[0] == ""  # the end of all that can write there
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def test_an_error_of_an_item_is_raised_as_it_is(workers):
    results = workers.map(functions.refuse, range(10))
    assert [next(results) for _ in range(5)] == [0, 1, 2, 3, 4]
    with pytest.raises(UserError, match="^number 5: is refused$"):
        next(results)


def test_a_worker_uses_one_core_and_this_folder(workers, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (found,) = workers.map(functions.threads_and_folder, [0])
    assert found == (int(os.environ.get("OMP_NUM_THREADS", 1)), str(tmp_path))


@pytest.mark.parametrize(("given", "threads"), [("2,1", 2), ("", 1), ("0", 1)])
def test_any_omp_num_threads_is_understood(monkeypatch, given, threads):
    """OpenMP takes a list, for nested levels."""
    monkeypatch.setenv("OMP_NUM_THREADS", given)
    set_to = []
    monkeypatch.setattr(torch, "set_num_threads", set_to.append)
    one_core()
    assert set_to == [threads]


def test_little_work_is_done_here(workers, monkeypatch):
    monkeypatch.setattr(type(workers), "_in_order", None)
    pids = workers.map(lambda _: os.getpid(), range(9), worth=5)
    assert list(pids) == [os.getpid()] * 9
    assert list(HERE.map(lambda _: os.getpid(), range(3))) == [os.getpid()] * 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"wrokers": 2}, "wrokers: no such field; fields: cluster, scheduler, arguments"),
        ({"workers": "many"}, "workers: 'many' is no whole number"),
        ({"workers": True}, "workers: True is no whole number"),
        ({"workers": -1}, "workers and wait_seconds are above 0"),
        ({"cluster": "dask.distributed.NoCluster"}, "cluster: dask.distributed has no class NoCl"),
        (
            {"cluster": "nowhere.Cluster"},
            r"No module named 'nowhere'; pip install 'espnet_wabert\[",
        ),
        ({"cluster": "LocalCluster"}, "cluster: LocalCluster: No module named 'LocalCluster'"),
        ({"scheduler": "tcp://127.0.0.1:1"}, "needs a cluster .* or a scheduler .*, not both"),
        (
            {"arguments": {"n_wrkers": 2}},
            "arguments: n_wrkers: dask.distributed.LocalCluster take",
        ),
        (
            {"cluster": "dask_jobqueue.SLURMCluster", "arguments": {"quue": "long"}},
            "arguments: quue: dask_jobqueue.SLURMCluster takes no such argument",
        ),
        ({"arguments": [2]}, r"arguments: \[2\] is no mapping"),
        ({"arguments": {"host": "nowhere.invalid"}}, "the cluster does not start: "),
    ],
)
def test_a_wrong_yaml_is_one_line(tmp_path, change, message):
    path = write(tmp_path / "dask.yaml", LOCAL | change)
    with pytest.raises(UserError, match=message) as error, open_workers(None, path) as workers:
        list(workers.map(functions.square, range(3)))
    assert str(error.value).startswith(f"{path}: ") and "\n" not in str(error.value)


@pytest.mark.slow
def test_the_yaml_for_slurm(tmp_path, monkeypatch):
    """In the place of Slurm, a script starts each job's own script on this machine."""
    path = str(ROOT / "egs2" / "dask" / "slurm.yaml")
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    with pytest.raises(UserError, match="SLURMCluster: this machine has no command sbatch"):
        open_workers(None, path)
    write_queue(tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}:{ROOT / 'tests'}")
    conf = yaml.safe_load((ROOT / "egs2" / "dask" / "slurm.yaml").read_text())
    loopback = {"host": "127.0.0.1", "dashboard_address": "127.0.0.1:0"}
    conf["arguments"] |= {"scheduler_options": loopback, "log_directory": str(tmp_path)}
    path = write(tmp_path / "dask.yaml", conf | {"workers": 1, "wait_seconds": 60})
    with open_workers(None, path) as workers:
        assert list(workers.map(functions.square, range(20), size=3)) == [n * n for n in range(20)]


def test_the_yaml_for_this_machine():
    with open_workers(None, str(ROOT / "egs2" / "dask" / "local.yaml")) as workers:
        assert workers.count == 2


def test_a_scheduler_that_runs_already(tmp_path, monkeypatch):
    """Its workers are used; without workers, or without it, the work ends."""
    from distributed import LocalCluster

    monkeypatch.setattr(dask_cluster, "PATIENCE", 0.5)
    arguments = LOCAL["arguments"] | {"n_workers": 1}
    with LocalCluster(**arguments) as cluster:
        conf = {"scheduler": cluster.scheduler_address, "workers": 1, "wait_seconds": 3}
        path = write(tmp_path / "dask.yaml", conf)
        with open_workers(None, path) as workers:
            assert list(workers.map(functions.square, range(5))) == [0, 1, 4, 9, 16]
            cluster.scale(0)
            with pytest.raises(UserError, match=r"dask.yaml: no worker for 3 s"):
                list(workers.map(functions.square, range(5)))
    with (
        pytest.raises(UserError, match="the cluster does not start"),
        open_workers(None, path) as w,
    ):
        list(w.map(functions.square, range(3)))
