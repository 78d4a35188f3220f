"""What is checked before the first stage of a recipe."""

import json
import os
import subprocess
import sys

import pytest
from hub_server import running_hub
from recipe_runner import ROOT

from espnet_wabert.errors import UserError
from espnet_wabert.recipes import requirements
from espnet_wabert.recipes.systems import System


@pytest.mark.parametrize(
    ("config", "models"),
    [
        ("align_bert_i3.yaml", {"frontend": "facebook/data2vec-audio-base", "postencoder": "bert"}),
        ("sentiment_e2e.yaml", {"frontend": "facebook/data2vec-audio-base"}),
        ("sentiment_text.yaml", {"frontend": "bert"}),
    ],
)
def test_the_models_of_a_configuration(config, models):
    found = requirements.models_of(System("", ROOT / "conf" / config), "", "bert")
    assert found == {f"{part}_conf.model_name_or_path": model for part, model in models.items()}


def test_options_replace_the_models_of_a_configuration():
    config = ROOT / "conf/align_bert_i3.yaml"
    row = System("row", config, slu_args="--frontend_conf model_name_or_path=a", recognizer="r")
    assert requirements.models_of(row, "", "t") == {
        "--recognizer": "r",
        "frontend_conf.model_name_or_path": "a",
        "postencoder_conf.model_name_or_path": "t",
    }
    assert "s" in requirements.models_of(row, "s", "t").values()
    row = System("row", config, speech_model="own", recognizer="transcripts")
    assert list(requirements.models_of(row, "s", "t").values()) == ["own", "t"]


def test_every_row_is_checked_and_named(tmp_path):
    rows = [
        System("one", ROOT / "conf/sentiment_text.yaml"),
        System("two", ROOT / "conf/sentiment_text.yaml", recognizer=str(tmp_path / "none")),
    ]
    (tmp_path / "config.json").write_text("{}")
    requirements.check_systems(rows[:1], "", str(tmp_path))
    with pytest.raises(UserError, match=r"^two: --recognizer: .*/none: no such folder$"):
        requirements.check_systems(rows, "", str(tmp_path))


def test_a_model_of_another_type_is_named(tmp_path):
    def write(model_type: str) -> str:
        folder = tmp_path / model_type
        folder.mkdir()
        (folder / "config.json").write_text(json.dumps({"model_type": model_type}))
        return str(folder)

    bert, wavlm, deberta = (write(model_type) for model_type in ("bert", "wavlm", "deberta"))
    aligner = [System("", ROOT / "conf/align_bert_i3.yaml")]
    requirements.check_systems(aligner, wavlm, bert)
    with pytest.raises(UserError, match="^postencoder_conf.* is a 'deberta' model, not bert$"):
        requirements.check_systems(aligner, wavlm, deberta)
    with pytest.raises(UserError, match="^frontend_conf.* is a 'bert' model, not data2vec-audio"):
        requirements.check_systems(aligner, bert, bert)
    requirements.check_systems([System("", ROOT / "conf/sentiment_text.yaml")], "", deberta)


def test_a_missing_model_is_named(tmp_path, monkeypatch):
    (tmp_path / "good").mkdir()
    (tmp_path / "good/config.json").write_text("{}")
    (tmp_path / "empty").mkdir()
    requirements.check_model("--recognizer", str(tmp_path / "good"))
    with pytest.raises(UserError, match=r"^--recognizer: .*/none: no such folder$"):
        requirements.check_model("--recognizer", str(tmp_path / "none"))
    with pytest.raises(UserError, match=r"/empty: this folder has no config.json"):
        requirements.check_model("--recognizer", str(tmp_path / "empty"))
    with pytest.raises(UserError, match="--recognizer: not a name: .* not the name of a model on"):
        requirements.check_model("--recognizer", "not a name")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(UserError, match="you/nothing: no such folder, not in the cache, and the H"):
        requirements.check_model("--recognizer", "you/nothing")


@pytest.mark.slow
def test_a_model_that_the_hub_does_not_have_is_named(tmp_path):
    """The Hub answers 404 with an error code for an unknown repository or file."""
    with running_hub() as hub:
        hub.repositories["you/model"] = {"config.json": b"{}"}
        hub.repositories["you/empty"] = {"README.md": b""}

        def check(model: str) -> str:
            environment = {
                **os.environ, "HF_HUB_OFFLINE": "0", "HF_ENDPOINT": hub.url,
                "NO_PROXY": "127.0.0.1", "HF_HOME": str(tmp_path),
            }  # fmt: skip
            command = [sys.executable, "-m", "espnet_wabert.bin.check_run", "--recognizer", model]
            done = subprocess.run(command, env=environment, capture_output=True, text=True)
            assert (done.returncode == 0) == (not done.stderr)
            return done.stderr

        assert check("you/model") == ""
        missing = "error: --recognizer: you/nothing: no such folder, and no such model on the Hub\n"
        assert check("you/nothing") == missing
        assert "you/empty: this repository of the Hub has no config.json" in check("you/empty")


def test_a_missing_package_is_named(monkeypatch):
    requirements.check_ngram_package()
    monkeypatch.setattr(requirements, "NGRAM_PACKAGE", "no_such_package")
    with pytest.raises(UserError, match="--ngram: needs the package ctc-beam-decoder: pip"):
        requirements.check_ngram_package()


def test_an_upload_needs_a_name_and_a_token(monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_test")
    requirements.check_upload("you/wabert")
    for name in ("", "wabert", "a/b/c"):
        with pytest.raises(UserError, match=f"--hf_repo '{name}': must be OWNER/NAME"):
            requirements.check_upload(name)
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setattr("huggingface_hub.get_token", lambda: None)
    with pytest.raises(UserError, match="no token of the Hugging Face Hub; run: hf auth login"):
        requirements.check_upload("you/wabert")
