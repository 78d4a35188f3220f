"""Functions in several gloo processes of this machine, with a free port and a timeout."""

import os
import socket
from collections.abc import Callable
from multiprocessing import get_context

import torch
from torch import distributed

from espnet_wabert.modules.losses import InfoNCE

IMPORTED = ["espnet_wabert.training.task"]  # it takes 8 s


def free_port() -> int:
    """Return a port of the loopback interface that nobody listens to."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return server.getsockname()[1]


def run_together(function: Callable, size: int, *args, timeout: float = 240) -> None:
    """Call `function(rank, *args)` in `size` processes with the variables of a rank.

    An error of one of them is raised here.
    """
    # One process imports what they need, and is forked for each of them.
    get_context("forkserver").set_forkserver_preload(IMPORTED)
    context = torch.multiprocessing.start_processes(
        _run, (size, free_port(), function, args), size, join=False, start_method="forkserver"
    )
    try:
        while not context.join(timeout):
            pass
    finally:
        for process in context.processes:
            process.kill()


def _run(rank: int, size: int, port: int, function: Callable, args: tuple) -> None:
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "RANK": str(rank)}
    os.environ |= {"WORLD_SIZE": str(size), "LOCAL_RANK": str(rank)}
    torch.set_num_threads(1)
    function(rank, *args)


def infonce_part(rank: int, batch: list[torch.Tensor], parts: list[slice], folder) -> None:
    """Write the loss and the gradient of one process's part of a batch."""
    distributed.init_process_group("gloo")
    aligned, targets, lengths, tokens = (tensor[parts[rank]] for tensor in batch)
    longest = int(lengths.max())  # each process pads to its own longest utterance
    aligned = aligned[:, :longest].clone().requires_grad_()
    loss = InfoNCE(negatives="batch")(aligned, targets[:, :longest], lengths, tokens[:, :longest])
    # As ESPnet's trainer weights the losses of the processes, and DDP sums their gradients.
    part = loss * len(lengths) / len(batch[0])
    part.backward()
    torch.save((part.detach(), aligned.grad), folder / f"{rank}.pt")
    distributed.destroy_process_group()
