"""Workers on the machines of a Dask cluster, described by a yaml.

cluster: dask_jobqueue.SLURMCluster  # a class, or:
scheduler: tcp://10.0.0.1:8786       # the address of a scheduler that runs already
arguments: {...}                     # of the class
workers: 8                           # how many to start; of a scheduler: how many to expect
wait_seconds: 600                    # for a worker, when there is none
"""

import importlib
import inspect
import logging
import os
import shlex
import shutil
from collections.abc import Callable
from contextlib import suppress
from importlib.util import find_spec
from typing import Any, NamedTuple

from espnet_wabert.config import read_yaml
from espnet_wabert.errors import UserError, first_line
from espnet_wabert.workers.workers import LOST, OtherProcesses, run_piece

PATIENCE = 5.0  # seconds between two looks whether there are workers
INSTALL = "pip install 'espnet_wabert[cluster]'"


class ClusterConf(NamedTuple):
    """The fields of the yaml, with their defaults."""

    cluster: str = ""
    scheduler: str = ""
    arguments: dict[str, Any] = {}  # noqa: RUF012  never changed
    workers: int = 2
    wait_seconds: float = 600.0


def read_cluster(path: str) -> ClusterConf:
    """Return the content of a yaml; an error names the field."""
    values = read_yaml(path)
    defaults = ClusterConf()._asdict()
    for field, value in values.items():
        if field not in defaults:
            raise UserError(f"{path}: {field}: no such field; fields: {', '.join(defaults)}")
        wanted = type(defaults[field])
        right = isinstance(value, int | float if wanted is float else wanted)
        if not right or isinstance(value, bool) or value in (0, ""):
            raise UserError(f"{path}: {field}: {value!r} is no {_NAMES[wanted]}")
    conf = ClusterConf(**values)
    if bool(conf.cluster) == bool(conf.scheduler):
        raise UserError(f"{path}: needs a cluster (a class) or a scheduler (an address), not both")
    if conf.scheduler and conf.arguments:
        raise UserError(f"{path}: arguments: a scheduler that runs already takes none")
    if conf.workers < 1 or conf.wait_seconds <= 0:
        raise UserError(f"{path}: workers and wait_seconds are above 0")
    return conf


_NAMES = {str: "name", dict: "mapping", int: "whole number", float: "number"}


class DaskWorkers(OtherProcesses):
    """Workers of a Dask cluster, which start with the first piece.

    Dask gives the work of a lost worker to another one.
    """

    def __init__(self, path: str):
        self.path, self.conf = path, read_cluster(path)
        self.count = self.conf.workers
        self._make = _cluster_class(path, self.conf) if self.conf.cluster else None
        self._cluster: Any = None
        self._client: Any = None

    def _begin(self) -> None:
        import dask
        from distributed import Client

        dask.config.set({"distributed.scheduler.allowed-failures": LOST})
        # What ends the work is raised here, as one line.
        os.environ.setdefault("DASK_LOGGING__DISTRIBUTED", "critical")  # of workers started here
        for name in ("distributed", "distributed.client"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        try:
            if self._make is not None:
                self._cluster = self._make(**self.conf.arguments)
                self._cluster.scale(self.count)
            address = self._cluster or self.conf.scheduler
            self._client = Client(address, timeout=self.conf.wait_seconds)
        except Exception as error:  # of the class that the yaml names
            self.close()
            raise UserError(f"{self.path}: the cluster does not start: {_cause(error)}") from error
        found = self._client.submit(find_spec, run_piece.__module__, pure=False)
        self._wait(found)
        if found.exception() is not None:  # a worker that cannot read its work says so only there
            raise UserError(
                f"{self.path}: the workers have no package espnet_wabert; all machines must have"
                " the same environment"
            )

    def _start(self, *call: Any) -> Any:
        if self._client is None:
            self._begin()
        return self._client.submit(*call, pure=False)

    def _first(self) -> list:
        from concurrent.futures import CancelledError

        from distributed import KilledWorker
        from distributed.comm import CommClosedError

        future = self._waiting.popleft()
        try:
            self._wait(future)
            return future.result()
        except KilledWorker as error:
            self._wait_for_workers()
            raise UserError(
                f"{self.path}: the same work lost its worker {LOST + 1} times, at last"
                f" {error.last_worker.address}; perhaps its memory is full"
            ) from None
        except (CancelledError, CommClosedError) as error:
            reason = first_line(error)
            raise UserError(f"{self.path}: the scheduler has ended: {reason}") from None

    def _wait(self, future: Any) -> None:
        """Wait for a result as long as there are workers."""
        from distributed import wait

        alone = 0.0  # seconds without a worker
        while not future.done():
            try:
                wait(future, timeout=PATIENCE)
            except TimeoutError:
                alone = 0.0 if self._client.ncores() else alone + PATIENCE
                if alone >= self.conf.wait_seconds:
                    raise UserError(
                        f"{self.path}: no worker for {alone:g} s: the cluster starts none, or"
                        " has ended them"
                    ) from None

    def _wait_for_workers(self) -> None:
        """Let lost workers start again: one that is ended in its start writes a traceback."""
        with suppress(TimeoutError):
            self._client.wait_for_workers(self.count, timeout=2 * PATIENCE)

    def close(self) -> None:
        """End the workers, also in the middle of their work."""
        for part in (self._client, self._cluster):
            if part is not None:
                with suppress(Exception):  # a cluster that did not start may not end either
                    part.close()
        self._client = self._cluster = None


def _cluster_class(path: str, conf: ClusterConf) -> Callable:
    """Return the class, with all arguments known."""
    module, _, name = conf.cluster.rpartition(".")
    try:
        made = getattr(importlib.import_module(module or name), name)
    except ModuleNotFoundError as error:
        raise UserError(f"{path}: cluster: {conf.cluster}: {error}; {INSTALL}") from None
    except AttributeError:
        raise UserError(f"{path}: cluster: {module} has no class {name}") from None
    taken = _arguments(made)
    for argument in conf.arguments:
        if argument not in taken:
            raise UserError(f"{path}: arguments: {argument}: {conf.cluster} takes no such argument")
    # Of dask_jobqueue, which would only log that the command is missing.
    command = getattr(getattr(made, "job_cls", None), "submit_command", None)
    if command and not shutil.which(shlex.split(command)[0]):
        raise UserError(f"{path}: cluster: {conf.cluster}: this machine has no command {command}")
    return made


def _arguments(made: Callable) -> set[str]:
    """Return the arguments of a class, of those it inherits from, and of Dask's workers."""
    from distributed import Nanny, Worker

    job = getattr(made, "job_cls", None)  # of dask_jobqueue
    bases = [one for part in (made, job) for one in getattr(part, "__mro__", [part]) if part]
    parts = [*bases, *([] if job else [Nanny, Worker])]
    return {
        name for one in parts if one is not object for name in inspect.signature(one).parameters
    }


def _cause(error: BaseException) -> str:
    """Return the first line of what was the reason of an error."""
    while error.__cause__ is not None:
        error = error.__cause__
    return first_line(error)
