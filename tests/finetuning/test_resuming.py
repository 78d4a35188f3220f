"""What `wabert finetune` reads again: its folder, and the log of the training."""

import numpy as np
from espnet2.train.reporter import Reporter
from tiny import arguments

from espnet_wabert.finetuning.run import EPOCH
from espnet_wabert.finetuning.settings import claim, configuration, keep


def test_data_that_are_prepared_anew_belong_to_no_settings_before_the_end(tmp_path):
    """A kill can leave data folders of both: with neither settings they may be used."""
    out = tmp_path / "out"
    assert not claim(out, {"seed": 0})
    out.mkdir()
    keep(out, {"seed": 0})
    (out / "data").mkdir()
    assert claim(out, {"seed": 0})
    assert not claim(out, {"seed": 1})  # is killed before `keep`
    assert not claim(out, {"seed": 0})
    keep(out, {"seed": 0})
    assert claim(out, {"seed": 0})


def test_every_epoch_has_a_seed_that_numpy_takes():
    for seed in (0, 2**32 - 1):
        conf = configuration(arguments(), ["a", "b"], True, epochs=20, seed=seed)
        np.random.RandomState(conf["seed"] + conf["max_epoch"])
    assert configuration(arguments(), ["a", "b"], True, 20, 7)["seed"] == 7


def test_scores_of_many_classes_are_read_from_the_log(tmp_path):
    """The first epochs of a hundred classes can have a macro F1 below a thousandth."""
    scores = {1: 0.0, 2: 0.00044, 3: 0.001, 4: 0.25, 5: 1.0}
    reporter = Reporter()
    for epoch, score in scores.items():
        reporter.set_epoch(epoch)
        for part in ("train", "valid"):
            with reporter.observe(part) as steps:
                steps.register({"acc": 0.5, **({"macro_f1": score} if part == "valid" else {})})
                steps.next()
        with (tmp_path / "train.log").open("a") as log:
            log.write(f"2025-01-01 (trainer:354) {reporter.log_message()}\n")
    found = EPOCH.finditer((tmp_path / "train.log").read_text())
    assert {int(match[1]): float(match[2]) for match in found} == scores
