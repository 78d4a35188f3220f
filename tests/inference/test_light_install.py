"""Inference in an installation without ESPnet and what else only training and scoring need."""

import subprocess
import sys

import numpy as np
import pytest
import soundfile
from tiny import arguments, save

from espnet_wabert.models.checkpoint import pack

# A module that is None in sys.modules is not found, as one that is not installed.
WITHOUT = """
import sys
for name in ("espnet", "espnet2", "espnet_model_zoo", "tensorboard", "pyarrow", "matplotlib",
             "sklearn", "scipy", "jiwer", "rich", "requests", "editdistance", "pandas"):
    sys.modules[name] = None
"""


def run(code: str, *arguments) -> subprocess.CompletedProcess:
    command = [sys.executable, "-c", WITHOUT + code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.fixture
def recording(tmp_path):
    path = tmp_path / "tone.wav"
    soundfile.write(path, 0.1 * np.sin(np.arange(32000) / 5), 16000)
    return path


def test_a_packed_model_classifies(recording, tmp_path):
    packed = pack(save(arguments("wabert_sentiment"), tmp_path), tmp_path / "sentiment.zip")
    code = """
from espnet_wabert import WaBERT
print(WaBERT.from_pretrained(sys.argv[1]).sentiment(sys.argv[2]).label)
"""
    done = run(code, packed, recording)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() in ("Negative", "Neutral", "Positive")


def test_packing_tells_what_to_install(tmp_path):
    weights = save(arguments(), tmp_path)
    code = "from espnet_wabert.bin.pack import main\nmain()"
    done = run(code, "--model", weights, "--out", tmp_path / "model.zip")
    assert done.returncode == 1
    assert done.stderr == "error: ESPnet packs models: pip install -e '.[espnet]'\n"


def test_the_command_aligns_with_the_model_in_the_box(recording):
    code = "from espnet_wabert.cli.main import main\nmain()"
    done = run(code, "align", recording, "--text", "one two")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0].split() == ["start", "end", "confidence", "word"]
    assert len(done.stdout.splitlines()) == 4


def test_loading_imports_only_what_it_uses():
    code = """
import gc
from espnet_wabert import WaBERT
WaBERT.from_pretrained()
print(gc.isenabled(), *({"numba", "sentence_transformers", "torchvision"} & {*sys.modules}))
"""
    done = run(code)
    assert (done.stdout, done.stderr) == ("True\n", "")


def test_an_address_names_what_to_install(recording):
    code = "from espnet_wabert.cli.main import main\nmain()"
    address = "http://127.0.0.1:9/model.zip"
    done = run(code, "align", recording, "--text", "one", "--model", address)
    assert done.returncode == 1
    assert done.stderr.strip() == (
        f"error: {address}: an address needs espnet_model_zoo: pip install espnet_model_zoo"
    )


def test_fine_tuning_names_what_to_install():
    code = "from espnet_wabert.cli.main import main\nmain()"
    done = run(code, "finetune", "data.csv", "--out", "out")
    assert done.returncode == 1
    assert done.stderr == "error: wabert finetune trains with ESPnet: pip install -e '.[espnet]'\n"


def test_the_page_names_what_to_install():
    done = run(
        'sys.modules["gradio"] = None\nfrom espnet_wabert.cli.main import main\nmain()', "demo"
    )
    assert done.returncode == 1
    line = 'error: the page needs Gradio: pip install "espnet_wabert[demo]"'
    assert done.stderr.strip() == line
