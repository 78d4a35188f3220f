"""The real run.sh of a recipe, on small corpora with tiny models."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def run_recipe(recipe: str, work: Path, into: Path, *options: str, fails: bool = False) -> str:
    """Run a recipe with the corpora and tiny models in `work`; return what it printed."""
    command = [str(ROOT / "egs2" / recipe / "run.sh"), "--corpora", str(work / "corpora")]
    for name in ("exp", "dump", "data"):
        command += [f"--{name}dir", str(into / name)]
    command += ["--speech_model", str(work / "data2vec"), "--language_model", str(work / "bert")]
    environment = {**os.environ, "PYTHON": sys.executable, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*command, "--nj", "1", *options], capture_output=True, text=True, env=environment
    )
    assert (done.returncode != 0) == fails, done.stdout + done.stderr
    return done.stdout + done.stderr
