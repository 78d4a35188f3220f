"""Models: packed zips, configurations and weights that are damaged, hostile or something else."""

import io
import math
import os
import zipfile
from argparse import Namespace
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
import yaml
from tiny import arguments, save, text_arguments

from espnet_wabert.inference.api import WaBERTInference
from espnet_wabert.models.builder import build_model
from espnet_wabert.models.checkpoint import find_files, load_model, pack
from espnet_wabert.models.weights_file import write_checksum
from espnet_wabert.modules.frozen import full_state_dict
from faults import damage
from faults.drawn import drawn
from faults.outcomes import Outcome, Try, Verdict

State = dict[str, torch.Tensor]
VALUES: tuple[Any, ...] = (
    None, True, -1, 0, 1, 3, 10**30, 1.5, float("nan"), float("inf"), "", "x", "../../etc/passwd",
    "/etc/passwd", [], [1, 2], {}, {"a": 1}, "a\nb", "\x1b[31m", "x" * 5000, [[[]]], b"\xff",
)  # fmt: skip


def state_of(path: Path) -> State:
    """Return all weights of a model that is loaded as every command loads it."""
    model, _ = load_model(find_files(path))
    return {key: value.clone() for key, value in full_state_dict(model).items()}


def _same(expected: State, other: Outcome, found: State) -> Verdict:
    """Compare with the weights of the good model; `other`: the outcome if they differ."""
    if found.keys() != expected.keys():
        return Verdict(Outcome.WRONG, "other weights by name")
    for key, value in expected.items():
        if not torch.equal(found[key], value):
            return Verdict(other, f"{key} has other values")
    return Verdict(Outcome.RIGHT)


def used(path: Path) -> list[float]:
    """Load a model, use it once, and return the numbers that it finds."""
    files = find_files(path)
    model = WaBERTInference(str(files.config), str(files.weights))
    speech = np.random.default_rng(0).normal(size=4000).astype(np.float32)
    if model.args.model == "wabert":
        (found,) = model.align([speech], ["the film"])
        return [time for by in found.by_method.values() for word in by.words for time in word[1:]]
    (label,) = model.classify(["the film"] if model.reads_text else [speech])
    return label.scores


def _finite(found: list[float]) -> Verdict:
    """Accept a changed configuration that fits the weights: it is the user's."""
    if found and all(map(math.isfinite, found)):
        return Verdict(Outcome.RIGHT)
    return Verdict(Outcome.WRONG, f"{found}")


def _members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _zip(members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


def hostile_zips(members: dict[str, bytes]) -> dict[str, bytes]:
    """Return zips that would write elsewhere, fill the disk or the memory, or lie."""
    meta = members["meta.yaml"]

    def renamed(to: str) -> dict[str, bytes]:
        return {**members, "meta.yaml": meta.replace(b"packed/config.yaml", to.encode())}

    huge = bytearray(_zip(members))
    at = huge.rfind(b"PK\x01\x02")
    huge[at + 24 : at + 28] = b"\xff\xff\xff\xfe"  # the size in the directory
    link = zipfile.ZipInfo("packed/model.pth")
    link.external_attr = 0o120777 << 16
    linked = io.BytesIO()
    with zipfile.ZipFile(linked, "w") as archive:
        archive.writestr(link, "/etc/passwd")
        for name in ("meta.yaml", "packed/config.yaml"):
            archive.writestr(name, members[name])
    twice = io.BytesIO()
    with zipfile.ZipFile(twice, "w") as archive:
        for name, content in [*members.items(), ("packed/config.yaml", b"model: x\n")]:
            archive.writestr(name, content)
    return {
        "a bomb": _zip({**members, "zeros": bytes(400_000_000)}, zipfile.ZIP_DEFLATED),
        "a bomb as meta.yaml": _zip({"meta.yaml": bytes(400_000_000)}, zipfile.ZIP_DEFLATED),
        "5000 members": _zip(members | {f"f{n}": b"" for n in range(5000)}),
        "a size that lies": bytes(huge),
        "a link": linked.getvalue(),
        "a member twice": twice.getvalue(),
        "aliases": _zip({**members, "meta.yaml": _aliases()}),
        "a loop": _zip({**members, "meta.yaml": b"files: &a {x: *a}\nyaml_files: *a\n"}),
        **{
            f"config at {name!r}": _zip(renamed(name))
            for name in ("/etc/passwd", "../x", "packed", "", "packed/../meta.yaml", "a\\b", "[1]")
        },
        **{f"no {name}": _zip({n: c for n, c in members.items() if n != name}) for name in members},
        **{f"{name} empty": _zip({**members, name: b""}) for name in members},
        "encrypted": _encrypted(members),
        "nothing": _zip({}),
    }


def _aliases() -> bytes:
    """Return a yaml text of 500 bytes that stands for 10**9 values."""
    rows = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    rows += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    return "\n".join([*rows, "files: {x: *a8}", "yaml_files: {}"]).encode()


def _encrypted(members: dict[str, bytes]) -> bytes:
    content = bytearray(_zip(members))
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = content.find(mark)
        while at >= 0:
            content[at + place] |= 1
            at = content.find(mark, at + 4)
    return bytes(content)


def zips(count: int, seed: int, work: Path) -> Iterator[Try]:
    """Yield packed models."""
    good = pack(save(arguments(), work / "good"), work / "good.zip")
    expected, content = state_of(good), good.read_bytes()
    same = partial(_same, expected, Outcome.WRONG)
    for index, changed in enumerate(drawn(damage.of_bytes(content), count, seed)):
        path = work / f"zip{index}.zip"
        path.write_bytes(changed)
        yield Try(f"zip {index}: {len(changed)} bytes", partial(state_of, path), same)
    for name, changed in hostile_zips(_members(good)).items():
        path = work / "hostile.zip"
        path.write_bytes(changed)
        yield Try(f"zip: {name}", partial(state_of, path), same)
    members = _members(good)
    for index, changed in enumerate(drawn(damage.of_text(members["meta.yaml"]), count, seed)):
        path = work / f"meta{index}.zip"
        path.write_bytes(_zip({**members, "meta.yaml": changed}))
        yield Try(f"meta.yaml {index}: {changed[:100]!r}", partial(state_of, path), same)


def weights(count: int, seed: int, work: Path) -> Iterator[Try]:
    """Yield damaged .pth files, with and without a checksum beside them, and safetensors."""
    good = save(arguments(), work / "weights")
    expected, content = state_of(good), good.read_bytes()
    stored = safetensors.torch.save(
        {key: value.clone() for key, value in torch.load(good, weights_only=True).items()}
    )
    for kind in (".pth", ".pth with a checksum", ".safetensors"):
        path = good.with_name("model.safetensors") if kind == ".safetensors" else good
        whole = stored if kind == ".safetensors" else content
        if kind == ".pth with a checksum":
            good.write_bytes(content)
            write_checksum(good, good)
        # The format of .safetensors has no checksums.
        unseen = Outcome.UNNOTICED if kind == ".safetensors" else Outcome.WRONG
        for index, changed in enumerate(drawn(damage.of_bytes(whole), count, seed)):
            path.write_bytes(changed)
            yield Try(f"{kind} {index}", partial(state_of, path), partial(_same, expected, unseen))
        os.unlink(path)
    for name, value in {
        "a list": [1, 2], "a number": 3, "text": "x", "nothing": {}, "a tensor": torch.zeros(3),
        "nested": {"model": {"model": {}}}, "numbers": {"a": 1}, "keys": {1: torch.zeros(1)},
        "NaN": {k: v * float("nan") if v.is_floating_point() else v for k, v in expected.items()},
        "half": {k: v.half() if v.is_floating_point() else v for k, v in expected.items()},
        "strings": dict.fromkeys(expected, "x"),
    }.items():  # fmt: skip
        path = work / "weights" / "value.pth"
        torch.save(value, path)
        judged = partial(_same, expected, Outcome.RIGHT if name == "half" else Outcome.WRONG)
        yield Try(f"weights: {name}", partial(state_of, path), judged)


def configurations(count: int, seed: int, work: Path) -> Iterator[Try]:
    """Yield configurations: damaged as text, and with one field of another value."""
    for kind, args in (("wabert", arguments()), ("sentiment", arguments("wabert_sentiment")),
                       ("text", text_arguments())):  # fmt: skip
        good = save(args, work / kind)
        path = good.parent / "config.yaml"
        content = path.read_bytes()
        for index, changed in enumerate(drawn(damage.of_text(content), count, seed)):
            path.write_bytes(changed)
            yield Try(f"config {kind} {index}", partial(used, good), _finite)
        places = list(_places(yaml.safe_load(content)))
        for index in range(count):
            names = places[(index * 7919 + seed) % len(places)]
            value = VALUES[(index * 31 + seed) % len(VALUES)]
            path.write_text(yaml.dump(_with(yaml.safe_load(content), names, value)))
            name = f"{'.'.join(map(str, names))} = {str(value)[:40]!r}"
            yield Try(f"config {kind}: {name}", partial(used, good), _finite)
        path.write_bytes(content)


def _places(values: Any, names: tuple = ()) -> Iterator[tuple]:
    """Yield the names of all fields, outer ones first."""
    if isinstance(values, dict):
        for name, value in values.items():
            yield (*names, name)
            yield from _places(value, (*names, name))


def _with(values: dict, names: tuple, value: Any) -> dict:
    inner = values
    for name in names[:-1]:
        inner = inner[name]
    inner[names[-1]] = value
    return values


def tries(count: int, seed: int, work: Path) -> Iterator[Try]:
    """Yield `count` damaged files of each kind, and the special ones."""
    os.environ["XDG_CACHE_HOME"] = str(work / "cache")
    torch.manual_seed(0)
    assert isinstance(arguments(), Namespace) and build_model(arguments()) is not None
    yield from zips(count, seed, work)
    yield from weights(count, seed, work)
    yield from configurations(count, seed, work)
