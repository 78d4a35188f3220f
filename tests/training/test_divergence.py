"""NaN, infinity and divergence stop a training with the batch's ids, before anything is saved."""

import logging
import os
import shutil

import numpy as np
import pytest
import soundfile
import torch
from espnet2.train.distributed_utils import DistributedOption
from espnet2.train.reporter import Reporter
from tiny_sources import write_tiny_sources
from tiny_training import train, write_data

from espnet_wabert.errors import UserError
from espnet_wabert.training.task import WaBERTTask
from espnet_wabert.training.trainer import WaBERTTrainer


class Half(torch.nn.Module):
    """A weight with a gradient of 1 that passes through float16; `diverges`: one of NaN."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def forward(self, diverges, utt_id):
        loss = (0 * self.weight).sqrt().sum() if diverges else self.weight.half().float().sum()
        return loss, {"loss": loss.detach()}, torch.tensor(1.0)


def epoch(model, batches, scaler=None, accum_grad=1) -> bool:
    """Train one epoch with ESPnet's real loop."""
    args = WaBERTTask.get_parser().parse_args(
        ["--output_dir", "x", "--accum_grad", f"{accum_grad}"]
    )
    reporter = Reporter()
    reporter.set_epoch(1)
    with reporter.observe("train") as sub_reporter:
        return WaBERTTrainer.train_one_epoch(
            model=model, optimizers=[torch.optim.SGD(model.parameters(), lr=0.1)],
            schedulers=[None], iterator=batches, reporter=sub_reporter, scaler=scaler,
            summary_writer=None, options=WaBERTTrainer.build_options(args),
            distributed_option=DistributedOption(),
        )  # fmt: skip


def batches(*diverging: bool) -> list:
    return [([f"u{number}"], {"diverges": found}) for number, found in enumerate(diverging)]


def test_an_overflow_of_the_scaled_gradients_is_no_divergence(caplog):
    """65536 is more than float16 can hold, 32768 is not: one step is skipped, the other done."""
    caplog.set_level(logging.WARNING)  # other tests run commands that are quieter
    model, scaler = Half(), torch.amp.GradScaler("cpu", init_scale=65536.0)
    assert not epoch(model, batches(False, False), scaler)
    assert scaler.get_scale() == 32768 and model.weight.item() == pytest.approx(-0.1)
    assert "overflow float16 at a loss scale of 65536" in caplog.text
    assert caplog.text.count("in the batch of u0") == 1 and "of u1" not in caplog.text


def test_an_epoch_of_overflows_does_not_end_the_training():
    model, scaler = Half(), torch.amp.GradScaler("cpu", init_scale=2.0**20)
    assert not epoch(model, batches(False, False), scaler)
    assert not epoch(model, batches(False, False, False, False), scaler)
    assert scaler.get_scale() == 2.0**15 and model.weight.item() == pytest.approx(-0.1)


def test_gradients_that_overflow_at_every_scale_are_a_divergence():
    model, scaler = Half(), torch.amp.GradScaler("cpu", init_scale=8.0)
    with pytest.raises(UserError, match=r"its gradients are not: the training diverges;.*of u4$"):
        epoch(model, batches(False, *[True] * 10), scaler)
    assert model.weight.isfinite().all()


def test_gradients_of_the_last_batches_do_not_go_into_the_next_epoch():
    """A checkpoint lacks them: a resumed training would take other steps."""
    model = Half()
    for _ in range(2):  # each has one step, of two batches, and a third batch
        epoch(model, batches(False, False, False), accum_grad=2)
    assert model.weight.item() == pytest.approx(-0.2)


@pytest.mark.parametrize("accum_grad", [1, 2])
def test_without_a_scaler_the_first_such_step_stops(accum_grad):
    """The error names all batches of the step."""
    model = Half()
    names = "u2" if accum_grad == 1 else "u2, u3"
    with pytest.raises(UserError, match=f"diverges; in the batch of {names}$"):
        epoch(model, batches(False, False, True, False), accum_grad=accum_grad)


def test_an_epoch_without_a_step_is_refused():
    with pytest.raises(UserError, match="^accum_grad: 3: an epoch has fewer batches"):
        epoch(Half(), batches(False, False), accum_grad=3)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """One epoch of a real training, its sources and its data."""
    folder = tmp_path_factory.mktemp("trained")
    sources = write_tiny_sources(folder / "sources")
    data = write_data(folder / "data")
    samples, rate = soundfile.read(data / "u3.wav")
    soundfile.write(data / "u3.wav", samples, rate, subtype="FLOAT")
    train("align", sources, data, folder / "exp", "--max_epoch", "1")
    return sources, data, folder / "exp"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("harm", "message"),
    [
        ("sample", r"utterance u3: speech that is not finite"),
        ("rate", r"finite.*in the batch of u\d"),
        ("gradient", r"its gradients are not: the training diverges; in the batch of u\d"),
    ],
)
def test_no_checkpoint_is_touched(trained, tmp_path, monkeypatch, harm, message):
    """The second epoch has a NaN sample, too large a step, or an infinite gradient.

    The recording keeps its size and its time: otherwise its change alone is an error.
    """
    sources, data, exp = trained
    shutil.copytree(exp, tmp_path / "exp", symlinks=True)
    before = {path.name: path.read_bytes() for path in (tmp_path / "exp").glob("*.pth*")}
    more = ["--max_epoch", "2", "--resume", "true", "--num_workers", "0"]
    recording = data / "u3.wav"
    kept, times = recording.read_bytes(), recording.stat()
    if harm == "sample":
        samples, rate = soundfile.read(recording)
        samples[100] = np.nan
        soundfile.write(recording, samples, rate, subtype="FLOAT")
        os.utime(recording, ns=(times.st_atime_ns, times.st_mtime_ns))
    elif harm == "rate":
        monkeypatch.setattr(torch.optim.AdamW, "step", explode)
    else:
        monkeypatch.setattr(torch.Tensor, "backward", infinite_gradients)
    try:
        with pytest.raises(UserError, match=message):
            train("align", sources, data, tmp_path / "exp", *more)
    finally:
        recording.write_bytes(kept)
        os.utime(recording, ns=(times.st_atime_ns, times.st_mtime_ns))
    after = {path.name: path.read_bytes() for path in (tmp_path / "exp").glob("*.pth*")}
    assert before == after


def explode(optimizer, closure=None):
    """A step that is far too large."""
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            parameter.data.mul_(1e30)


_backward = torch.Tensor.backward


def infinite_gradients(loss, *args, **kwargs):
    _backward(loss * float("inf"), *args, **kwargs)
