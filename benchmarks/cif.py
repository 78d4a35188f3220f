"""Integrate-and-fire: time, memory, errors and counts of ours, the dense form and FunASR's.

    python benchmarks/cif.py            # some minutes on 2 cores; writes benchmarks/results/cif.*
    python benchmarks/cif.py --quick    # seconds, tiny shapes: does it still run?

Times are medians over calls in alternating blocks, so that a disturbance of the machine meets all
forms. The floor is the time to copy as many bytes as must move at least: 4 (BTC + BNC) forward,
4 (3 BTC + 2 BNC) with the backward pass, read and written by one thread's `copy_` between warm
buffers (on a GPU a device-to-device copy). The other forms get weights scaled beforehand; ours and
the dense form scale within the measured time. Notes on what was tried stand in cif_notes.md.
"""

import importlib.util
import statistics
import subprocess
import sys
import time
from pathlib import Path

import click
import torch
from cif_forms import (
    QUICK,
    SHAPES,
    count_mistakes,
    errors,
    forms,
    leaves,
    make_batch,
    peak_memory,
    peak_memory_on_gpu,
    reference,
    run,
    scales,
)
from describe import describe, save

from espnet_wabert.models.provenance import machine

HERE = Path(__file__).resolve().parent


def clock(function, device):
    """Seconds of one call."""
    if device == "cuda":
        torch.cuda.synchronize()
    begin = time.perf_counter()
    function()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - begin


def medians(functions, device, rounds, budget):
    """Median seconds of each function, over blocks that take turns."""
    times = {name: [] for name in functions}
    for turn in range(rounds):
        for name, function in functions.items():
            if turn and min(times[name]) > budget:
                continue  # once is enough for what takes seconds
            first = clock(function, device)
            if first > budget / 3:
                times[name].append(first)
                continue
            calls = min(max(int(budget / max(first, 1e-5)), 3), 30)
            times[name] += [clock(function, device) for _ in range(calls)]
    return {name: statistics.median(values) for name, values in times.items()}


def floor(shape, backward, device):
    """A function that moves the fewest bytes possible."""
    rows, steps, width, most = shape
    long, short = rows * steps * width, rows * most * width
    size = (3 * long + 2 * short if backward else long + short) // 2  # each is read and written
    source = torch.ones(size, device=device)
    target = torch.empty_like(source)

    def copy():
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        target.copy_(source)
        torch.set_num_threads(threads)

    return copy if device == "cpu" else lambda: target.copy_(source)


def measure_times(shape, found, device, rounds, budget):
    """Milliseconds of each form, forward and forward + backward, and the floors."""
    batch = make_batch(shape, device=device)
    table = {}
    for kind, backward in (("forward", False), ("forward+backward", True)):
        functions = {"floor": floor(shape, backward, device)}
        for name, (form, quick) in found.items():
            if backward and not quick and shape[1] > 500:
                continue  # minutes
            given = leaves(name, batch)
            functions[name] = lambda n=name, f=form, g=given, b=backward: run(n, f, batch, g, b)
        seconds = medians(functions, device, rounds, budget)
        table[kind] = {name: value * 1e3 for name, value in seconds.items()}
    return table


def measure_memory(label, found, device, quick):
    """MiB at the peak of forward + backward; on the CPU each form in its own process."""
    table = {}
    for name, (form, is_quick) in found.items():
        if not is_quick:
            continue
        if device == "cuda":
            batch = make_batch((QUICK if quick else SHAPES)[label], device=device)
            table[name] = peak_memory_on_gpu(form, name, batch) / 2**20
            continue
        command = [sys.executable, __file__, "--memory-of", name, "--shape", label]
        command += ["--quick"] if quick else []
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise click.ClickException(f"the memory of {name} on {label}: {done.stderr[-300:]}")
        table[name] = int(done.stdout.split()[-1]) / 2**20
    return table


def measure_errors(shape, found, device):
    """Errors of each form against the float64 loop, which is run once for each kind of weights."""
    batch, table, references = make_batch(shape, device=device), {}, {}
    for name, (form, quick) in found.items():
        kind = scales(name)
        references[kind] = references.get(kind) or reference(name, batch)
        table[name] = errors(name, form, batch, references[kind], quick)
    return table


def to_markdown(result):
    """The tables of one result."""
    machine = result["machine"]
    lines = [
        f"Integrate-and-fire on {machine['device']}, {machine['threads']} threads, torch"
        f" {machine['torch']}, Python {machine['python']}, commit {machine['commit']}; float32,"
        " ragged batches. Made by `python benchmarks/cif.py`.",
    ]
    for label, shape in result["shapes"].items():
        times, memory, wrong = (result[x].get(label, {}) for x in ("times", "memory", "errors"))
        lines += ["", f"Shape {label}: B {shape[0]}, T {shape[1]}, C {shape[2]}, N {shape[3]}", ""]
        lines += [
            "| form | forward ms | x floor | forward+backward ms | x floor | ours is faster |"
            " peak MiB | error tokens | grad frames | grad weights / largest |",
            "|---|---|---|---|---|---|---|---|---|---|",
        ]
        both = [times["forward"], times["forward+backward"]]
        for name in both[0]:
            cells = [name]
            for table in both:
                value = table.get(name)
                cells.append("-" if value is None else f"{value:.2f}")
                cells.append("-" if value is None else f"{value / table['floor']:.2f}")
            gains = [f"{t[name] / t['ours']:.1f}" for t in both if name in t and name != "floor"]
            cells.append(" / ".join(gains) if gains and name != "ours" else "-")
            cells.append(f"{memory[name]:.0f}" if name in memory else "-")
            error = wrong.get(name, {})
            for key in ("tokens", "grad_frames", "grad_weights"):
                cells.append(f"{error[key]:.1e}" if key in error else "-")
            lines.append(f"| {' | '.join(cells)} |")
    lines += ["", "Utterances of 200 with a wrong number of tokens, or a crash, where the"]
    lines += ["weights are scaled to sum to N:", ""]
    names = list(next(iter(result["counts"].values())))
    lines += ["| type | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    for kind, row in result["counts"].items():
        lines.append(f"| {kind} | " + " | ".join(str(row[name]) for name in names) + " |")
    notes = HERE / "cif_notes.md"
    return "\n".join(lines) + "\n" + ("\n" + notes.read_text() if notes.exists() else "")


@click.command()
@click.option("--quick", is_flag=True, help="Tiny shapes and few calls, to see that it runs.")
@click.option("--peers/--no-peers", default=True, help="Compare with FunASR's (an extra).")
@click.option("--threads", default=2, show_default=True, help="Threads of torch on the CPU.")
@click.option("--out", default=HERE / "results", type=click.Path(path_type=Path))
@click.option("--memory-of", hidden=True)
@click.option("--shape", hidden=True)
def main(quick, peers, threads, out, memory_of, shape):
    """Measure integrate-and-fire and write cif.json and cif.md."""
    torch.set_num_threads(threads)
    shapes = QUICK if quick else SHAPES
    if peers and not importlib.util.find_spec("funasr"):
        click.echo("FunASR is not installed (extra `benchmark`): its rows are left out", err=True)
        peers = False
    if memory_of:
        form, _ = forms(peers)[memory_of]
        click.echo(peak_memory(form, memory_of, shapes[shape]))
        return
    for device in ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]:
        result = measure(shapes, forms(peers, device), device, quick)
        result["machine"] = {**describe(threads), "device": machine(device)}
        result["counts"] = count_mistakes(peers, 10 if quick else 200)
        name = "cif" if device == "cpu" else "cif_cuda"
        save(out, name, result)
        (out / f"{name}.md").write_text(to_markdown(result))
        click.echo(to_markdown(result))


def measure(shapes, found, device, quick):
    """Times, memory and errors of all forms on all shapes."""
    result = {"shapes": shapes, "times": {}, "memory": {}, "errors": {}}
    rounds, budget = (1, 0.05) if quick else (5, 1.0)
    for label, sizes in shapes.items():
        click.echo(f"{device}, shape {label}", err=True)
        result["times"][label] = measure_times(sizes, found, device, rounds, budget)
        result["memory"][label] = measure_memory(label, found, device, quick)
        result["errors"][label] = measure_errors(sizes, found, device)
    return result


if __name__ == "__main__":
    main()
