"""What `wabert finetune` reads again: the log of the training."""

from espnet2.train.reporter import Reporter

from espnet_wabert.finetuning.run import validation_scores


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
    assert validation_scores(tmp_path / "train.log") == scores
