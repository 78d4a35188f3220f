"""Learning rates of parts of a model: pretrained layers need smaller ones than new parts."""

from collections.abc import Mapping

import torch
from torch import nn

from espnet_wabert.errors import UserError


def scale_rates(
    optimizer: torch.optim.Optimizer, model: nn.Module, scales: Mapping[str, float]
) -> None:
    """Give parts of a model learning rates of their own.

    Must be called before a scheduler is made: schedulers scale the rate of each group.

    Args:
        optimizer: of the model; its groups are split.
        model: the model.
        scales: for the name of a part, such as "postencoder", the factor of optim_conf.lr.

    Raises:
        UserError: a part has no parameters that are trained and in no other part, or a factor is
            not a number above 0.
    """
    left = {name: p for name, p in model.named_parameters() if p.requires_grad}
    for part, scale in scales.items():
        if not isinstance(scale, int | float) or not 0 < scale < float("inf"):
            raise UserError(f"lr_scales.{part}: {scale!r}: must be a number above 0")
        names = [name for name in left if f"{name}.".startswith(f"{part}.")]
        if not names:
            trained = ", ".join(dict.fromkeys(name.split(".")[0] for name in left))
            raise UserError(
                f"lr_scales.{part}: no such part of the model has parameters to train;"
                f" these have: {trained}"
            )
        taken = {left.pop(name) for name in names}
        for group in list(optimizer.param_groups):
            inside = [p for p in group["params"] if p in taken]
            if inside:
                group["params"] = [p for p in group["params"] if p not in taken]
                optimizer.add_param_group({**group, "params": inside, "lr": group["lr"] * scale})
