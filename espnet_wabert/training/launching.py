"""The processes of a training: started together on each node, and ended together.

torch's launcher (torchrun's lower layer) starts and watches the processes of one node. The nodes
meet in a file of the experiment's folder, which they share anyway: no address and no free port has
to be known. Slurm, PBS or ssh start this launcher once per node (egs2/cmd.sh).
"""

import logging
import os
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from torch import distributed
from torch.distributed.elastic import multiprocessing
from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ProcessFailure

from espnet_wabert.errors import UserError, last_line

# Rank of a node: bin/on_hosts.py, srun, Open MPI, other MPIs.
NODE_RANKS = ("NODE_RANK", "SLURM_NODEID", "OMPI_COMM_WORLD_RANK", "PMI_RANK")
LOST = "lost the connection to another process"
AGAIN = "the same command goes on after the last whole epoch"
PATIENCE = 5.0  # seconds in which the launcher finds the process that ended first


def node_rank(num_nodes: int, environment: Mapping[str, str]) -> int:
    """Return which of the nodes this one is, from 0.

    Raises:
        UserError: nothing says so, or it is not one of them.
    """
    if num_nodes == 1:
        return 0
    started = int(environment.get("SLURM_STEP_NUM_NODES", num_nodes))
    if started != num_nodes:
        raise UserError(f"--num_nodes {num_nodes}, but srun started {started}")
    for name in NODE_RANKS:
        if name in environment:
            rank = environment[name]
            if rank not in map(str, range(num_nodes)):  # the others would wait for this one
                raise UserError(
                    f"{name}={rank}: with --num_nodes {num_nodes}, from 0 to {num_nodes - 1}"
                )
            return int(rank)
    raise UserError(
        f"--num_nodes {num_nodes}: this node does not know its rank: srun, mpirun or"
        f" espnet_wabert.bin.on_hosts must start it, or {NODE_RANKS[0]} be set"
    )


def launch(
    words: Sequence[str], ngpu: int, processes: int, num_nodes: int, node: int, meeting: Path
) -> None:
    """Train with the processes of this node; return when all have done their work.

    Args:
        words: options of the training.
        ngpu: GPUs of each node; 0: CPUs, which gloo connects.
        processes: of each node.
        num_nodes: number of nodes.
        node: which of them this one is.
        meeting: a file that does not exist yet, in a folder of all nodes.

    Raises:
        UserError: a process has failed or was killed; the others have been ended.
    """
    words = [*words, "--ngpu", "1" if ngpu else "0", "--multiprocessing_distributed", "false"]
    words += ["--dist_init_method", f"file://{meeting.absolute()}"]
    words += [] if ngpu else ["--dist_backend", "gloo"]
    size = processes * num_nodes
    first = processes * node
    ranks = {
        local: {"RANK": f"{first + local}", "WORLD_SIZE": f"{size}", "LOCAL_RANK": f"{local}"}
        for local in range(processes)
    }
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # of each process
    logging.disable(logging.CRITICAL)  # in this process: what torch says about the others' end
    with TemporaryDirectory() as logs:
        context = multiprocessing.start_processes(
            "train", _train, dict.fromkeys(ranks, (words, os.getpid())), ranks,
            multiprocessing.DefaultLogsSpecs(log_dir=logs),
        )  # fmt: skip
        try:
            result = context.wait(period=0.2)
        except SignalException as error:
            name = error.sigval.name
            raise UserError(
                f"the training was told to end ({name}), as schedulers do; {AGAIN}"
            ) from None
        finally:
            context.close()
            logging.disable(logging.NOTSET)
        for local, failure in result.failures.items() if result else ():
            raise UserError(_describe(failure, first + local, size))


def _train(words: list[str], launcher: int) -> None:
    """Train as one of the processes. Torch's launcher has set the variables of its rank."""
    from espnet_wabert.training.task import WaBERTTask  # imports ESPnet; the launcher needs none

    # Torch lets the system end this process with its launcher, but only from now on: the imports
    # before take seconds.
    if os.getppid() != launcher:
        raise UserError("the launcher was killed")
    try:
        WaBERTTask.main(cmd=words)
    except RuntimeError as error:
        if isinstance(error, distributed.DistError) or "gloo" in str(error):
            time.sleep(PATIENCE)
            raise UserError(LOST) from error
        raise


def _describe(failure: ProcessFailure, rank: int, size: int) -> str:
    """Return one line about a process that has failed; print its traceback if it has one."""
    name = f"process {rank} of {size} on {socket.gethostname()}"
    again = f"all others were ended; {AGAIN}"
    if failure.exitcode < 0:
        reason = failure.signal_name()
        if reason == "SIGKILL":
            reason += ", as the system does when memory is short"
        return f"{name} was killed ({reason}); {again}"
    message = failure.error_file_data["message"]
    if not isinstance(message, dict):
        return f"{name} ended with status {failure.exitcode}; {again}"
    kind, _, text = message["message"].partition(": ")
    if kind != UserError.__name__:
        print(message["extraInfo"]["py_callstack"], file=sys.stderr)
        return f"{name}: {message['message'].splitlines()[0]}; {again}"
    if text == LOST:
        return f"{name} {LOST}: the first error is that of the other one; {again}"
    return last_line(UserError(text))
