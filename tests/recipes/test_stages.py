"""How a stage begins and ends: with --skip_done it is done only if nothing has changed.

The real functions of `egs2/stages.sh`, around stages that copy a file.
"""

import json
import os
import signal
import subprocess
import sys
from subprocess import PIPE

import pytest
from recipe_runner import ROOT

SCRIPT = """
set -euo pipefail
. {root}/egs2/parse_options.sh
. {root}/egs2/stages.sh
run() {{ "${{python}}" -m "espnet_wabert.bin.$@"; }}
python={python} stage=3 stop_stage=12 skip_done=${{SKIP_DONE:-true}} results=
data_options=trim model_options=seed trim=${{TRIM:-true}} seed=${{SEED:-0}}
dumpdir=dump train_set=train exp=exp/a train_exp=exp/a slu_config=a.yaml slu_tag=a
if stage 3 "copy" data/train missing-name "" : "dump/my train" +results.json#row.seed; then
    mkdir -p "dump/my train" && cat data/train/text > "dump/my train/text"
fi
if stage 6 "nothing"; then echo "nothing to do"; fi
if stage 12 "decode" "dump/my train" : exp/a/decode; then
    mkdir -p exp/a/decode && cat "dump/my train/text" a.yaml > exp/a/decode/text
fi
end_stage
"""


@pytest.fixture
def folder(tmp_path):
    """A folder in which both stages were run."""
    (tmp_path / "data/train").mkdir(parents=True)
    (tmp_path / "a.yaml").write_text("a: 1\n")
    (tmp_path / "u1.wav").write_bytes(b"abc")
    (tmp_path / "data/train/text").write_text("u1 hello\n")
    (tmp_path / "data/train/wav.scp").write_text("u1 u1.wav\n")
    (tmp_path / "results.json").write_text('{"row": {"seed": 0}}')
    (tmp_path / "run.sh").write_text(SCRIPT.format(root=ROOT, python=sys.executable))
    assert again(tmp_path) == {3: "", 12: ""}
    return tmp_path


def again(folder, status: int = 0, **options: str) -> dict[int, str]:
    """Run the stages; return why, for each one that was run."""
    done = subprocess.run(
        ["bash", "run.sh"], cwd=folder, capture_output=True, text=True,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", **options},
    )  # fmt: skip
    assert done.returncode == status, done.stdout + done.stderr
    lines = [line.split(": ", 2) for line in done.stdout.splitlines() if ": " in line]
    begun = {int(line[0][6:]): "".join(line[2:]) for line in lines if not line[1].endswith(" s")}
    assert begun.pop(6) == ""
    return {number: why for number, why in begun.items() if why != "done before"}


def test_without_a_change_nothing_is_run(folder):
    assert again(folder) == {}
    assert again(folder, SKIP_DONE="false") == {3: "", 12: ""}
    assert again(folder) == {}


@pytest.mark.parametrize(
    ("path", "content", "reasons"),
    [
        # What went in.
        ("data/train/text", "u1 other\n", {3: "data/train/text has changed", 12: True}),
        ("data/train/sentiment", "u1 Neutral\n", {3: "data/train/sentiment is new"}),
        ("u1.wav", "other", {3: "a recording of data/train/wav.scp has changed"}),
        ("a.yaml", "a: 2\n", {12: "a.yaml has changed"}),
        ("missing-name", "now a file", {3: "missing-name is new"}),
        # What came out: damaged, cut or deleted.
        ("dump/my train/text", "u", {3: "dump/my train/text has changed"}),
        ("dump/my train/text", None, {3: "dump/my train/text is missing"}),
        ("exp/a/decode/text", None, {12: "exp/a/decode/text is missing"}),
        ("exp/a/decode/more", "of a later stage", {}),
        ("results.json", "{}", {3: "results.json#row.seed is missing"}),
        ("results.json", None, {3: "results.json#row.seed is missing"}),
        # The record itself.
        ("exp/a/.done/stage12.json", "{", {12: "exp/a/.done/stage12.json is damaged"}),
        ("exp/a/.done/stage12.json", "[1]", {12: "exp/a/.done/stage12.json is damaged"}),
        ("exp/a/.done/stage12.json", None, {12: ""}),
    ],
)
def test_what_has_changed_is_named_and_made_again(folder, path, content, reasons):
    if content is None:
        (folder / path).unlink()
    else:
        (folder / path).write_text(content)
    found = again(folder)
    expected = {n: "dump/my train/text has changed" if w is True else w for n, w in reasons.items()}
    assert found == expected
    if path != "results.json":  # which no stage here writes
        assert again(folder) == {}


def test_other_options_are_named(folder):
    assert again(folder, SEED="1") == {12: "--seed was '0', is '1'"}
    assert again(folder, SEED="1", TRIM="false") == {3: "--trim was 'true', is 'false'"}
    assert again(folder, SEED="1", TRIM="false") == {}


def test_a_deleted_folder_is_made_again(folder):
    """The audit's case: the record goes with the experiment."""
    subprocess.run(["rm", "-r", folder / "exp"], check=True)
    assert again(folder) == {12: ""}


def test_two_runs_are_not_in_the_stages_of_a_folder_together(folder):
    """The second one waits for some seconds; the first one waits for a line of a pipe."""
    script = (folder / "run.sh").read_text()
    (folder / "slow.sh").write_text(script.replace("mkdir -p", "read -r < pipe; mkdir -p", 1))
    os.mkfifo(folder / "pipe")
    environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "SKIP_DONE": "false"}
    options = dict(cwd=folder, env=environment, text=True, stdout=PIPE, stderr=subprocess.STDOUT)
    with subprocess.Popen(["bash", "slow.sh"], **options) as first:
        begun = first.stdout.readline()
        second = subprocess.run(["bash", "run.sh"], **options, check=False)
        (folder / "pipe").write_text("go on\n")
        said = first.communicate()[0]
    expected = "run.sh: stage 3: another run is in a stage of dump/.done/train\n"
    assert (begun, second.returncode, second.stdout) == ("stage 3: copy\n", 1, expected)
    assert first.returncode == 0 and "stage 12: decode" in said
    assert again(folder) == {}


def test_a_folder_that_experiments_share_is_waited_for(tmp_path):
    """Stage 10 of two seeds at the same time: one after the other decodes into the statistics."""
    script = """
        . {root}/egs2/parse_options.sh
        . {root}/egs2/stages.sh
        wait_for "my stats"
        echo "alone in it"
        read -r < $1
        unlock_stages
    """
    for name in ("first", "second"):
        os.mkfifo(tmp_path / name)

    def begin(name: str) -> subprocess.Popen:
        command = ["bash", "-euo", "pipefail", "-c", script.format(root=ROOT), "-", name]
        return subprocess.Popen(command, cwd=tmp_path, text=True, stdout=PIPE)

    with begin("first") as first:
        assert first.stdout.readline() == "alone in it\n"
        with begin("second") as second:
            assert second.stdout.readline() == "waiting for another run in my stats\n"
            (tmp_path / "first").write_text("go on\n")
            assert second.stdout.readline() == "alone in it\n"
            (tmp_path / "second").write_text("go on\n")
    assert (first.returncode, second.returncode) == (0, 0)


def test_a_stage_that_fails_is_not_done(folder):
    (folder / "a.yaml").unlink()
    assert again(folder, status=1) == {12: "a.yaml is missing"}
    (folder / "a.yaml").write_text("a: 1\n")
    assert again(folder) == {12: ""}


def test_a_change_during_the_stage_makes_it_run_again(folder):
    script = (folder / "run.sh").read_text()
    change = 'cat data/train/text > "dump/my train/text"; echo "u1 late" > data/train/text'
    (folder / "run.sh").write_text(
        script.replace('cat data/train/text > "dump/my train/text"', change)
    )
    (folder / "data/train/text").write_text("u1 early\n")
    again(folder)
    (folder / "run.sh").write_text(script)
    assert again(folder)[3] == "data/train/text has changed"


def test_the_record_tells_what_a_stage_was_made_of(folder):
    record = json.loads((folder / "exp/a/.done/stage12.json").read_text())
    assert record["options"] == {"seed": "0"} and record["wanted"] == ["exp/a/decode"]
    assert set(record["inputs"]) == {"a.yaml", "dump/my train", "dump/my train/text"}
    assert set(record["outputs"]) == {"exp/a/decode", "exp/a/decode/text"}


def test_an_experiment_that_is_a_link_is_replaced_too(tmp_path):
    """As users who keep experiments on another disk have it; the link stays."""
    (tmp_path / "disk/.done").mkdir(parents=True)
    for name in ("options.yaml", "3epoch.pth", ".done/stage11.json"):
        (tmp_path / "disk" / name).touch()
    (tmp_path / "a").symlink_to(tmp_path / "disk")
    replace_experiment(tmp_path)
    assert (tmp_path / "a").is_symlink()
    left = {str(path.relative_to(tmp_path / "disk")) for path in (tmp_path / "disk").rglob("*")}
    assert left == {".done", ".done/stage11.json", "train.log"}


def test_an_experiment_whose_deletion_was_killed_is_replaced(tmp_path):
    """The file that makes a folder an experiment goes last."""
    (tmp_path / "a").mkdir()
    for name in ("options.yaml", "1epoch.pth", "checkpoint.pth"):
        (tmp_path / "a" / name).touch()
    killed = 'find() { command find "$@"; kill -9 $$; }'
    assert replace_experiment(tmp_path, killed, check=False).returncode == -signal.SIGKILL
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["options.yaml"]
    replace_experiment(tmp_path)
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["train.log"]


def replace_experiment(folder, before="", check=True):
    script = f"""
        . {ROOT}/egs2/parse_options.sh
        . {ROOT}/egs2/stages.sh
        {before}
        overwrite=true ngpu=0 processes=1 cuda_cmd=(true) python=python
        train_model a
    """
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script], cwd=folder, check=check, stdout=PIPE
    )


def test_every_loss_of_the_log_is_shown():
    """ESPnet leaves out the comma after every fifth value."""
    log = (
        "[vm] 2026-11-30 19:37:00,354 (trainer:810) INFO: 1epoch:train:1-2batch: iter_time=0.026, "
    )
    log += "forward_time=5.152infonce=7.6e-04, loss=nanacc=0.2, clip=0.000e+00, train_time=0.308\n"
    script = f". {ROOT}/egs2/stages.sh; show_progress"
    shown = subprocess.run(["bash", "-c", script], input=log, stdout=PIPE, text=True, check=True)
    assert shown.stdout == "  1epoch:train:1-2batch: infonce=7.6e-04, loss=nan, acc=0.2, \n"
