"""`wabert finetune` with and without transcripts, by number of clips: what to expect of it.

    python benchmarks/finetuning.py exp/box/slue_sa/dump/raw

The clips of training and validation are of `fine_tune`, those of the test are `dev` and `test`, of
other speakers. A seed draws the clips and is that of the training.
"""

import csv
import random
import statistics
import tempfile
import time
from pathlib import Path

import click
import torch
from describe import describe, save
from sklearn.metrics import accuracy_score, f1_score

from espnet_wabert.finetuning.run import Options, finetune
from espnet_wabert.formats.kaldi import read_folder

ROOT = Path(__file__).resolve().parent.parent
VALID = 0.15  # of the clips
TEST = ("dev", "test")


def rows_of(raw: Path, count: int, seed: int) -> list[dict[str, str]]:
    """Return the rows of the csv: `count` clips of training and validation, and all of the test."""
    rows = []
    for name in ("fine_tune", *TEST):
        folder = read_folder(raw / name)
        utterances = sorted(folder.wav)
        random.Random(seed).shuffle(utterances)
        for place, utterance in enumerate(
            utterances[:count] if name == "fine_tune" else utterances
        ):
            split = "test" if name in TEST else "valid" if place < VALID * count else "train"
            rows.append({
                "path": str(Path(folder.wav[utterance]).resolve()),
                "label": folder.sentiment[utterance], "text": folder.text[utterance],
                "split": split,
            })  # fmt: skip
    return rows


def measure(rows: list[dict[str, str]], text: bool, seed: int, folder: Path) -> dict[str, float]:
    """Fine-tune in an empty folder; return accuracy and macro F1 of the test, and seconds."""
    columns = [name for name in rows[0] if text or name != "text"]
    with (folder / "clips.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    began = time.monotonic()
    finetune(Options(folder / "clips.csv", folder / "out", seed=seed), say=str, warn=str)
    with (folder / "out/predictions.csv").open(encoding="utf-8", newline="") as file:
        found = list(csv.DictReader(file))
    pair = [row["label"] for row in found], [row["prediction"] for row in found]
    return {
        "accuracy": accuracy_score(*pair), "macro_f1": f1_score(*pair, average="macro"),
        "seconds": time.monotonic() - began,
    }  # fmt: skip


@click.command()
@click.argument("raw", type=click.Path(path_type=Path, exists=True))
@click.option("--count", "counts", multiple=True, type=int, default=(425,), help="Clips.")
@click.option("--seeds", default="0 1 2", show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=ROOT / "benchmarks/results")
def main(raw, counts, seeds, out):
    """Print a table for the data folders in RAW, and write finetuning.json."""
    result = {**describe(torch.get_num_threads()), "rows": []}
    print("| clips | csv | accuracy, % | macro F1, % | seconds |\n| --: | :-- | --: | --: | --: |")
    for count in counts:
        for text in (True, False):
            found = []
            for seed in map(int, seeds.split()):
                with tempfile.TemporaryDirectory() as folder:
                    found.append(measure(rows_of(raw, count, seed), text, seed, Path(folder)))
            kind = "with transcripts" if text else "without"
            result["rows"].append({"clips": count, "csv": kind, "seeds": found})
            cells = []
            for name, scale in (("accuracy", 100), ("macro_f1", 100), ("seconds", 1)):
                values = [scale * one[name] for one in found]
                deviation = statistics.stdev(values) if len(values) > 1 else 0.0
                cells.append(f"{statistics.mean(values):.1f} ± {deviation:.1f}")
            print(f"| {count} | {kind} | {' | '.join(cells)} |", flush=True)
    save(out, "finetuning", result)


if __name__ == "__main__":
    main()
