"""Work on many items, here, in processes of this machine, or on the machines of a Dask cluster.

`open_workers` chooses. `Workers.map` yields results in the order of the items, so that the outputs
are the same bytes for every number of workers. `processes` and `dask_cluster` repeat work whose
worker was lost.
"""
