"""Options of the recipes' scripts: wrong values, values that a shell could run, and odd paths."""

import os
import random
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

from tiny_sources import write_tiny_sources

from espnet_wabert.errors import UserError
from faults.outcomes import Outcome, Try, Verdict

ROOT = Path(__file__).resolve().parent.parent
SCRIPTS = ("librispeech_wabert/run.sh", "slue_sa/run.sh", "slue_sa/run_systems.sh",
           "librispeech_wabert/run_seeds.sh")  # fmt: skip
LOCAL = ("librispeech_wabert/local/data.sh", "slue_sa/local/data.sh", "slue_sa/local/score.sh")
RUNS = ("$(touch {mark})", "`touch {mark}`", "true; touch {mark}", "true\ntouch {mark}",
        "a[$(touch {mark})]", "1 || touch {mark}", "\" ; touch {mark} ; \"",
        "/bin/true")  # fmt: skip
WRONG = ("yes", "True", "TRUE", "1e3", "-1", "1.5.2", "0x10", " ", "9" * 30, "1 2", "\x1b[2J", "é",
         "nan", "--", "''", "\\", "*", "~", "{1..9}", "a" * 5000, "1\r", "\t1")  # fmt: skip
NAMES = ("--PATH", "--python", "--a[$(touch {mark})]", "--stage[$(touch {mark})]", "--caller",
         "--option_types", "--IFS", "--BASH_ENV", "--stage=1", "--", "---", "-stage", "stage", "",
         "--Stage", "--stage ", "--option_", "--die", "--BASHOPTS", "--0", "--stáge",
         "--\n")  # fmt: skip
LIMIT = 180.0  # seconds of a script, which starts Python several times
TYPED = {
    "stage": "integer", "stop_stage": "integer", "skip_data_prep": "boolean",
    "skip_done": "boolean", "mini": "boolean", "overwrite": "boolean", "dry_run": "boolean",
    "skip_train": "boolean", "cache_features": "boolean", "batch_seconds": "number",
    "gpu_seconds": "number", "inference_nj": "integer", "nj": "integer",
}  # fmt: skip


class Done(NamedTuple):
    """What a script has done: its exit status and what it printed."""

    status: int
    errors: str


def call(script: str, options: list[str], work: Path, environment: dict | None = None) -> Done:
    """Run a script of egs2/ from another folder."""
    done = subprocess.run(
        [str(ROOT / "egs2" / script), *options], cwd=work, capture_output=True,
        timeout=LIMIT, check=False,
        env={**os.environ, "PYTHON": sys.executable, "HF_HUB_OFFLINE": "1", **(environment or {})},
    )  # fmt: skip
    return Done(done.returncode, done.stderr.decode("utf-8", "replace"))


def act(script: str, options: list[str], work: Path, mark: Path) -> Done:
    """Run a script; its error is a clean one if it is one line."""
    mark.unlink(missing_ok=True)
    done = call(script, options, work)
    if mark.exists():
        raise AssertionError("it has run a command of the option")
    if done.status:
        lines = [line for line in done.errors.splitlines() if line.strip()]
        if len(lines) != 1:
            raise AssertionError(f"{len(lines)} lines: {done.errors[-300:]}")
        raise UserError(lines[0])
    return done


def _accepted(done: Done) -> Verdict:
    return Verdict(Outcome.WRONG, f"accepted: {done.errors[-200:]}")


def _is_there(path: Path, done: Done) -> Verdict:
    if path.exists():
        return Verdict(Outcome.RIGHT)
    return Verdict(Outcome.WRONG, f"{path} is not there: {done.errors[-200:]}")


def tries(count: int, seed: int, work: Path) -> Iterator[Try]:
    """Yield `count` wrong values and names, and the paths."""
    work.mkdir(parents=True, exist_ok=True)
    mark = work / "mark"
    rng = random.Random(seed)
    for index in range(count):
        if index % 3 == 0:
            script = rng.choice(SCRIPTS + LOCAL)
            options = [rng.choice(NAMES).replace("{mark}", str(mark)), rng.choice(("1", "x", "/x"))]
        else:
            script = rng.choice(SCRIPTS[:2])
            name = rng.choice(sorted(TYPED))
            options = [f"--{name}", rng.choice(RUNS + WRONG).replace("{mark}", str(mark))]
        one = partial(act, script, options, work, mark)
        yield Try(f"{script} {str(options)[:100]}", one, _accepted)
    yield from _values(work, mark)
    yield from _paths(work, mark)


def _values(work: Path, mark: Path) -> Iterator[Try]:
    """Yield values of the right type that make no sense."""
    script, small = SCRIPTS[0], ["--stage", "6", "--stop_stage", "6", "--ngpu", "0"]
    (work / "broken.json").write_text("{")
    (work / "list.json").write_text("[1]")
    for options in (
        ["--stage", "5", "--stop_stage", "3"], ["--stage", "14"], ["--nj", "0"], ["--nj"],
        ["--batch_seconds", "0"], ["--gpu_seconds", "0.0"], ["--inference_nj", "0"],
        ["--seed", "x"], ["--seed", "-1"], ["--score_seeds", "1,2"], ["--ngpu", "x"],
        ["--gpu_inference", "/bin/true"], ["--dumpdir", "a,b"], ["--slu_config", "none.yaml"],
        ["--slu_config", "/"], ["--slu_args", "--model_conf ["], ["--slu_args", "--model_conf x={"],
        ["--librispeech", "none"], ["--timit", "none"], ["--results", "/tmp"], ["--results", "/"],
        ["--results", "/proc/none/results.json"], ["--results", "broken.json"],
        ["--results", "list.json"], ["--results", "broken.json/x"], ["--use_lm", "true"],
        ["--slu_config", str(ROOT / "setup.py")], ["--slu_config", "/dev/null"],
    ):  # fmt: skip
        more = [] if options[0] in ("--stage", "--stop_stage") else small
        if len(options) == 1:
            more, options = [], [*small, *options]
        yield Try(f"{options}", partial(act, script, [*more, *options], work, mark), _accepted)


def _paths(work: Path, mark: Path) -> Iterator[Try]:
    """Yield paths that are relative to the user's folder, and names with blanks and signs."""
    _, bert = write_tiny_sources(work)
    small = ["--stage", "5", "--stop_stage", "5", "--ngpu", "0", "--text_model", str(bert)]
    for name in ("plain", "with a blank", "quote'", "dollar $HOME", "semi;colon", "(é)", "a&b"):
        for script in SCRIPTS[:2]:
            place = f"{name}/{script.split('/')[0]}"
            more = ["--aligner", ""] if "slue" in script else []
            options = [*small, "--results", f"{place}/results.json", "--dumpdir", place,
                       "--expdir", f"{name}/exp", *more]  # fmt: skip
            one = partial(act, script, options, work, mark)
            written = work / place / "token_list/vocab.txt"
            yield Try(f"{script} {place}", one, partial(_is_there, written))
