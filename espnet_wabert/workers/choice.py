"""Which workers a command uses, by its options."""

from espnet_wabert.workers.dask_cluster import DaskWorkers
from espnet_wabert.workers.processes import Processes
from espnet_wabert.workers.workers import Here, Workers


def open_workers(nj: int | None, dask: str | None) -> Workers:
    """Return the workers of a Dask cluster (its yaml), or `nj` processes, or this process."""
    if dask:
        return DaskWorkers(dask)
    return Here() if nj is None else Processes(nj)
