"""Where a result comes from: code, versions, seed, threads, machine, configuration and corpus.

Two runs with the same provenance on a CPU give the same weights, bit by bit. The number of threads
is part of it: it changes the order in which floating-point numbers are added.
"""

import hashlib
import json
import os
import platform
import subprocess
from argparse import Namespace
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

PACKAGES = ("espnet_wabert", "torch", "transformers", "numpy", "scikit-learn", "espnet")
DIGITS = 12  # of a fingerprint


def provenance(device: str = "cpu", **more: Any) -> dict[str, Any]:
    """Return where a result comes from that is computed here and now, for JSON.

    Args:
        device: cpu or cuda.
        more: what else the result depends on, such as `seed`, `config` and `corpus`.
    """
    return {
        "commit": commit(),
        "threads": torch.get_num_threads(),
        "machine": machine(device),
        **more,
        "versions": {"python": platform.python_version(), **_versions()},
    }


def of_model(args: Namespace, device: str = "cpu") -> dict[str, Any]:
    """Return the provenance of what a model computes here and now.

    Args:
        args: configuration of the model; `provenance` is that of its training.
        device: cpu or cuda.
    """
    return {"trained": getattr(args, "provenance", None), "decoded": provenance(device)}


def commit() -> str | None:
    """Return the commit of the code, with `+` if it was changed since; None outside of git."""
    package = Path(__file__).parent.parent
    known = ("ls-files", "--error-unmatch", str(package / "__init__.py"))
    if _git(package, *known) is None:
        return None  # installed, perhaps inside a repository of something else
    head = _git(package, "rev-parse", "--short=8", "HEAD")
    changed = _git(package, "status", "--porcelain", "--untracked-files=no", str(package))
    return head and head + ("+" if changed else "")


def machine(device: str = "cpu") -> str:
    """Return the name of the GPU or of the CPU."""
    if device != "cpu" and torch.cuda.is_available():
        return torch.cuda.get_device_name()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def fingerprint(value: Any) -> str:
    """Return a short hash of a value that JSON can hold."""
    text = json.dumps(value, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:DIGITS]


def resumed(before: Mapping[str, Any] | None, now: Mapping[str, Any]) -> dict[str, Any]:
    """Return the provenance of a training that goes on.

    It is that of its start; `resumed_with` lists what was different later.
    """
    if not before:
        return dict(now)
    later = list(before.get("resumed_with", ()))
    differs = {name: value for name, value in now.items() if before.get(name) != value}
    if differs and differs not in later:
        later.append(differs)
    return {**before, **({"resumed_with": later} if later else {})}


def _versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue  # inference needs no ESPnet
    return found


def _git(folder: Path, *arguments: str) -> str | None:
    """Return what git prints; None if it fails or is not there."""
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            capture_output=True, text=True, check=True, timeout=30,
            env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"},
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
