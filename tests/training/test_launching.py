"""Which node this one is."""

import pytest

from espnet_wabert.errors import UserError
from espnet_wabert.training.launching import node_rank


@pytest.mark.parametrize(
    ("environment", "rank"),
    [
        ({"NODE_RANK": "1"}, 1),
        ({"SLURM_NODEID": "1", "SLURM_STEP_NUM_NODES": "2"}, 1),
        ({"OMPI_COMM_WORLD_RANK": "0"}, 0),
        ({"PMI_RANK": "1"}, 1),
    ],
)
def test_the_launcher_of_the_nodes_says_which_one_this_is(environment, rank):
    assert node_rank(2, environment) == rank


def test_one_node_needs_no_rank():
    assert node_rank(1, {"SLURM_NODEID": "3"}) == 0


def test_missing_nodes_are_told():
    with pytest.raises(UserError, match="--num_nodes 2: this node does not know its rank"):
        node_rank(2, {})
    with pytest.raises(UserError, match="NODE_RANK=2: with --num_nodes 2, from 0 to 1"):
        node_rank(2, {"NODE_RANK": "2"})  # counted from 1
    with pytest.raises(UserError, match="--num_nodes 2, but srun started 1"):
        node_rank(2, {"SLURM_NODEID": "0", "SLURM_STEP_NUM_NODES": "1"})
