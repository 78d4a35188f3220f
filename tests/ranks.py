"""Training in several processes on this machine, without what is random in each process."""

import sys
import time
from pathlib import Path

import numpy as np
import soundfile
import torch
from tiny import VOCABULARY

from espnet_wabert.training.task import WaBERTTask

LONG = "--max_epoch 3 --num_iters_per_epoch 40 --resume true".split()  # can be interrupted
ROOT = Path(__file__).parent.parent
TEXTS = (
    "the good film", "not good", "bad and good and bad", "the film of the film", "to the bad film",
    "good", "and the good of the bad to the film", "the bad film", "of good", "not the film",
    "the good and the bad", "film", "not to the good film",
)  # fmt: skip


class StillTask(WaBERTTask):
    """The task without dropout, layer drop and masks, which each process draws for itself."""

    @classmethod
    def build_model(cls, args):
        model = super().build_model(args)
        for module in model.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0
            for name in ("dropout", "attention_dropout", "activation_dropout", "dropout_prob"):
                if isinstance(getattr(module, name, None), float):
                    setattr(module, name, 0.0)
            config = getattr(module, "config", None)
            for name in ("layerdrop", "mask_time_prob", "mask_feature_prob"):
                if hasattr(config, name):
                    setattr(config, name, 0.0)
        return model


def write_data(folder: Path) -> Path:
    """Write 13 utterances of noise with their transcripts and labels; return the folder."""
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(0)
    files: dict[str, list[str]] = {
        name: [] for name in ("wav.scp", "text", "sentiment", "speech_shape")
    }
    for index, text in enumerate(TEXTS):
        size = int(rng.integers(16000, 32000))
        path = folder / f"u{index:02}.wav"
        soundfile.write(path, rng.normal(size=size) * 0.1, 16000)
        label = ("Negative", "Neutral", "Neutral", "Positive")[index % 4]
        for name, value in zip(files, (path, text, label, size), strict=True):
            files[name].append(f"u{index:02} {value}\n")
    for name, lines in files.items():
        (folder / name).write_text("".join(lines))
    (folder / "vocab.txt").write_text("".join(f"{piece}\n" for piece in VOCABULARY))
    return folder


def command(config: str, sources: tuple[Path, Path], data: Path, out: Path, *more: str):
    """Return the options of a training with a yaml of conf/tiny."""
    text = config == "sentiment_text"
    inputs = {"text,text,text", "text,text,text" if text else "wav.scp,speech,sound"}
    if config != "align":
        inputs.add("sentiment,sentiment,text")
    options = ["--config", str(ROOT / "conf" / "tiny" / f"{config}.yaml"), "--output_dir", str(out)]
    options += ["--token_list", str(data / "vocab.txt"), "--dist_backend", "gloo", "--ngpu", "0"]
    options += ["--frontend_conf", f"model_name_or_path={sources[text]}"]
    options += ["--postencoder_conf", f"model_name_or_path={sources[1]}"]
    for part in ("train", "valid"):
        for scp in sorted(inputs):
            options += [f"--{part}_data_path_and_name_and_type", f"{data}/{scp}"]
        options += [f"--{part}_shape_file", str(data / "speech_shape")]
    # Batches of 5, 4 and 4 utterances: no two processes have the same number of them.
    options += ["--batch_type", "sorted", "--batch_size", "4", "--use_tensorboard", "false"]
    return [*options, *more]


def launcher(
    words: list[str], out: Path, nodes: int = 1, python: str = sys.executable
) -> list[str]:
    """Return the command that starts two processes: of this node, or one on each of two nodes.

    Args:
        words: the options that `command` returns, for the experiment folder `out`.
        out: that folder.
        nodes: 1 or 2.
        python: what runs it.
    """
    meeting = out.with_name(f"meeting{time.time_ns()}")
    started = [python, "-m", "espnet_wabert.bin.launch", "--ngpu", "0"]
    started += ["--processes", str(2 // nodes), "--num_nodes", str(nodes)]
    return [*started, "--meeting", str(meeting), "--", *words, *LONG]


def train(words: list[str]) -> None:
    """Train in this process."""
    StillTask.main(cmd=words)


def train_rank(rank: int, commands: list[list[str]]) -> None:
    """Train with each of these options, as one of several processes."""
    for words in commands:
        StillTask.main(cmd=words)
