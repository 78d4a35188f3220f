"""The machine and the versions that a benchmark's figures belong to."""

import platform
import subprocess
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parent.parent


def describe(threads):
    """The kind of processor and the versions; nothing that names the machine."""
    info = Path("/proc/cpuinfo")
    cpus = info.read_text().splitlines() if info.exists() else []
    cpus = [line.split(":")[1].strip() for line in cpus if line.startswith("model name")]
    git = ["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"]
    commit = subprocess.run(git, capture_output=True, text=True).stdout.strip() or "none"
    return {
        "cpu": cpus[0] if cpus else platform.machine(), "threads": threads,
        "torch": torch.__version__, "python": platform.python_version(), "commit": commit,
    }  # fmt: skip
