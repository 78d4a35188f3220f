"""Where a result comes from."""

import getpass
import json
import re
import subprocess
from importlib.metadata import version
from pathlib import Path

import numpy
import torch

from espnet_wabert.models import provenance as module
from espnet_wabert.models.provenance import commit, fingerprint, machine, provenance, resumed

ROOT = Path(__file__).parents[2]


def test_it_names_code_threads_machine_and_versions():
    found = provenance(seed=3)
    assert found["seed"] == 3 and found["threads"] == torch.get_num_threads()
    assert found["versions"]["torch"] == version("torch")
    assert found["versions"]["numpy"] == numpy.__version__ and "espnet_wabert" in found["versions"]
    assert found["machine"] == machine() != ""


def test_it_names_no_path_and_no_user():
    text = json.dumps(provenance())
    assert str(ROOT) not in text and str(Path.home()) not in text
    assert not re.search(rf"\b{re.escape(getpass.getuser())}\b", text)


def test_the_commit_is_that_of_git_and_tells_changes(tmp_path, monkeypatch):
    """In a repository of its own; a package inside somebody else's has none."""

    def git(*arguments):
        identity = ("-c", "user.name=a", "-c", "user.email=a@b")
        command = ["git", "-C", str(tmp_path), *identity, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    package = tmp_path / "espnet_wabert"
    (package / "models").mkdir(parents=True)
    (package / "__init__.py").touch()
    monkeypatch.setattr(module, "__file__", str(package / "models/provenance.py"))
    assert commit() is None
    git("init", "-q")
    assert commit() is None
    git("add", ".")
    git("commit", "-q", "-m", "one")
    head = git("rev-parse", "--short=8", "HEAD")
    (tmp_path / "notes.txt").touch()
    assert commit() == head
    (package / "__init__.py").write_text("changed")
    assert commit() == f"{head}+"


def test_a_resumed_training_keeps_its_start_and_lists_what_was_different():
    start = {"commit": "a", "threads": 1}
    assert resumed(None, start) == resumed(start, start) == start
    second = resumed(start, {"commit": "a", "threads": 2})
    assert second == start | {"resumed_with": [{"threads": 2}]}
    assert resumed(second, {"commit": "a", "threads": 2}) == second
    third = resumed(second, {"commit": "b", "threads": 1})
    assert third == start | {"resumed_with": [{"threads": 2}, {"commit": "b"}]}


def test_a_fingerprint_does_not_depend_on_the_order():
    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1}) != fingerprint({"a": 1})
