"""One command on several hosts by a remote shell; the stand-in's hosts are this machine."""

import json
import os
import subprocess
import sys
import time

import pytest
from cluster import write_commands
from recipe_runner import ROOT

from espnet_wabert.errors import UserError
from espnet_wabert.recipes.hosts import SSH, run_on_hosts

SHOW = """
import json, os, pathlib, sys
names = ("NODE_RANK", "PYTHONPATH", "HF_HUB_OFFLINE", "OTHER")
shown = {name: os.environ.get(name) for name in names} | {"words": sys.argv[1:], "cwd": os.getcwd()}
pathlib.Path(f"shown{os.environ['NODE_RANK']}").write_text(json.dumps(shown))
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The current folder, with a path.sh; its name has a space."""
    commands = write_commands(tmp_path / "bin")
    folder = tmp_path / "my recipe"
    folder.mkdir()
    (folder / "path.sh").write_text("export PYTHONPATH=/of/path.sh\n")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("PATH", f"{commands}:{os.environ['PATH']}")
    monkeypatch.setenv("CLUSTER_LOG", str(tmp_path / "cluster.log"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return folder


@pytest.mark.parametrize("shell", [SSH, "pbs_tmrsh"])
def test_each_host_runs_the_command_in_this_folder_with_its_rank(folder, shell):
    words = ["a b", "$HOME", "'", ""]
    run_on_hosts(["first", "second"], [sys.executable, "-c", SHOW, *words], shell)
    for rank in range(2):
        shown = json.loads((folder / f"shown{rank}").read_text())
        assert shown["words"] == words and shown["cwd"] == str(folder)
        assert shown["NODE_RANK"] == str(rank) and shown["PYTHONPATH"] == "/of/path.sh"
        assert shown["HF_HUB_OFFLINE"] == "1"
    used = set((folder.parent / "cluster.log").read_text().splitlines())
    assert used == {f"{shell.split()[0]} {host}" for host in ("first", "second")}


def test_a_host_that_fails_ends_the_others(folder):
    begin = time.monotonic()
    script = 'if [ "${NODE_RANK}" = 1 ]; then exit 3; fi; exec sleep 60'
    assert run_on_hosts(["a", "b"], ["bash", "-c", script]) == 3
    assert time.monotonic() - begin < 30
    with pytest.raises(UserError, match="^a: the connection was lost$"):
        run_on_hosts(["a", "b"], ["bash", "-c", script.replace("= 1", "= 0").replace("3", "255")])
    with pytest.raises(UserError, match="^b: the connection was lost$"):
        run_on_hosts(["a", "b"], ["bash", "-c", script.replace("exit 3", "kill -9 $$")])


def test_what_hosts_print_is_shown_but_not_about_the_end_that_another_one_caused(
    folder, capfdbinary
):
    script = """
        trap 'echo "$NODE_RANK was told to end"; exit 1' TERM
        printf "%s\\xff\\n" "$NODE_RANK"; touch "began$NODE_RANK"; echo "$NODE_RANK, too" >&2
        until [ -e began0 ] && [ -e began1 ]; do sleep .1; done
        if [ "$NODE_RANK" = 0 ]; then echo "error: 0 fails"; exit 3; fi
        while true; do sleep .1; done
    """
    assert run_on_hosts(["a", "b"], ["bash", "-c", script]) == 3
    lines = capfdbinary.readouterr().out.splitlines()
    assert sorted(lines) == [b"0, too", b"0\xff", b"1, too", b"1\xff", b"error: 0 fails"]


def test_sigterm_ends_all_hosts_with_one_line(folder):
    script = "trap 'echo told; exit 1' TERM; touch began$NODE_RANK; while true; do sleep .1; done"
    words = [sys.executable, "-m", "espnet_wabert.bin.on_hosts", "--hosts", "a,b", "--"]
    process = subprocess.Popen(
        [*words, "bash", "-c", script], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    while process.poll() is None and not all(
        (folder / f"began{rank}").exists() for rank in range(2)
    ):
        time.sleep(0.05)
    process.terminate()
    printed, _ = process.communicate(timeout=60)  # when no process can print any more
    assert printed == "error: told to end (SIGTERM): ended on all hosts\n"
    assert process.returncode == 1


@pytest.mark.parametrize(
    ("hosts", "shell", "message"),
    [
        ("a,nowhere", SSH, "nowhere: cannot be reached by ssh: ssh: Could not resolve hostname"),
        ("a,a", SSH, "--hosts a,a: each host once, with a comma between"),
        ("a,", SSH, "--hosts a,: each host once"),
        ("a", "no_such_shell", "no_such_shell: no such command, which reaches a"),
    ],
)
def test_mistakes_are_found_before_anything_is_started(folder, hosts, shell, message):
    with pytest.raises(UserError, match=message):
        run_on_hosts(hosts.split(","), ["touch", "started"], shell)
    assert not (folder / "started").exists()


def test_hosts_must_share_the_folder(folder):
    (folder / "path.sh").unlink()
    with pytest.raises(UserError, match=f"^a: no folder {folder}; the hosts must share it$"):
        run_on_hosts(["a"], ["true"])
