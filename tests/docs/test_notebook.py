"""The notebook runs from top to bottom, in an empty folder."""

import os
import re
import sys
from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")
NOTEBOOK = Path(__file__).parent.parent.parent / "docs" / "quick_start.ipynb"


def test_the_notebook_is_committed_without_outputs():
    cells = nbformat.read(NOTEBOOK, 4).cells
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in cells)


@pytest.mark.slow
def test_the_notebook_runs(tmp_path, monkeypatch):
    monkeypatch.setenv(
        "PATH", os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    )
    notebook = nbformat.read(NOTEBOOK, 4)
    nbclient.NotebookClient(
        notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}
    ).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    printed = "".join(output.get("text", "") for output in outputs)
    assert re.search(r"(Neutral|Positive|Negative) Negative=0\.\d+", printed)
    assert re.search(r"confidence (0\.9|1\.0)", printed)
    assert "to consider how much there might be prudently in his power to do for them" in printed
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 2
    assert re.search(r"_2_telephone.wav \w+ near=0\.\d+ telephone=0\.\d+", printed)
