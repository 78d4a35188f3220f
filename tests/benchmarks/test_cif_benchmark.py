"""The benchmark runs, and what it reports of `cif` is exact."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]


def test_quick_run_writes_both_files(tmp_path):
    command = [sys.executable, str(ROOT / "benchmarks" / "cif.py"), "--quick", "--no-peers"]
    done = subprocess.run(
        [*command, "--threads", "1", "--out", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    result = json.loads((tmp_path / "cif.json").read_text())
    for kind in ("forward", "forward+backward"):
        assert set(result["times"]["A"][kind]) == {"floor", "ours", "dense"}
        assert all(value > 0 for value in result["times"]["A"][kind].values())
    for name in ("ours", "dense"):
        found = result["errors"]["A"][name]
        assert found["tokens"] <= 1e-6 and found["grad_frames"] <= 1e-6
        assert found["grad_weights"] <= 1e-4
        assert result["memory"]["A"][name] >= 0
    for row in result["counts"].values():
        assert row == {"ours, target given": 0, "ours, threshold": 0}
    text = (tmp_path / "cif.md").read_text()
    assert "| ours |" in text and text.startswith("Integrate-and-fire on ")
    assert str(ROOT) not in text + json.dumps(result)
