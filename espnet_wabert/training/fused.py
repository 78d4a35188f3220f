"""torch's fused Adam on a CPU: one pass over a parameter and its moments instead of eight."""

import argparse

import torch

FUSED = ("adam", "adamw")  # --optim


def with_fused(args: argparse.Namespace, model: torch.nn.Module) -> argparse.Namespace:
    """Return the options of training with `fused` in optim_conf, where it is faster.

    torch's default is its slowest kernel on a CPU, and a fast one on a GPU already.
    A `fused` or `foreach` of the user stays. The options themselves, which a folder of a training
    keeps and compares, are not changed.
    """
    on_cpu = all(parameter.device.type == "cpu" for parameter in model.parameters())
    if args.optim not in FUSED or not on_cpu or {"fused", "foreach"} & args.optim_conf.keys():
        return args
    return argparse.Namespace(**{**vars(args), "optim_conf": {**args.optim_conf, "fused": True}})
