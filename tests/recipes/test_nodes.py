"""Stage 11 on several nodes: each one is a process of this machine, and gloo connects them."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
import torch
from cluster import write_commands
from recipe_runner import ROOT, environment
from tiny_sources import write_tiny_sources

pytestmark = pytest.mark.slow

RECIPE = ROOT / "egs2/librispeech_wabert"
# Nothing that each process draws for itself, no Adam, which amplifies rounding, and batches that
# two processes can share.
STILL = (
    "--batch_bins 300000 --min_batch_size 2 --optim sgd --scheduler none --encoder_conf dropout=0.0"
    " --model_conf grapheme_weight=0.0"
)


class Cluster:
    """The recipe on the tiny corpus, with a cluster's commands on PATH."""

    def __init__(self, work: Path):
        self.work, self.log = work, work / "cluster.log"
        self.commands = write_commands(work / "bin")

    def run(self, *options: str, submit: tuple[str, ...] = (), fails: bool = False, **variables):
        """Run the recipe in its folder; return what it printed."""
        self.log.write_text("")
        own = [f"--{name}dir={self.work / name}" for name in ("exp", "dump", "data")]
        own = [word for option in own for word in option.split("=")]
        own += [
            "--corpora",
            str(self.work / "corpora"),
            "--speech_model",
            str(self.work / "data2vec"),
        ]
        own += ["--text_model", str(self.work / "bert"), "--nj", "1", "--ngpu", "0"]
        own += ["--slu_config", str(ROOT / "conf/tiny/align.yaml"), "--slu_args", STILL]
        variables |= {
            "PATH": f"{self.commands}:{os.environ['PATH']}", "CLUSTER_LOG": str(self.log),
        }  # fmt: skip
        done = subprocess.run(
            [*submit, "./run.sh", *own, *options], cwd=RECIPE, text=True,
            env=environment(**variables), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            timeout=600,
        )  # fmt: skip
        assert (done.returncode != 0) == fails, done.stdout[-6000:]
        return done.stdout

    def weights(self, tag: str) -> dict:
        """Return the weights of an experiment after its last epoch."""
        return torch.load(self.work / "exp" / tag / "2epoch.pth", weights_only=True)


@pytest.fixture(scope="module")
def cluster(tiny_corpus, tmp_path_factory):
    """Stages 1 to 11 by one process, in the experiment `alone`."""
    work = tmp_path_factory.mktemp("nodes")
    shutil.copytree(tiny_corpus, work / "corpora")
    speech, _ = write_tiny_sources(work)
    config = json.loads((speech / "config.json").read_text())
    config |= {key: 0.0 for key in config if "dropout" in key or key == "layerdrop"}
    config |= {"apply_spec_augment": False}
    (speech / "config.json").write_text(json.dumps(config))
    cluster = Cluster(work)
    cluster.run("--stop_stage", "11", "--slu_tag", "alone")
    return cluster


STAGES = ("--stage", "10", "--stop_stage", "11")


def test_two_nodes_of_slurm_train_as_one(cluster):
    """The script is a job of sbatch, and srun starts each node."""
    cluster.run(
        *STAGES, "--slu_tag", "slurm", "--num_nodes", "2", cmd_backend="slurm",
        submit=("sbatch", "--nodes", "2"),
    )  # fmt: skip
    calls = cluster.log.read_text()
    assert calls.startswith("sbatch ./run.sh") and "srun --nodes 2 " in calls
    log = (cluster.work / "exp/slurm/train.log").read_text()
    assert ":0/2]" in log and "2epoch results" in log
    torch.testing.assert_close(
        cluster.weights("slurm"), cluster.weights("alone"), atol=1e-5, rtol=1e-5
    )
    assert not list((cluster.work / "exp/slurm").glob(".meeting*"))


def test_two_hosts_by_ssh_train_as_one(cluster):
    cluster.run(*STAGES, "--slu_tag", "ssh", "--host", "a,b")
    assert sorted(set(cluster.log.read_text().split("\n"))) == ["", "ssh a", "ssh b"]
    torch.testing.assert_close(
        cluster.weights("ssh"), cluster.weights("alone"), atol=1e-5, rtol=1e-5
    )


def test_two_nodes_of_pbs_train_as_one(cluster):
    nodes = cluster.work / "nodes"
    nodes.write_text("a\na\nb\n")
    cluster.run(
        *STAGES, "--slu_tag", "pbs", "--num_nodes", "2", cmd_backend="pbs", PBS_NODEFILE=str(nodes)
    )
    assert sorted(set(cluster.log.read_text().split("\n"))) == ["", "pbs_tmrsh a", "pbs_tmrsh b"]
    torch.testing.assert_close(
        cluster.weights("pbs"), cluster.weights("alone"), atol=1e-5, rtol=1e-5
    )


@pytest.mark.parametrize(
    ("options", "variables", "message"),
    [
        (("--num_nodes", "0"), {}, "option --num_nodes 0: at least 1"),
        (("--num_nodes", "abc"), {}, "option --num_nodes abc: not an integer"),
        (("--num_nodes", "2"), {}, "--num_nodes 2: this machine is one node; set cmd_backend="),
        (("--num_nodes", "3", "--host", "a,b"), {}, "--num_nodes 3, but 2 host(s): a,b"),
        ((), {"cmd_backend": "ssh"}, "cmd_backend=ssh: name the machines with --host"),
        ((), {"cmd_backend": "pbs"}, "cmd_backend=pbs: no PBS_NODEFILE: submit this script with"),
        ((), {"cmd_backend": "lsf"}, "cmd_backend=lsf: one of local, slurm, pbs, ssh"),
    ],
)
def test_a_mistake_about_nodes_ends_with_one_line(cluster, options, variables, message):
    output = cluster.run(*STAGES, *options, fails=True, **variables)
    assert message in output and len(output.splitlines()) == 1


@pytest.mark.parametrize(("device", "command"), [("cpu", "train"), ("cuda", "decode")])
def test_only_decoding_on_a_gpu_asks_for_one(device, command):
    """As `--ngpu 0` and `--gpu_inference false` say; train_cmd is for work on CPUs."""
    script = """
        cd "$1" && . ../slu.sh
        python=python train_cmd="echo train" decode_cmd="echo decode" inference_device=$2
        test_sets="dev test" model_workers=(--nj 3)
        decode transcribe --out exp
    """
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script, "-", RECIPE, device], capture_output=True,
        text=True, check=True, cwd=ROOT,
    )  # fmt: skip
    wanted = f"{command} python -m espnet_wabert.bin.transcribe --out exp --sets dev test"
    assert done.stdout == f"{wanted} --device {device} --batch_seconds 60.0 --nj 3\n"


def test_a_missing_srun_ends_with_one_line(cluster):
    (cluster.commands / "srun").rename(cluster.work / "srun")
    try:
        output = cluster.run(*STAGES, fails=True, cmd_backend="slurm")
    finally:
        (cluster.work / "srun").rename(cluster.commands / "srun")
    assert "cmd_backend=slurm: no srun on this machine" in output
    assert len(output.splitlines()) == 1


def test_a_host_that_cannot_be_reached_is_named(cluster):
    output = cluster.run(*STAGES, "--slu_tag", "lost", "--host", "a,nowhere", fails=True)
    assert "error: nowhere: cannot be reached by ssh: ssh: Could not resolve hostname" in output
    assert "Traceback" not in output and not list((cluster.work / "exp/lost").glob("*.pth"))
