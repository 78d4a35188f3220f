"""The Triton kernels without a GPU: run by Triton's interpreter, compiled to machine code."""

import os
import subprocess
import sys
import warnings

import pytest
import torch
from cif_makers import batch

from espnet_wabert.cif.boundaries import (
    BEHIND,
    cross,
    plan_exactly,
    plan_fires,
    scale_edges,
    stretch_tails,
    sum_weights,
)
from espnet_wabert.cif.segments import IntegrateSegments, cut
from espnet_wabert.cif.triton_kernel import IntegrateTriton, triton_runs_on

pytest.importorskip("triton")
INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
interpreted = pytest.mark.skipif(not INTERPRETED, reason="runs in the test that interprets")


def prepare(dtype, scaled, threshold):
    """What `cif` hands to the kernels, for a ragged batch with NaN in the padding."""
    frames, weights, lengths, counts = batch(3, 7, 260, 5)
    lengths[1], counts[2] = 1, 0
    frames[torch.arange(7) >= lengths[:, None]] = float("nan")
    summed = sum_weights(weights * 1.7, lengths, threshold)
    if scaled:
        plan = plan_exactly(summed, counts[:, None])
        edges, _ = scale_edges(summed, plan, threshold, may_be_blank=False)
    else:
        plan = plan_fires(summed, 0.5)
        edges = stretch_tails(summed, plan)
    crossings = cross(edges, plan, summed.frame, int(plan.counts.max()))
    frames = frames.to(dtype).requires_grad_()
    return frames, edges.requires_grad_(), summed.lengths, plan, crossings


@interpreted
@pytest.mark.parametrize(
    "dtype, scaled, threshold",
    [
        (torch.float64, True, 0.7),
        (torch.float64, False, 1.0),
        (torch.float32, True, 1.0),
        (torch.bfloat16, False, 0.7),
    ],
)
def test_kernels_equal_the_portable_form(dtype, scaled, threshold):
    frames, edges, lengths, plan, (last, first_frame, _) = prepare(dtype, scaled, threshold)
    parts = cut(edges.detach(), last, first_frame, plan, int(plan.sizes.sum()), threshold)
    tokens = [
        IntegrateSegments.apply(frames, edges, first_frame.shape[1] - 1, threshold, *parts),
        IntegrateTriton.apply(frames, edges, last, first_frame, lengths, plan.counts, threshold),
    ]
    tolerance = {torch.float64: 1e-12, torch.float32: 1e-5, torch.bfloat16: 0.02}[dtype]
    torch.testing.assert_close(*tokens, rtol=tolerance, atol=tolerance)
    grad = torch.randn(tokens[0].shape).to(dtype)
    for wanted in ((frames, edges), (frames,), (edges,)):
        grads = [torch.autograd.grad(x, wanted, grad, retain_graph=True) for x in tokens]
        for one, other in zip(*grads, strict=True):
            scale = one.abs().max().item()
            torch.testing.assert_close(one, other, rtol=0, atol=tolerance * scale)


@interpreted
def test_the_probe_accepts_what_is_right():
    assert triton_runs_on(torch.device("cpu"))


@pytest.mark.skipif(INTERPRETED, reason="this is the test that interprets")
def test_kernels_under_the_interpreter():
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__]
    environment = {**os.environ, "TRITON_INTERPRET": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    assert done.stdout.startswith(".....s"), done.stdout[:500]  # four cases and the probe


@pytest.mark.skipif(INTERPRETED or torch.cuda.is_available(), reason="for machines without a GPU")
def test_torch_operations_run_where_the_kernels_cannot():
    triton_runs_on.cache_clear()
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        assert not triton_runs_on(torch.device("cpu"))
    assert any("torch operations are used on cpu" in str(x.message) for x in seen)


@pytest.mark.skipif(INTERPRETED, reason="the interpreter compiles nothing")
@pytest.mark.parametrize("kind", ["fp32", "bf16", "fp16", "fp64"])
def test_kernels_compile_for_a_gpu(kind):
    import triton.language as tl
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource, compile

    from espnet_wabert.cif import triton_kernel as cif_triton

    sums, name = (tl.float64, "fp64") if kind == "fp64" else (tl.float32, "fp32")
    row, edge, index = f"*{kind}", "*fp64", "*i64"
    sizes = dict.fromkeys(["steps", "max_tokens", "width"], "i32")
    common = {"THRESHOLD": 0.7, "CHANNELS": cif_triton.CHANNELS, "SUM": sums}
    forward = {"frames": row, "edges": edge, "first_frame": index, "tokens": row, **sizes}
    backward = {"grads": row, "frames": row, "edges": edge, "last": edge, "of_frames": row}
    backward |= {"here": f"*{name}", "behind": f"*{name}", **sizes}
    more = {"BEHIND": BEHIND, "FRAMES": True, "EDGES": True}
    for kernel, types, constants in [
        (cif_triton._tokens_kernel, forward, {**common, "ROWS": cif_triton.ROWS}),
        (cif_triton._gradients_kernel, backward, {**common, **more}),
    ]:
        types = {**types, "lengths": edge, "counts": index}
        types = {**types, **dict.fromkeys(constants, "constexpr")}
        types = {name: types[name] for name in kernel.arg_names}
        source = ASTSource(kernel, signature=types, constexprs=constants)
        assert compile(source, target=GPUTarget("cuda", 80, 32)).asm["cubin"]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("scaled", [False, True])
def test_cuda_equals_the_cpu(dtype, scaled):
    from espnet_wabert.cif import cif

    assert triton_runs_on(torch.device("cuda", torch.cuda.current_device()))
    frames, weights, lengths, counts = batch(5, 300, 200, 70)
    given = frames.to(dtype), weights.to(dtype), lengths, counts
    tolerance = {torch.float64: 1e-10, torch.float32: 1e-5}.get(dtype, 0.02)
    results = []
    for device in ("cpu", "cuda"):
        rows = [x.to(device) for x in given]
        rows[0].requires_grad_(), rows[1].requires_grad_()
        out = cif(*rows[:3], rows[3] if scaled else None)
        out.tokens.float().square().sum().backward()
        results.append([*out, rows[0].grad, rows[1].grad])
    for one, other in zip(*results, strict=True):
        scale = max(one.abs().max().item(), 1)
        torch.testing.assert_close(one, other.cpu(), rtol=0, atol=tolerance * scale)
