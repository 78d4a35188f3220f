"""The wheel and the sdist: what is in them, and that the wheel alone works."""

import shutil
import subprocess
import sys
import sysconfig
import tarfile
import time
import venv
import zipfile
from pathlib import Path

import numpy as np
import pytest
import soundfile

import espnet_wabert

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parent.parent
DATA = (
    "py.typed",
    "box/README.md",
    "box/aligner/config.yaml",
    "box/aligner/model.safetensors",
    "box/aligner/ngram.arpa.gz",
    "box/sentiment/config.yaml",
    "box/sentiment/model.safetensors",
)


def call(*command, cwd=None) -> str:
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, cwd=cwd)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("dist")
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    without = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "espnet_wabert", source / "espnet_wabert", ignore=without)
    call(sys.executable, "-m", "build", "--no-isolation", "--outdir", out, source)
    (wheel,), (sdist,) = out.glob("*.whl"), out.glob("*.tar.gz")
    return wheel, sdist


def test_both_have_the_code_the_models_and_the_license(built):
    wheel, sdist = built
    in_wheel = set(zipfile.ZipFile(wheel).namelist())
    with tarfile.open(sdist) as tar:
        in_sdist = {name.partition("/")[2] for name in tar.getnames()}
    modules = [str(p.relative_to(ROOT)) for p in (ROOT / "espnet_wabert").rglob("*.py")]
    for name in (*(f"espnet_wabert/{file}" for file in DATA), *modules):
        assert name in in_wheel and name in in_sdist, name
    assert any(name.endswith("LICENSE") for name in in_wheel) and "LICENSE" in in_sdist
    assert not any(name.startswith(("tests/", "exp/")) for name in in_wheel | in_sdist)
    print(f"wheel {wheel.stat().st_size / 1e6:.1f} MB, sdist {sdist.stat().st_size / 1e6:.1f} MB")


def test_the_wheel_works_in_an_environment_of_its_own(built, tmp_path):
    """Its dependencies are those of this environment, whose own copy of the package is not seen."""
    fresh = tmp_path / "fresh"
    venv.create(fresh, with_pip=False)
    (site,) = (fresh / "lib").glob("python*/site-packages")
    call(sys.executable, "-m", "pip", "--python", fresh / "bin/python", "install", "--no-deps",
         "--no-index", built[0])  # fmt: skip
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    where = "import espnet_wabert as w; print(w.__file__, w.__version__)"
    file, version = call(fresh / "bin/python", "-c", where, cwd=tmp_path).split()
    assert Path(file).is_relative_to(site) and version == espnet_wabert.__version__
    soundfile.write(tmp_path / "a.wav", 0.1 * np.sin(np.arange(32000) / 5), 16000)
    began = time.monotonic()
    shown = call(fresh / "bin/wabert", "align", "a.wav", "--text", "one two", cwd=tmp_path)
    assert [line.split()[-1] for line in shown.splitlines()[1:3]] == ["one", "two"]
    print(f"wabert align in a new process: {time.monotonic() - began:.1f} s")
    assert version in call(fresh / "bin/wabert", "--version", cwd=tmp_path)
