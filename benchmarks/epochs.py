"""What the epochs of trainings took: loading, steps, validation, checkpoint; and padding.

    python benchmarks/epochs.py exp/mini/*/exp/align exp/mini/*/exp/sentiment_prosody

ESPnet measures in every training how long the model waits for a batch (loading) and what forward,
backward and optimizer take; its log tells when an epoch begins and when it is saved. Each epoch is
a repetition: the shares are medians. Padding is the share of padded frames in the batches of an
epoch. What a forward pass consists of, and what cached features save, is measured by training.py.
"""

import re
import statistics
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import click
import torch
from describe import describe, save, spread
from espnet2.samplers.build_batch_sampler import build_batch_sampler

from espnet_wabert.config import read_yaml
from espnet_wabert.formats.lines import read_table

ROOT = Path(__file__).resolve().parent.parent
TIME = r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}) .*?"
EPOCH = re.compile(
    rf"{TIME} (\d+)/\d+epoch started(?s:.*?){TIME} \d+epoch results(?s:.*?)"
    rf"(?={TIME} (?:\d+/\d+epoch started|The training was finished))"
)
STEP = {
    "loading": "iter_time", "forward": "forward_time", "backward": "backward_time",
    "optimizer": "optim_step_time",
}  # fmt: skip


def padding(options: dict, base: Path) -> tuple[float, int]:
    """Return the share of padding in the frames of an epoch, and the number of utterances.

    Args:
        options: of the training.
        base: folder that its paths start from.
    """
    shapes = [str(base / path) for path in options["train_shape_file"]]
    lengths = {u: int(value.split(",")[0]) for u, value in read_table(Path(shapes[0])).items()}
    sampler = build_batch_sampler(
        type=options["batch_type"], batch_size=options["batch_size"],
        batch_bins=options["batch_bins"], shape_files=shapes, fold_lengths=[],
    )  # fmt: skip
    padded = sum(max(lengths[u] for u in batch) * len(batch) for batch in sampler)
    return 1 - sum(lengths.values()) / padded, len(lengths)


def epochs_of(log: str) -> Iterator[tuple[int, float, float, float]]:
    """Yield each epoch of a log: its number, and when it began, had results and was saved, in s."""
    for begin, number, results, saved in EPOCH.findall(log):
        times = (datetime.strptime(t, "%Y-%m-%d %H:%M:%S,%f") for t in (begin, results, saved))
        yield int(number), *(time.timestamp() for time in times)


def measure(folder: Path) -> dict:
    """Return the figures of the epochs in the last log of a training.

    Args:
        folder: EXP/<data>/<recipe>/exp/<tag>, with options.yaml, checkpoint.pth and train.log.
    """
    folder = folder.resolve()
    base = folder.parents[4] / "egs2" / folder.parents[1].name
    padded, utterances = padding(read_yaml(folder / "options.yaml"), base)
    state = torch.load(folder / "checkpoint.pth", weights_only=False)
    epochs = []
    log = (folder / "train.log").read_text(encoding="utf-8")
    for number, begin, results, saved in epochs_of(log):
        stats = state["reporter"]["stats"][number]
        steps = stats["train"]["time"]["__timedelta_seconds__"]
        batches = steps / stats["train"]["train_time"]
        parts = {part: batches * stats["train"][name] for part, name in STEP.items()}
        parts["other"] = steps - sum(parts.values())
        parts["validation"] = results - begin - steps
        parts["checkpoint"] = saved - results
        shares = {part: seconds / (saved - begin) for part, seconds in parts.items()}
        epochs.append((utterances / steps, shares))
    rates, shares = zip(*epochs, strict=True)
    return {
        "epochs": len(epochs), "utterances": utterances, "utterances_per_second": spread(rates),
        "shares": {part: statistics.median(s[part] for s in shares) for part in shares[0]},
        "padding": padded,
    }  # fmt: skip


@click.command()
@click.argument("experiments", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), default=ROOT / "benchmarks/results")
def main(experiments, out):
    """Print a table of EXPERIMENTS, folders of trainings, and write epochs.json."""
    result = {**describe(torch.get_num_threads()), "trainings": {}}
    for folder in experiments:
        result["trainings"][folder.name] = measure(folder)
    parts = next(iter(result["trainings"].values()))["shares"]
    print("| training | epochs | utterances per s: min | median | max |", end="")
    print(f" {', % | '.join(parts)}, % | padding, % |\n| :-- |" + " --: |" * (5 + len(parts)))
    for name, found in result["trainings"].items():
        rates = " | ".join(f"{rate:.1f}" for rate in found["utterances_per_second"].values())
        shares = [*found["shares"].values(), found["padding"]]
        row = " | ".join(f"{100 * share:.1f}" for share in shares)
        print(f"| {name} | {found['epochs']} | {rates} | {row} |")
    save(out, "epochs", result)


if __name__ == "__main__":
    main()
