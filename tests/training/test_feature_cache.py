"""Cached features: kept while nothing that went in has changed, computed again otherwise."""

import json
import os
from concurrent.futures import ThreadPoolExecutor

import kaldiio
import numpy as np
import pytest
import soundfile
import torch
from tiny import speech_config
from tiny_sources import write_tiny_sources
from tiny_training import train, training_command, write_data

from espnet_wabert.errors import UserError
from espnet_wabert.modules.frontend import HuggingFaceFrontend
from espnet_wabert.training.feature_cache import (
    FILES,
    STAMP,
    build_frontend,
    check_features,
    extract_features,
)
from espnet_wabert.training.task import WaBERTTask


def frontend(**conf) -> HuggingFaceFrontend:
    torch.manual_seed(conf.pop("seed", 0))
    precision = conf.pop("precision", "float32")
    conf = {"model_name_or_path": None, "config": speech_config(), **conf}
    return build_frontend("a.yaml", json.dumps(conf), precision)


def record(path, seed: int, size: int = 8000) -> None:
    soundfile.write(path, np.random.default_rng(seed).normal(size=size) * 0.1, 16000)


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    for number in range(3):
        record(folder / f"u{number}.wav", number)
    files = {"wav.scp": f"{folder}/u{{}}.wav", "utt2spk": "u{}", "spk2utt": "u{}",
             "utt2num_samples": "8000"}  # fmt: skip
    for name, value in files.items():
        lines = [f"u{number} {value.format(number)}\n" for number in range(3)]
        (folder / name).write_text("".join(lines))
    return folder


def extract(data, out, **conf) -> int:
    return extract_features(lambda: frontend(**conf), data, out, 16000, "cpu")


def test_a_second_call_computes_nothing(data, tmp_path):
    out = tmp_path / "feats"
    assert extract(data, out) == 3 and extract(data, out) == 0
    matrix = kaldiio.load_scp(str(out / "feats.scp"))["u1"]
    speech = torch.tensor(soundfile.read(data / "u1.wav")[0]).float()[None]
    expected, _ = frontend().eval()(speech, torch.tensor([8000]))
    assert np.allclose(matrix, expected[0].detach().numpy(), atol=1e-3)


@pytest.mark.parametrize(
    "conf",
    [
        dict(seed=1), dict(normalize=False), dict(convolutions=True), dict(all_layers=True),
        dict(precision="bfloat16"),
    ],
)  # fmt: skip
def test_another_frontend_is_seen(data, tmp_path, conf, caplog):
    out = tmp_path / "feats"
    extract(data, out)
    assert extract(data, out, **conf) == 3
    assert f"{out}: computed again: the frontend is another one" in caplog.text


def test_bfloat16_is_near_float32(data, tmp_path):
    """On average over encoders: of a single one the rounding of a CPU may be a little larger."""
    features: dict[str, list[np.ndarray]] = {"float32": [], "bfloat16": []}
    for precision, found in features.items():
        for seed in range(8):
            out = tmp_path / f"{precision}{seed}"
            extract(data, out, precision=precision, seed=seed)
            found += kaldiio.load_scp(f"{out}/feats.scp").values()
    one, other = (np.concatenate(found) for found in features.values())
    difference = np.abs(one - other)
    assert 0 < difference.mean() < 0.02 * np.abs(one).mean(), difference.mean() / np.abs(one).mean()


@pytest.mark.parametrize("seed", [1, 9])
def test_another_recording_is_seen(data, tmp_path, seed, caplog):
    """Other audio with the same ids, even of the same length."""
    out = tmp_path / "feats"
    extract(data, out)
    record(data / "u1.wav", seed)
    os.utime(data / "u1.wav", (1, 1))
    assert extract(data, out) == 3
    assert "computed again: a recording is another one" in caplog.text


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("harm", ["remove", "flip", "cut"])
def test_a_damaged_cache_is_computed_again(data, tmp_path, name, harm, caplog):
    out = tmp_path / "feats"
    extract(data, out)
    before = {file: (out / file).read_bytes() for file in FILES}
    content = bytearray(before[name])
    if harm == "remove":
        (out / name).unlink()
    else:
        content[len(content) // 2] ^= 1
        (out / name).write_bytes(content if harm == "flip" else content[:10])
    assert extract(data, out) == 3
    assert f"computed again: {name} is damaged or missing" in caplog.text
    assert before == {file: (out / file).read_bytes() for file in FILES}


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"files": 1}'])
def test_a_damaged_description_is_computed_again(data, tmp_path, content, caplog):
    out = tmp_path / "feats"
    extract(data, out)
    (out / STAMP).write_text(content)
    assert extract(data, out) == 3 and extract(data, out) == 0
    assert "computed again: cache.json is damaged" in caplog.text


def test_a_trained_frontend_has_no_cache(data, tmp_path):
    with pytest.raises(UserError, match="only a wholly frozen frontend"):
        extract(data, tmp_path / "feats", freeze="convolutions")


def test_features_of_another_encoder_are_refused(data, tmp_path):
    out = tmp_path / "feats"
    check_features(out, frontend())  # no cache.json: features of the user's own
    extract(data, out, precision="bfloat16")
    check_features(out, frontend())
    with pytest.raises(UserError, match=r"feats: .* another speech encoder .*\(weights differ\)"):
        check_features(out, frontend(seed=1))
    check_features(out, torch.nn.Module())  # an exported model has graphs instead of weights
    (out / STAMP).write_text("{}")
    with pytest.raises(UserError, match="cache.json: damaged"):
        check_features(out, frontend())


@pytest.mark.slow
def test_training_refuses_features_of_another_encoder_than_the_first_model_has(tmp_path):
    """That of an aligner may be trained: those of --speech_model are not its features."""
    sources, data = write_tiny_sources(tmp_path), write_data(tmp_path / "data")
    train("align", sources, data, tmp_path / "aligner", "--max_epoch", "1")
    feats = tmp_path / "feats"
    extract_features(
        lambda: frontend(model_name_or_path=str(sources[0]), config=None),
        _with_speakers(data), feats, 16000, "cpu",
    )  # fmt: skip
    first = ("--pretrained_model", str(tmp_path / "aligner/1epoch.pth"))
    command = training_command("sentiment", sources, data, tmp_path / "out", *first)
    audio, cached = f"{data}/wav.scp,speech,sound", f"{feats}/feats.scp,speech,kaldi_ark"
    command = [cached if word == audio else word for word in command]
    with pytest.raises(UserError, match=r"\(weights differ\); .* needs --cache_features false"):
        WaBERTTask.main(cmd=command)


def _with_speakers(data):
    lines = [line.split()[0] for line in (data / "wav.scp").read_text().splitlines()]
    for name in ("utt2spk", "spk2utt"):
        (data / name).write_text("".join(f"{utterance} {utterance}\n" for utterance in lines))
    return data


def test_two_calls_at_once_make_one_cache(data, tmp_path):
    with ThreadPoolExecutor(2) as pool:
        counts = list(pool.map(lambda _: extract(data, tmp_path / "feats"), range(2)))
    assert sorted(counts) == [0, 3]
