"""Learning rates of parts of a model."""

import pytest
import torch
from espnet3.components.schedulers.linear_warmup_decay import LinearWarmupDecayLR
from torch import nn

from espnet_wabert.errors import UserError
from espnet_wabert.training.learning_rates import scale_rates


def model() -> nn.ModuleDict:
    parts = nn.ModuleDict({name: nn.Linear(2, 2) for name in ("encoder", "bert", "bert_head")})
    parts["encoder"].requires_grad_(False)
    return parts


def test_a_part_has_its_rate_through_the_schedule_and_every_parameter_stays():
    parts = model()
    optimizer = torch.optim.AdamW(parts.parameters(), lr=0.4, weight_decay=0.03)
    scale_rates(optimizer, parts, {"bert": 0.25})
    scheduler = LinearWarmupDecayLR(optimizer, warmup_steps=4, total_steps=10)
    seen = []
    for _ in range(10):
        optimizer.step()
        scheduler.step()
        others, bert = optimizer.param_groups
        seen.append(others["lr"])
        assert bert["lr"] == pytest.approx(0.25 * others["lr"])
    assert max(seen) == pytest.approx(0.4) and min(seen) < 1e-6
    assert {id(p) for p in bert["params"]} == {id(p) for p in parts["bert"].parameters()}
    assert bert["weight_decay"] == 0.03
    count = sum(len(group["params"]) for group in optimizer.param_groups)
    assert count == len(list(parts.parameters()))


def test_the_first_of_nested_parts_wins_and_groups_of_weight_decay_stay():
    parts = model()
    bias = [p for name, p in parts.named_parameters() if name.endswith("bias")]
    weight = [p for name, p in parts.named_parameters() if name.endswith("weight")]
    optimizer = torch.optim.SGD(
        [{"params": weight, "weight_decay": 0.1}, {"params": bias, "weight_decay": 0.0}], lr=1.0
    )
    scale_rates(optimizer, parts, {"bert.bias": 0.5, "bert": 2.0})
    rates = {
        id(p): (group["lr"], group["weight_decay"])
        for group in optimizer.param_groups
        for p in group["params"]
    }
    found = {name: rates[id(p)] for name, p in parts.named_parameters()}
    assert found["bert.bias"] == (0.5, 0.0) and found["bert.weight"] == (2.0, 0.1)
    assert found["bert_head.bias"] == (1.0, 0.0) and found["bert_head.weight"] == (1.0, 0.1)


@pytest.mark.parametrize(
    ("scales", "message"),
    [
        ({"bart": 0.1}, "lr_scales.bart: no such part .* train; these have: bert, bert_head"),
        ({"encoder": 0.1}, "lr_scales.encoder: no such part of the model has parameters to train"),
        ({"bert": 0.0}, "lr_scales.bert: 0.0: must be a number above 0"),
        ({"bert": "low"}, "lr_scales.bert: 'low': must be a number above 0"),
    ],
)
def test_a_wrong_scale_is_one_line(scales, message):
    parts = model()
    optimizer = torch.optim.SGD(parts.parameters(), lr=1.0)
    with pytest.raises(UserError, match=message):
        scale_rates(optimizer, parts, scales)
