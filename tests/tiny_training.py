"""A training with ESPnet's Trainer on six short recordings of noise, with tiny models."""

from pathlib import Path

import numpy as np
import soundfile
import torch
from tiny import VOCABULARY

from espnet_wabert.training.task import WaBERTTask

ROOT = Path(__file__).parents[1]


def write_data(folder: Path) -> Path:
    """Write six utterances of noise with the files that the trainer reads."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    files = {name: [] for name in ("wav.scp", "text", "sentiment", "speech_shape", "text_shape")}
    for index in range(6):
        size = int(rng.integers(8000, 16000))
        path = folder / f"u{index}.wav"
        soundfile.write(path, rng.normal(size=size) * 0.1, 16000)
        values = (path, "the good film", ["Negative", "Neutral", "Positive"][index % 3], size, 5)
        for name, value in zip(files, values, strict=True):
            files[name].append(f"u{index} {value}\n")
    for name, lines in files.items():
        (folder / name).write_text("".join(lines))
    (folder / "vocab.txt").write_text("".join(f"{piece}\n" for piece in VOCABULARY))
    return folder


def train(config: str, sources, data: Path, out: Path, *more: str) -> dict:
    """Train with a configuration of conf/tiny; return the last checkpoint."""
    WaBERTTask.main(cmd=training_command(config, sources, data, out, *more))
    return torch.load(out / "checkpoint.pth", weights_only=True)


def training_command(config: str, sources, data: Path, out: Path, *more: str) -> list[str]:
    """Return the options of a training on what `write_data` wrote."""
    text = config == "sentiment_text"
    inputs = {"text,text,text"} if config != "sentiment" else set()
    inputs.add("text,text,text" if text else "wav.scp,speech,sound")
    if config != "align":
        inputs.add("sentiment,sentiment,text")
    command = ["--config", str(ROOT / "conf" / "tiny" / f"{config}.yaml")]
    command += ["--output_dir", str(out), "--token_list", str(data / "vocab.txt")]
    command += ["--frontend_conf", f"model_name_or_path={sources[text]}"]
    command += ["--postencoder_conf", f"model_name_or_path={sources[1]}", "--ngpu", "0"]
    for part in ("train", "valid"):
        for scp in sorted(inputs):
            command += [f"--{part}_data_path_and_name_and_type", f"{data}/{scp}"]
        command += [f"--{part}_shape_file", str(data / "speech_shape")]
    return [*command, "--batch_bins", "40000", "--use_tensorboard", "false", *more]
