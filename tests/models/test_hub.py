"""Published models: the repository's files, upload, and three ways to download."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import yaml
from forked_python import forked_python
from hub_server import running_hub
from tiny import arguments, save

from espnet_wabert.errors import UserError
from espnet_wabert.models.checkpoint import pack
from espnet_wabert.models.hub import make_repository


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("packed")
    return pack(save(arguments("wabert_sentiment"), folder), folder / "sentiment.zip")


@pytest.fixture(scope="module")
def hub():
    with running_hub() as hub:
        yield hub


@pytest.fixture(scope="module")
def run(hub, tmp_path_factory):
    """A function that runs words of Python with the hub and returns what they print.

    The cache is empty at first. In `new` processes, or in forks of one that has imported.
    """
    home = tmp_path_factory.mktemp("home")
    variables = {
        "HF_HUB_OFFLINE": "0", "HF_ENDPOINT": hub.url, "HF_TOKEN": "hf_test",
        "HF_HOME": str(home / "hf"), "XDG_CACHE_HOME": str(home / "cache"),
    }  # fmt: skip

    def run(*words: str | Path, new: bool = False, fails: bool = False) -> str:
        python = sys.executable if new else forked_python(**variables)
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "NO_PROXY": "127.0.0.1", **variables}
        call = [python, *map(str, words)]
        done = subprocess.run(call, env=environment, capture_output=True, text=True)
        assert (done.returncode != 0) == fails, done.stdout + done.stderr
        return done.stdout if call[1].endswith(".py") else done.stdout + done.stderr

    return run


def test_a_repository_has_what_the_model_zoo_reads(packed, tmp_path):
    scores = tmp_path / "test/scores.json"
    scores.parent.mkdir()
    row = {"weighted_recall": 0.8, "weighted_f1": 0.75, "macro_f1": 0.5}
    scores.write_text(json.dumps({"rows": {"sentiment": {"wabert": row}}}))
    found = [scores, tmp_path / "none.json"]
    out = make_repository(packed, tmp_path / "hub", "you/wabert", "cc-by-4.0", found)
    meta = yaml.safe_load((out / "meta.yaml").read_text())
    named = [*meta["files"].values(), *meta["yaml_files"].values()]
    assert all((out / name).is_file() for name in named)
    card = (out / "README.md").read_text()
    assert "\nSentiment of speech: Negative, Neutral or Positive (WaBERT).\n" in card
    front = yaml.safe_load(card.split("---")[1])
    assert front["license"] == "cc-by-4.0" and front["library_name"] == "espnet"
    assert "| wabert | 80.0 | 75.0 | 50.0 |" in card
    assert "from_pretrained('you/wabert').classify([speech])" in card
    assert "in `egs2/slue_sa`" in card and "./run.sh --download_model you/wabert --stage 12" in card
    with pytest.raises(UserError, match=r"none.zip: no such packed model; stage 14 writes it"):
        make_repository(tmp_path / "none.zip", tmp_path / "hub", "you/x", "mit")


def test_the_card_names_the_labels_of_the_user(tmp_path):
    """No recipe has them."""
    args = arguments("wabert_sentiment", model_conf=dict(labels=["angry", "very bored", "calm"]))
    packed = pack(save(args, tmp_path / "exp"), tmp_path / "model.zip")
    card = (make_repository(packed, tmp_path / "hub", "you/x", "mit") / "README.md").read_text()
    assert "\nClasses of speech: angry, very bored or calm (WaBERT).\n" in card
    assert "Negative" not in card and "run.sh" not in card


@pytest.mark.slow
def test_a_published_model_decodes_from_everywhere(packed, hub, run, tmp_path):
    """Uploaded to the hub and downloaded by name; by an address as Zenodo's; as a local zip."""
    (tmp_path / "hub").mkdir()
    (tmp_path / "hub/notes.txt").write_text("of the user, and no file of the model")
    publish = ("-m", "espnet_wabert.bin.publish", "--repo", "you/wabert", "--out", tmp_path / "hub")
    assert "127.0.0.1" in run(*publish, "--model", packed, new=True)
    names = {"README.md", "meta.yaml", "packed/config.yaml", "packed/model.pth"}
    assert hub.repositories["you/wabert"].keys() == names
    hub.files["/records/1/files/sentiment.zip"] = packed.read_bytes()
    data = tmp_path / "dump/test"
    data.mkdir(parents=True)
    soundfile.write(data / "u1.wav", np.random.default_rng(0).normal(size=16000) * 0.1, 16000)
    (data / "wav.scp").write_text(f"u1 {data / 'u1.wav'}\n")
    for name in ("utt2spk", "spk2utt"):
        (data / name).write_text("u1 u1\n")
    (data / "utt2num_samples").write_text("u1 16000\n")
    address = f"{hub.url}/records/1/files/sentiment.zip?download=1"
    decode = ("-m", "espnet_wabert.bin.decode", "--sets", "test", "--dump", data.parent)
    decoded = set()
    for number, model in enumerate(("you/wabert", address, packed)):
        out = tmp_path / f"decode{number}"
        run(*decode, "--model", model, "--out", out, new=model == "you/wabert")
        decoded.add((out / "test/sentiment").read_text())
        asked = len(hub.requests)
        run(*decode, "--model", model, "--out", out)
        again = [r for r in hub.requests[asked:] if r.startswith("GET") and "resolve" in r]
        again += [r for r in hub.requests[asked:] if "/files/" in r]
        assert not again
    assert len(decoded) == 1
    missing = run(*decode, "--model", "you/nothing", "--out", "y", fails=True)
    assert missing.strip().splitlines()[-1].startswith("error: you/nothing: no such file, and no")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["zip", "pth"])
def test_a_model_is_pushed_and_loaded_by_its_name(packed, hub, run, tmp_path, kind):
    source = packed if kind == "zip" else save(arguments("wabert_sentiment"), tmp_path / "m")
    soundfile.write(tmp_path / "a.wav", np.random.default_rng(0).normal(size=16000) * 0.1, 16000)
    script = tmp_path / "push.py"
    script.write_text(
        "import sys\nfrom espnet_wabert import WaBERT\n"
        "model, recording, repo = WaBERT.from_pretrained(sys.argv[1]), *sys.argv[2:]\n"
        "print(model.push_to_hub(repo))\n"
        "again = WaBERT.from_pretrained(repo)\n"
        "print(model.sentiment(recording) == again.sentiment(recording))\n"
    )
    repo = f"you/pushed_{kind}"
    printed = run(script, source, tmp_path / "a.wav", repo)
    assert printed.splitlines()[-2:] == [f"{hub.url}/{repo}", "True"]
    assert {"README.md", "meta.yaml"} < hub.repositories[repo].keys()
