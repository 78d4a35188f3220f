"""Align and read long recordings: exactness, speed and memory by length.

Recordings of a data folder with known word times (words.ctm), one after another with pauses of 0.1
to 1 s, make a recording of the wanted length, so that the true times are known. Each line of the
table is a process of its own: `peak` is all of its memory.

    python benchmarks/long.py --data exp/mini/librispeech_wabert/dump/raw/test_clean
"""

import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import click
import numpy as np
import torch
from describe import describe

from espnet_wabert.constants import OWN, SAMPLE_RATE
from espnet_wabert.formats.audio import read_audio
from espnet_wabert.formats.lines import read_table
from espnet_wabert.formats.words import read_words
from espnet_wabert.scoring.tokens import word_error_rate

TASKS = ("align", "transcribe", "spell")  # spell: transcribe by letters alone


def concatenated(data: Path, minutes: float, seed: int):
    """Return samples (S,), words and their times (W, 2) in seconds."""
    wav, text, times = (
        read_table(data / "wav.scp"),
        read_table(data / "text"),
        read_words(data / "words.ctm"),
    )
    rng = np.random.default_rng(seed)
    names = [name for name in wav if name in times and name in text]
    parts, words, edges, at = [], [], [], 0.0
    while at < 60 * minutes:
        for name in rng.permutation(names):
            samples = read_audio(wav[name], name)
            pause = np.zeros(int(SAMPLE_RATE * rng.uniform(0.1, 1.0)), np.float32)
            edges += [(at + word.start, at + word.end) for word in times[name]]
            words += text[name].split()
            parts += [samples, pause]
            at += (len(samples) + len(pause)) / SAMPLE_RATE
            if at >= 60 * minutes:
                break
    return np.concatenate(parts), words, np.array(edges)


def measure(data: Path, minutes: float, task: str, seed: int) -> dict:
    """Do a task on a recording of some length."""
    speech, words, edges = concatenated(data, minutes, seed)
    from espnet_wabert import WaBERT

    model = WaBERT.from_pretrained(recognizer=None if task == "spell" else OWN)
    begin = time.monotonic()
    row: dict = {"task": task, "minutes": minutes, "words": len(words)}
    if task == "align":
        found = model.align(speech, " ".join(words))
        errors = 1000 * np.abs(np.array([word[1:] for word in found.words]) - edges)
        row |= {"mean ms": errors.mean(), "median ms": float(np.median(errors))}
        row["quarters ms"] = [float(part.mean()) for part in np.array_split(errors, 4)]
    else:
        read = model.transcribe(speech)
        row["WER"] = word_error_rate({"a": " ".join(words).lower()}, {"a": read})
    seconds = time.monotonic() - begin
    row["times real time"] = len(speech) / SAMPLE_RATE / seconds
    row["peak GB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    return row


@click.command()
@click.option("--data", required=True, type=click.Path(path_type=Path), help="With words.ctm.")
@click.option("--minutes", multiple=True, type=float, default=(1, 10, 60), show_default=True)
@click.option("--seed", default=0, show_default=True, help="Of the order and the pauses.")
@click.option("--task", type=click.Choice(TASKS), help="Only this one, in this process.")
def main(data, minutes, seed, task):
    """Print lines of JSON: the machine, and each length and task."""
    if task:
        for length in minutes:
            click.echo(json.dumps(measure(data, length, task, seed), default=float))
        return
    click.echo(json.dumps(describe(torch.get_num_threads())))
    for one in TASKS:
        for length in minutes:
            call = [__file__, "--data", data, "--minutes", length, "--seed", seed, "--task", one]
            subprocess.run([sys.executable, *map(str, call)], check=True)


if __name__ == "__main__":
    main()
