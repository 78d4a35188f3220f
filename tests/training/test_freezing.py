"""The first updates of a sentiment model do not train its speech encoder."""

from argparse import Namespace

import pytest
import torch
from tiny import ALONE, arguments
from torch import nn

from espnet_wabert.models.builder import build_model
from espnet_wabert.training.task import WaBERTTask

RATE = 0.01


@pytest.mark.parametrize("accum_grad", [1, 2])
def test_the_optimizer_skips_the_speech_encoder_in_the_first_updates(accum_grad):
    """No weight decay, and a first update of the size of a first update."""
    conf = dict(frontend_conf=dict(freeze=1), model_conf=dict(frozen_steps=3))
    torch.manual_seed(0)
    model = build_model(arguments("wabert_sentiment", **ALONE, **conf)).train()
    model.accum_grad = accum_grad
    args = Namespace(
        optim="adamw", optim_conf=dict(lr=RATE, weight_decay=0.1), exclude_weight_decay=False,
        sharded_ddp=False, lr_scales={}, model="wabert_sentiment",
    )  # fmt: skip
    (optimizer,) = WaBERTTask.build_optimizers(args, model)
    encoder = [p for p in model.frontend.parameters() if p.requires_grad]
    before = [p.detach().clone() for p in encoder]
    for step in range(1, 5):
        train_one_step(model, optimizer, accum_grad)
        pairs = zip(encoder, before, strict=True)
        moved = max(float((p.detach() - old).abs().max()) for p, old in pairs)
        assert moved == 0.0 if step <= 3 else 0.9 * RATE < moved < 1.5 * RATE
    assert all(float(optimizer.state[p]["step"]) == 1 for p in encoder)
    assert float(optimizer.state[model.classifier[-1].weight]["step"]) == 4


def train_one_step(model: nn.Module, optimizer: torch.optim.Optimizer, batches: int) -> None:
    lengths = torch.tensor([6000, 5000])
    for _ in range(batches):
        speech, sentiment = torch.randn(2, 6000) * 0.1, torch.tensor([[0], [2]])
        model(speech=speech, speech_lengths=lengths, sentiment=sentiment)[0].backward()
    optimizer.step()
    optimizer.zero_grad()
