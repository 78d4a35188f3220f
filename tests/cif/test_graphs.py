"""`cif` in torch.compile, torch.export and ONNX, with dynamic B and T."""

import os

import pytest
import torch
from cif_makers import batch
from torch.export import Dim

from espnet_wabert.cif import cif
from espnet_wabert.cif.dense import cif_dense

SIZES = [(3, 40), (5, 70), (2, 33)]
ROWS, STEPS = Dim("rows", min=2, max=64), Dim("steps", min=2, max=9000)
SLOW = bool(os.environ.get("ESPNET_WABERT_SLOW"))  # a minute of C++ compilation
BACKENDS = ["aot_eager", *(["inductor"] if SLOW else [])]


class Module(torch.nn.Module):
    """`cif` or its dense form as a module with tensors in and out."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, frames, weights, lengths, targets=None):
        return tuple(self.function(frames, weights, lengths, targets))


def inputs(rows, steps, scaled, grad=False):
    """Positional arguments, with or without target lengths."""
    frames, weights, lengths, counts = batch(rows, steps, 6, 9, seed=rows)
    if grad:
        frames.requires_grad_(), weights.requires_grad_()
    return (frames, weights, lengths, counts)[: 3 + scaled]


def shapes(scaled):
    return ({0: ROWS, 1: STEPS}, {0: ROWS, 1: STEPS}, {0: ROWS}, {0: ROWS})[: 3 + scaled]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("scaled", [True, *([False] if SLOW else [])])
def test_case_15_compile_with_dynamic_sizes(scaled, backend):
    torch._dynamo.reset()
    with torch._dynamo.config.patch(capture_scalar_outputs=True):
        compiled = torch.compile(cif, fullgraph=True, dynamic=True, backend=backend)
        for rows, steps in SIZES:
            given = inputs(rows, steps, scaled, grad=True)
            pair = cif(*given), compiled(*given)
            for one, other in zip(*pair, strict=True):
                torch.testing.assert_close(one, other)
            losses = [out.tokens.square().sum() + out.quantity.sum() for out in pair]
            grads = [torch.autograd.grad(loss, given[:2]) for loss in losses]
            for one, other in zip(*grads, strict=True):
                torch.testing.assert_close(one, other)


def test_case_15_compile_without_settings():
    torch._dynamo.reset()
    compiled = torch.compile(cif, dynamic=True, backend="aot_eager")
    given = inputs(3, 40, False, grad=True)
    assert torch.equal(compiled(*given).tokens, cif(*given).tokens)
    with pytest.raises(RuntimeError, match="out of range"):
        compiled(given[0], -given[1], *given[2:])


@pytest.mark.parametrize("scaled, strict", [(False, True), (True, False)])
def test_case_15_export_with_dynamic_sizes(scaled, strict):
    program = torch.export.export(
        Module(cif), inputs(3, 40, scaled), dynamic_shapes=shapes(scaled), strict=strict
    )
    assert all("espnet" not in str(node.target) for node in program.graph.nodes)
    run = program.module()
    for rows, steps in SIZES:
        given = inputs(rows, steps, scaled)
        for one, other in zip(cif(*given), run(*given), strict=True):
            torch.testing.assert_close(one, other)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("scaled", [False, True])
def test_case_15_onnx_of_the_dense_form(scaled, tmp_path):
    pytest.importorskip("onnxscript")
    runtime = pytest.importorskip("onnxruntime")
    program = torch.onnx.export(
        Module(cif_dense), inputs(3, 40, scaled), dynamo=True, dynamic_shapes=shapes(scaled)
    )
    path = tmp_path / "cif.onnx"
    program.save(path)
    session = runtime.InferenceSession(path)
    names = [x.name for x in session.get_inputs()]
    for rows, steps in SIZES:
        given = inputs(rows, steps, scaled)
        out = session.run(None, {name: x.numpy() for name, x in zip(names, given, strict=True)})
        for one, other in zip(cif(*given), out, strict=True):
            torch.testing.assert_close(one, torch.from_numpy(other))
