"""The rooms of the package: who may import whom, and how large a file or function may be."""

import ast
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "espnet_wabert"
COMMON = {"errors", "constants", "config"}

# What each room may import besides itself and COMMON. docs/architecture.md draws it.
MAY_IMPORT = {
    "errors": set(),
    "constants": set(),
    "config": set(),
    "cif": set(),
    "formats": set(),
    "workers": set(),
    "text": {"formats"},
    "modules": {"cif", "text"},
    "box": set(),
    "models": {"box", "cif", "modules", "formats"},
    "graphs": {"cif", "models", "modules", "text", "formats"},
    "alignment": {"cif", "models", "modules", "scoring", "text", "formats"},
    "training": {"models", "modules", "scoring", "text", "formats", "workers"},
    "inference": {"alignment", "graphs", "models", "modules", "text", "formats", "workers"},
    "scoring": {"text", "formats"},
    "plots": {"inference", "models", "modules", "formats"},
    "corpora": {"text", "formats", "workers"},
    "mini": {"box", "inference", "alignment", "scoring", "text", "formats"},
    "finetuning": {"box", "corpora", "inference", "models", "modules", "plots", "recipes"}
    | {"scoring", "training", "text", "formats", "workers"},
    "demo": {"inference", "alignment", "plots", "text", "formats"},
    "recipes": {"corpora", "formats"},
    "bin": None,  # everything
    "cli": None,  # everything
}
STANDS_ALONE = {"cif"}  # not even COMMON


@cache
def imports(path: Path) -> set[str]:
    """Return the rooms of the package that a file imports, inside functions too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: imports are absolute"
            module = node.module or ""
            below = [f"{module}.{alias.name}" for alias in node.names]
            names = below if module == "espnet_wabert" else [module]
        found |= {n.split(".")[1] for n in names if n.startswith("espnet_wabert.")}
    return found


def test_every_room_has_its_line_here():
    rooms = {
        p.stem for p in PACKAGE.iterdir() if p.suffix == ".py" or (p / "__init__.py").is_file()
    }
    assert rooms - {"__init__"} == MAY_IMPORT.keys()


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_imports_go_one_way(room):
    allowed = MAY_IMPORT[room]
    if allowed is None:
        return
    allowed = allowed | {room} | (set() if room in STANDS_ALONE else COMMON)
    files = [PACKAGE / f"{room}.py"] if room in COMMON else sorted((PACKAGE / room).rglob("*.py"))
    wrong = {
        str(path.relative_to(ROOT)): more for path in files if (more := imports(path) - allowed)
    }
    assert not wrong


def test_the_table_has_no_cycle():
    """A room imports only rooms that can be built before it."""
    done = set(COMMON)
    while len(done) < len(MAY_IMPORT):
        ready = {r for r, needs in MAY_IMPORT.items() if r not in done and (needs or set()) <= done}
        if not ready - {"bin", "cli"}:
            ready = ready if len(done) == len(MAY_IMPORT) - 2 else set()
        assert ready, f"a cycle among {MAY_IMPORT.keys() - done}"
        done |= ready


@pytest.mark.parametrize("room", sorted(MAY_IMPORT.keys() - COMMON))
def test_a_room_says_what_lives_there(room):
    docstring = ast.get_docstring(ast.parse((PACKAGE / room / "__init__.py").read_text()))
    assert docstring and len(docstring.split()) >= 10


def test_files_and_functions_are_short():
    long = []
    for path in sorted(PACKAGE.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        if len(text.splitlines()) > 300:
            long.append(f"{path.relative_to(ROOT)}: {len(text.splitlines())} lines")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef) and node.end_lineno - node.lineno >= 60:
                long.append(f"{path.relative_to(ROOT)}:{node.lineno}: {node.name}")
    for path in sorted((ROOT / "egs2").rglob("*.sh")):
        limit = 200 if path.name.startswith("run") else 300
        if len(path.read_text().splitlines()) > limit:
            long.append(str(path))
    assert not long


def repeated(paths: list[Path], count: int) -> list[str]:
    """Return the places where `count` lines of one file stand in another one, too."""
    seen: dict[tuple[str, ...], Path] = {}
    found = []
    for path in paths:
        lines = [line.strip() for line in path.read_text().splitlines()]
        lines = [line for line in lines if line and not line.startswith("#")]
        for start in range(len(lines) - count + 1):
            block = tuple(lines[start : start + count])
            if seen.setdefault(block, path) != path:
                found.append(f"{seen[block].name} and {path.name}: {block[0]}")
    return found


@pytest.mark.parametrize("files", ["egs2/**/*.sh", "espnet_wabert/bin/*.py"])
def test_no_six_lines_stand_in_two_scripts(files):
    paths = [path for path in sorted(ROOT.glob(files)) if not path.is_symlink()]
    assert len(paths) > 5 and not repeated(paths, 6)
