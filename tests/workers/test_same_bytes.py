"""Preparation, features, recognizers and decoding write the same bytes, whoever does the work."""

import hashlib
import json
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import soundfile
import torch
import worker_functions as functions
import yaml
from aligners import write_model
from corpora_makers import VOCABULARY, make_librispeech
from tiny_sources import write_tiny_recognizer, write_tiny_sources

from espnet_wabert.corpora import formatting
from espnet_wabert.corpora.formatting import format_folder
from espnet_wabert.corpora.lengths import Limits, filter_folder
from espnet_wabert.corpora.librispeech import prepare_librispeech
from espnet_wabert.formats.kaldi import DataFolder, read_folder, write_folder
from espnet_wabert.inference.api import WaBERTInference
from espnet_wabert.inference.decoding import SpeechSource, decode_alignment, transcribe
from espnet_wabert.inference.recognizer import load_recognizer
from espnet_wabert.training.feature_cache import STAMP, extract_features
from espnet_wabert.training.shapes import write_shapes
from espnet_wabert.workers.choice import open_workers
from espnet_wabert.workers.workers import HERE, Workers, made_once


class Models(NamedTuple):
    """Tiny models on disk."""

    encoder: str
    recognizer: str
    aligner: str


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    encoder, _ = write_tiny_sources(folder)
    recognizer = write_tiny_recognizer(folder / "recognizer")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        yield Models(str(encoder), str(recognizer), str(write_model(folder / "aligner")))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Twelve utterances of different lengths, two of them stereo, in a prepared data folder."""
    root = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    wav = {}
    for number in range(12):
        size = 8000 + 1500 * (7 * number % 12)
        samples = rng.normal(size=(size, 1 + (number % 6 == 0))) * 0.1
        soundfile.write(root / f"{number:02d}.flac", samples, 16000)
        wav[f"s-{number:02d}"] = str(root / f"{number:02d}.flac")
    folder = DataFolder(wav, dict.fromkeys(wav, "s"), text=dict.fromkeys(wav, "the good film"))
    write_folder(folder, root / "raw")
    return root / "raw"


def contents(root: Path) -> dict[str, bytes]:
    """Return what the files below a folder hold, without the folder's own name."""
    own = str(root).encode()
    files = [path for path in sorted(root.rglob("*")) if path.is_file() and path.name != STAMP]
    return {str(f.relative_to(root)): f.read_bytes().replace(own, b"ROOT") for f in files}


@pytest.fixture(scope="module")
def wanted(data, models, tmp_path_factory):
    """What one process writes that computes with one core."""
    out = tmp_path_factory.mktemp("one")
    (out / "mark").touch()  # nobody is killed here
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    found = do_all(data, models, HERE, out / "out", out / "mark")
    torch.set_num_threads(before)
    assert {"raw/wav.scp", "feats/feats.ark", "heard/text", "decode/words.cif.ctm"} < found.keys()
    assert len([name for name in found if name.endswith(".flac")]) == 2
    return found


def do_all(data: Path, models: Models, workers: Workers, out: Path, mark: Path) -> dict[str, bytes]:
    """Do the stages; the first worker that computes features a second time is killed at `mark`."""
    raw, bins = out / "raw", 40000
    format_folder(read_folder(data), raw, workers=workers)
    conf = json.dumps({"model_name_or_path": models.encoder})
    frontend = partial(functions.frontend_but_die, str(mark), conf)
    assert extract_features(frontend, raw, out / "feats", bins, "cpu", workers) == 12
    heard = partial(made_once, load_recognizer, models.recognizer)
    transcribe(heard, SpeechSource(raw, None), out / "heard" / "text", bins / 16000, workers)
    aligner = partial(made_once, WaBERTInference.from_pretrained, models.aligner)
    decode_alignment(aligner, SpeechSource(raw, None), out / "decode", bins / 16000, workers)
    return contents(out)


# Dask starts one more process, this machine's pool two: each has to import torch.
@pytest.mark.parametrize("kind", ["dask", pytest.param("processes", marks=pytest.mark.slow)])
def test_workers_write_the_same_bytes_also_when_one_is_killed(
    data, models, wanted, tmp_path, monkeypatch, kind
):
    monkeypatch.setattr(formatting, "WORTH_A_WORKER", 1)
    monkeypatch.setattr(formatting, "FILES_AT_A_TIME", 2)
    local = {"n_workers": 2, "threads_per_worker": 1, "host": "127.0.0.1"}
    local["dashboard_address"] = "127.0.0.1:0"
    conf = {"cluster": "dask.distributed.LocalCluster", "arguments": local, "workers": 2}
    (tmp_path / "dask.yaml").write_text(yaml.safe_dump(conf))
    dask = str(tmp_path / "dask.yaml") if kind == "dask" else None
    with open_workers(2, dask) as workers:
        found = do_all(data, models, workers, tmp_path / "out", tmp_path / "mark")
    assert (tmp_path / "mark").exists(), "no worker was killed"
    assert found.keys() == wanted.keys()
    assert [file for file in wanted if found[file] != wanted[file]] == []


def test_the_data_stages_write_the_bytes_of_earlier_versions(tmp_path):
    """Recorded at commit 8196580, before headers and words were read once."""
    corpus = make_librispeech(tmp_path)
    data, raw = tmp_path / "data", tmp_path / "raw"
    (tmp_path / "vocab.txt").write_text("\n".join(VOCABULARY) + "\n")
    prepare_librispeech(corpus, ["train-clean-100"], data)
    format_folder(read_folder(data), raw)
    filter_folder(raw, raw, Limits(), str(tmp_path / "vocab.txt"))
    write_shapes(raw, None, tmp_path / "vocab.txt", tmp_path / "stats")
    found = hashlib.sha256()
    for folder in (data, raw, tmp_path / "stats"):
        for name, content in contents(folder).items():
            found.update(name.encode() + content.replace(str(tmp_path).encode(), b""))
    assert found.hexdigest() == "f74eef64f088593225fc60712ab637ef445976d72e5296365fc0f122bf172e65"
