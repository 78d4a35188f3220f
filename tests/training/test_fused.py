"""On a CPU Adam is torch's fused kernel: faster, and equal to the plain one."""

from argparse import Namespace

import pytest
import torch
from torch import nn

from espnet_wabert.training.task import WaBERTTask

STEPS = 20


def options(optim, **conf):
    return Namespace(
        optim=optim, optim_conf=conf, exclude_weight_decay=False, sharded_ddp=False, lr_scales={},
        model="wabert", model_conf={}, grad_clip=5.0, grad_clip_type=2.0,
    )  # fmt: skip


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(7, 5), nn.GELU(), nn.Linear(5, 3))


def trained(args):
    """The parameters after some steps, and the optimizer."""
    model, data = network(), torch.Generator().manual_seed(1)
    (optimizer,) = WaBERTTask.build_optimizers(args, model)
    for _ in range(STEPS):
        loss = model(torch.randn(11, 7, generator=data)).square().mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    return torch.cat([p.detach().flatten() for p in model.parameters()]), optimizer


@pytest.mark.parametrize("optim", ["adam", "adamw"])
def test_fused_and_plain_train_the_same_parameters(optim):
    conf = dict(lr=0.01, weight_decay=0.01, betas=[0.9, 0.98])
    start = torch.cat([p.detach().flatten() for p in network().parameters()])
    fused, optimizer = trained(options(optim, **conf))
    plain, _ = trained(options(optim, fused=False, **conf))
    assert optimizer.param_groups[0]["fused"] is True
    assert (plain - start).abs().mean() > 0.02
    torch.testing.assert_close(fused, plain, rtol=0, atol=1e-6)


def test_the_options_of_the_training_stay_as_they_are():
    args = options("adamw", lr=0.01)
    WaBERTTask.build_optimizers(args, network())
    assert args.optim_conf == dict(lr=0.01)


@pytest.mark.parametrize("conf", [dict(fused=False), dict(foreach=True)])
def test_another_choice_of_the_user_stays(conf):
    (optimizer,) = WaBERTTask.build_optimizers(options("adamw", lr=0.01, **conf), network())
    assert not optimizer.param_groups[0]["fused"]
    assert optimizer.param_groups[0]["foreach"] == conf.get("foreach")


def test_an_optimizer_without_a_fused_kernel_is_built_as_it_was():
    (optimizer,) = WaBERTTask.build_optimizers(options("adadelta", lr=0.01), network())
    assert "fused" not in optimizer.param_groups[0]
