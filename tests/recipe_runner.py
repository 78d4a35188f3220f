"""The real scripts of a recipe, on small corpora with tiny models."""

import os
import subprocess
from pathlib import Path

from forked_python import forked_python

ROOT = Path(__file__).parent.parent


def environment(**variables: str) -> dict[str, str]:
    """Return the variables for a script of `egs2/`, with one thread and `forked_python`."""
    return {**os.environ, "PYTHON": forked_python(), "OMP_NUM_THREADS": "1", **variables}


def run_script(script: str, *options: str, fails: bool = False, cwd: Path | None = None) -> str:
    """Run a script of `egs2/`; return what it printed."""
    done = subprocess.run(
        [str(ROOT / "egs2" / script), *options],
        capture_output=True,
        text=True,
        env=environment(),
        cwd=cwd,
        timeout=1200,
    )
    assert (done.returncode != 0) == fails, done.stdout + done.stderr
    return done.stdout + done.stderr


def run_recipe(
    recipe: str, work: Path, into: Path, *options: str, fails: bool = False, script: str = "run.sh"
) -> str:
    """Run a recipe with the corpora and tiny models in `work`; return what it printed."""
    common = ["--corpora", str(work / "corpora")]
    for name in ("exp", "dump", "data"):
        common += [f"--{name}dir", str(into / name)]
    common += ["--speech_model", str(work / "data2vec"), "--text_model", str(work / "bert")]
    return run_script(
        f"{recipe}/{script}", *common, "--nj", "1", "--ngpu", "0", *options, fails=fails
    )


def run(recipe: str, work: Path, *options: str, fails: bool = False, script="run.sh") -> str:
    """Run a recipe, each in its own folder of `work`; return what it printed."""
    return run_recipe(recipe, work, work / recipe, *options, fails=fails, script=script)
