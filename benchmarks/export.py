"""Speed, size and accuracy of an exported model, beside PyTorch.

    python benchmarks/export.py --data exp/mini/librispeech_wabert/dump/raw/test_clean

The data folder has a wav.scp, a text and a words.ctm with known times of words. Its recordings are
joined to a short and a long one, which are aligned; models take turns, and the
time is the median. All times are of this one run: compare the ratios. Accuracy is that of word
boundaries of the recordings themselves, by the model's best method, in ms.
"""

import statistics
import tempfile
import time
from pathlib import Path

import click
import numpy as np
import torch

from espnet_wabert.constants import SAMPLE_RATE
from espnet_wabert.formats.words import read_words
from espnet_wabert.graphs.export import export_onnx
from espnet_wabert.inference.api import WaBERTInference
from espnet_wabert.inference.recordings import load, many_recordings
from espnet_wabert.scoring.boundaries import score_boundaries

NAMES = ("PyTorch float32", "ONNX float32", "ONNX int8")


def joined(speech, texts, seconds):
    """Return recordings and transcripts, one after another, of at least `seconds`."""
    count = int(np.argmax(np.cumsum([len(x) for x in speech]) >= seconds * SAMPLE_RATE)) + 1
    samples = np.concatenate(speech[:count])
    assert len(samples) >= seconds * SAMPLE_RATE, f"the data have less than {seconds} s of audio"
    return samples[: seconds * SAMPLE_RATE], " ".join(texts[:count])


def seconds_of(models, samples, text, repeats):
    """Return the median time of each model to align one recording."""
    times = [[] for _ in models]
    for turn in range(repeats + 1):
        for own, model in zip(times, models, strict=True):
            begin = time.perf_counter()
            model.align([samples], [text])
            if turn:  # the first one loads graphs and compiles
                own.append(time.perf_counter() - begin)
    return [statistics.median(own) for own in times]


def megabytes(model, folder):
    """Return the size of a model: of its weights, or of its graphs."""
    if folder is None:
        return sum(p.numel() * p.element_size() for p in model.model.parameters()) / 1e6
    return sum(path.stat().st_size for path in folder.glob("*.onnx")) / 1e6


def aligned(model, names, speech, texts):
    """Return the words of each recording."""
    found = {}
    for name, samples, text in zip(names, speech, texts, strict=True):
        found[name] = model.align([samples], [text])[0].words
    return found


def errors_of(reference, words):
    """Return the mean and median error of words."""
    scores = score_boundaries(reference, words)
    return f"{scores.mean_ms:.1f} / {scores.median_ms:.1f}"


@click.command()
@click.option("--model", default="box", show_default=True)
@click.option("--data", required=True, type=click.Path(path_type=Path), help="Data folder.")
@click.option("--utterances", default=100, show_default=True, help="At most, for the accuracy.")
@click.option("--short", default=5, show_default=True, help="Seconds.")
@click.option("--long", default=60, show_default=True, help="Seconds.")
@click.option("--repeats", default=5, show_default=True)
@click.option("--threads", default=1, show_default=True)
def main(model, data, utterances, short, long, repeats, threads):
    """Export a model, measure it and print a table."""
    torch.set_num_threads(threads)
    recordings = many_recordings(str(data / "wav.scp"), str(data / "text")).recordings
    speech, texts = [load(r) for r in recordings], [r.text for r in recordings]
    known = read_words(data / "words.ctm")
    with tempfile.TemporaryDirectory() as temporary:
        folders = [None, Path(temporary) / "float32", Path(temporary) / "int8"]
        for folder in folders[1:]:
            export_onnx(model, folder, folder.name == "int8", click.echo)
        models = [WaBERTInference.from_pretrained(folder or model) for folder in folders]
        times = [
            seconds_of(models, *joined(speech, texts, seconds), repeats)
            for seconds in (short, long)
        ]
        names = [r.utterance for r in recordings[:utterances]]
        words = [aligned(m, names, speech[:utterances], texts[:utterances]) for m in models]
        sizes = [megabytes(*pair) for pair in zip(models, folders, strict=True)]
    known = {name: known[name] for name in names}
    print(f"| | MB | {short} s: s, ratio | {long} s: s, ratio | ms from PyTorch | ms from known |")
    print("| :-- | --: | --: | --: | --: | --: |")
    for at, name in enumerate(NAMES):
        spent = " | ".join(f"{row[at]:.2f}, {row[at] / row[0]:.2f}" for row in times)
        moved = errors_of(words[0], words[at]) if at else "-"
        print(f"| {name} | {sizes[at]:.0f} | {spent} | {moved} | {errors_of(known, words[at])} |")
    scored = score_boundaries(known, words[0])
    print(f"{scored.utterances} recordings, {scored.words} words; threads: {threads}")


if __name__ == "__main__":
    main()
