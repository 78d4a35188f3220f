"""Training in two processes: DDP with frozen parts and slim checkpoints."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from tiny import VOCABULARY
from tiny_sources import write_tiny_sources

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


def test_two_processes_train_one_model(tmp_path):
    speech, language = write_tiny_sources(tmp_path)
    rng = np.random.default_rng(0)
    files = dict.fromkeys(("wav.scp", "text", "speech_shape"), "")
    for index in range(4):
        soundfile.write(tmp_path / f"u{index}.wav", rng.normal(size=9000) * 0.1, 16000)
        for name, value in zip(
            files, (tmp_path / f"u{index}.wav", "the good film", 9000), strict=True
        ):
            files[name] += f"u{index} {value}\n"
    files["vocab.txt"] = "".join(f"{piece}\n" for piece in VOCABULARY)
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc_per_node", "2", "--no-python", sys.executable]
    command += ["-m", "espnet_wabert.bin.train", "--ngpu", "0", "--dist_backend", "gloo"]
    command += ["--config", str(ROOT / "conf/tiny/align.yaml"), "--output_dir", f"{tmp_path}/exp"]
    command += ["--token_list", f"{tmp_path}/vocab.txt", "--max_epoch", "1"]
    command += ["--frontend_conf", f"model_name_or_path={speech}"]
    command += ["--postencoder_conf", f"model_name_or_path={language}"]
    command += ["--batch_bins", "36000", "--use_tensorboard", "false"]
    for part in ("train", "valid"):
        for data in ("wav.scp,speech,sound", "text,text,text"):
            command += [f"--{part}_data_path_and_name_and_type", f"{tmp_path}/{data}"]
        command += [f"--{part}_shape_file", f"{tmp_path}/speech_shape"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr[-2000:]
    state = torch.load(tmp_path / "exp" / "checkpoint.pth", weights_only=True)
    assert state["reporter"]["epoch"] == 1
    assert not any(key.startswith("teacher.") for key in state["model"])
