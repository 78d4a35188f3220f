"""What the stages and commands write, as functions that can be interrupted and done again."""

import contextlib
import io
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from corpora_makers import write_audio
from tiny import arguments, save, speech_config
from tiny_sources import write_tiny_sources

from espnet_wabert.corpora.formatting import format_folder
from espnet_wabert.corpora.lengths import filter_folder
from espnet_wabert.formats.aligned_files import KINDS, UtteranceAlignment, Writer
from espnet_wabert.formats.kaldi import DataFolder, read_folder, write_folder
from espnet_wabert.formats.word import Word
from espnet_wabert.inference.api import WaBERTInference
from espnet_wabert.inference.decoding import SpeechSource, decode_alignment
from espnet_wabert.models.checkpoint import find_files, pack
from espnet_wabert.models.weights_file import read_weights
from espnet_wabert.modules.frontend import HuggingFaceFrontend
from espnet_wabert.scoring.results import update_results
from espnet_wabert.text.wordpiece import write_vocabulary
from espnet_wabert.training import saving
from espnet_wabert.training.feature_cache import extract_features

EPOCHS = 3


class Operation(NamedTuple):
    """Something that writes files.

    Attributes:
        name: in the report.
        run: writes into a folder; the same call goes on after an interruption.
        whole: each visible file is whole at any moment: what it was before, or what it will be.
        checked: damage of a file is found or mended, because there are checksums.
    """

    name: str
    run: Callable[[Path], Any]
    whole: bool = True
    checked: bool = False


def tree(folder: Path) -> dict[str, bytes]:
    """Return the visible files below a folder; a zip as its members, without their times."""
    found: dict[str, bytes] = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        hidden = any(part.startswith(".") for part in Path(name).parts)
        if hidden or not path.is_file() or name.endswith(saving.BROKEN):
            continue
        if path.suffix == ".zip" and zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                for member in archive.namelist():
                    content = archive.read(member)
                    if member == "meta.yaml":  # has the time
                        content = b"".join(
                            line for line in content.splitlines(True) if b"timestamp" not in line
                        )
                    found[f"{name}/{member}"] = content
        else:
            found[name] = path.read_bytes()
    return found


def make_inputs(work: Path) -> list[Operation]:
    """Write recordings and tiny models into `work`; return the operations."""
    torch.set_num_threads(1)
    data = _make_data(work / "data")
    speech, bert = write_tiny_sources(work / "sources")
    weights = save(arguments(), work / "model")
    with contextlib.redirect_stdout(io.StringIO()):
        packed = pack(weights, work / "packed.zip", with_teacher=True)
    model = WaBERTInference.from_pretrained(packed)
    torch.manual_seed(0)
    frontend = HuggingFaceFrontend(model_name_or_path=None, config=speech_config())
    formatted = work / "formatted"
    format_folder(read_folder(data), formatted)
    assert speech.is_dir()

    def cache(folder: Path) -> None:
        extract_features(lambda: frontend, formatted, folder / "feats", 16000, "cpu")

    def dump(folder: Path) -> None:
        format_folder(read_folder(data), folder / "org")
        filter_folder(folder / "org", folder / "raw", tokenizer=str(bert))

    def unpack(folder: Path) -> None:
        os.environ["XDG_CACHE_HOME"] = str(folder)
        read_weights(find_files(packed).weights)

    def decode(folder: Path) -> None:
        decode_alignment(lambda: model, SpeechSource(formatted, None), folder / "decode", 2.0)

    def vocabulary(folder: Path) -> None:
        write_vocabulary(str(bert), folder / "vocab.txt")

    def zip_model(folder: Path) -> None:
        with contextlib.redirect_stdout(io.StringIO()):
            pack(weights, folder / "model.zip")

    return [
        Operation("checkpoints of training", train, checked=True),
        Operation("cached features", cache, whole=False, checked=True),
        Operation("formatted data", dump),
        Operation("results.json", merge),
        Operation("packed model", zip_model),
        Operation("unpacked model", unpack, checked=True),
        Operation("decoded set", decode),
        Operation("alignments", align),
        Operation("vocabulary", vocabulary),
    ]


def _make_data(folder: Path) -> Path:
    """Write a data folder of six recordings that stage 3 converts."""
    names = [f"s{n // 3}-u{n}" for n in range(6)]
    wav = {
        name: str(write_audio(folder / f"{name}.flac", 0.4 + 0.1 * n, rate=22050, channels=2))
        for n, name in enumerate(names)
    }
    texts = dict.fromkeys(names, "the good film")
    write_folder(DataFolder(wav, {name: name[:2] for name in names}, texts), folder)
    return folder


def _state(epoch: int) -> dict:
    weights = torch.full((20_000,), float(epoch))
    return {"model": {"w": weights}, "reporter": {"epoch": epoch}}


def train(folder: Path) -> None:
    """Write the checkpoints of some epochs as ESPnet's trainer does; go on after the last one."""
    saving.recover(folder)
    checkpoint = folder / saving.CHECKPOINT
    done = read_weights(checkpoint)["reporter"]["epoch"] if checkpoint.exists() else 0
    with saving.safe_saving():
        for epoch in range(done + 1, EPOCHS + 1):
            torch.save(_state(epoch), checkpoint)
            torch.save(_state(epoch)["model"], folder / f"{epoch}epoch.pth")


def merge(folder: Path) -> None:
    """Merge the scores of several stages into a results.json."""
    for stage in range(6):
        row = {f"within_{t}ms": stage / t for t in range(1, 40)}
        update_results(folder / "results.json", {f"alignment.loss{stage}.cif": row})


def align(folder: Path) -> None:
    """Write alignments in all formats."""
    writer = Writer(folder / "aligned", KINDS, "box")
    for number in range(3):
        words = [Word(f"word{n}", n / 4, n / 4 + 0.2) for n in range(40)]
        scores = np.linspace(0, 1, len(words)).tolist()
        found = UtteranceAlignment(words, words, scores, scores, 0.5, "cif", 42, 11.0)
        writer.add(f"u{number}", found)
    writer.close()
