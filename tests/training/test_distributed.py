"""Two and four processes train as one process with the whole batch does."""

import pytest
import torch
from processes import run_together
from ranks import command, train, train_rank, write_data
from tiny_sources import write_tiny_sources

pytestmark = pytest.mark.slow

# Adam would amplify rounding: where a gradient is nearly zero, its step has only a sign.
SGD = "--optim sgd --optim_conf lr=0.05 --scheduler none --accum_grad 2".split()
KINDS = {
    "align": ("align", ""),  # InfoNCE with the negatives of the batch, graphemes
    "utterance": ("align", "--model_conf negatives=utterance --model_conf ctc_weight=0.3"),
    "cosine": ("align", "--model_conf align_loss=cosine --model_conf grapheme_weight=0.0"),
    "cosine_sum": ("align", "--model_conf align_loss=cosine_sum"),
    "sentiment": ("sentiment", "--model_conf quantity_weight=0.1"),
    "e2e": ("sentiment_e2e", "--model_conf frozen_steps=2"),
    "prosody": ("sentiment_prosody", ""),
    "text": ("sentiment_text", ""),
}
# Rounding: float32 sums in another order, over six batches and three or four updates.
WEIGHTS, FIGURES = 5e-6, 2e-5


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """Every kind of model, trained by one process; returns the folder and the commands."""
    folder = tmp_path_factory.mktemp("distributed")
    sources = write_tiny_sources(folder)
    (folder / "data").mkdir()
    data = write_data(folder / "data")

    def options(kind: str, processes: int) -> list[str]:
        config, more = KINDS[kind]
        return command(config, sources, data, folder / f"{processes}" / kind, *SGD, *more.split())

    for kind in KINDS:
        train(options(kind, 1))
    return folder, options


@pytest.mark.parametrize("processes", [2, 4])
def test_processes_train_as_one_with_the_whole_batch(alone, processes):
    """With accumulation, 5, 4 and 4 utterances per batch, and 1 to 3 of them per process.

    Weights and all figures of the log (losses, accuracy, macro F1, norms) are equal up to rounding.
    """
    folder, options = alone
    kinds = list(KINDS) if processes == 2 else ["align", "utterance", "prosody"]
    run_together(train_rank, processes, [options(kind, processes) for kind in kinds])
    for kind in kinds:
        paths = [folder / n / kind / "checkpoint.pth" for n in (str(processes), "1")]
        many, one = (torch.load(path, weights_only=True) for path in paths)
        torch.testing.assert_close(many["model"], one["model"], atol=WEIGHTS, rtol=WEIGHTS)
        assert not any(key.startswith("teacher.") for key in many["model"])
        assert figures(many) == pytest.approx(figures(one), rel=FIGURES, abs=FIGURES), kind


def figures(state: dict) -> dict[str, float]:
    """Return all figures of a training but the times."""
    return {
        f"epoch {epoch} {part} {name}": value
        for epoch, parts in state["reporter"]["stats"].items()
        for part in ("train", "valid")
        for name, value in parts[part].items()
        if isinstance(value, float) and "time" not in name
    }
