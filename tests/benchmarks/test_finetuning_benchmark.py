"""Which clips the benchmark of `wabert finetune` trains and tests with."""

import importlib
from collections import Counter
from pathlib import Path

import pytest

from espnet_wabert.formats.kaldi import DataFolder, write_folder

pytestmark = pytest.mark.slow  # it imports ESPnet

ROOT = Path(__file__).resolve().parents[2]


def write_set(folder: Path, count: int) -> None:
    ids = [f"{folder.name}-{index:02d}" for index in range(count)]
    write_folder(
        DataFolder(
            wav={u: f"/audio/{u}.flac" for u in ids},
            utt2spk={u: u for u in ids},
            text={u: f"words of {u}" for u in ids},
            sentiment={u: ("Negative", "Neutral", "Positive")[i % 3] for i, u in enumerate(ids)},
            samples=dict.fromkeys(ids, 16000),
        ),
        folder,
    )


def test_clips_of_training_are_drawn_and_the_test_is_whole(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    finetuning = importlib.import_module("finetuning")
    for name, count in (("fine_tune", 40), ("dev", 3), ("test", 5)):
        write_set(tmp_path / name, count)
    rows = finetuning.rows_of(tmp_path, count=20, seed=0)
    assert Counter(row["split"] for row in rows) == {"train": 17, "valid": 3, "test": 8}
    for row in rows:
        name = Path(row["path"]).stem
        assert (row["split"] == "test") == name.startswith(("dev", "test"))
        assert row["text"] == f"words of {name}" and row["label"]
    assert len({row["path"] for row in rows}) == len(rows)
    trained = [
        {row["path"] for row in finetuning.rows_of(tmp_path, 20, seed) if row["split"] != "test"}
        for seed in (0, 0, 1)
    ]
    assert trained[0] == trained[1] != trained[2]
