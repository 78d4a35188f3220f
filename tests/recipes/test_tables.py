"""Tables of systems, and ESPnet's training arguments of a configuration."""

from itertools import pairwise
from pathlib import Path

import pytest
from recipe_runner import ROOT

from espnet_wabert.errors import UserError
from espnet_wabert.recipes.systems import read_systems
from espnet_wabert.recipes.training_args import Data, feature_folder, training_args

TABLES = [
    *sorted((ROOT / "egs2/slue_sa/systems").glob("*.yaml")),
    ROOT / "tests/recipes/systems.yaml",
]


@pytest.mark.parametrize("path", TABLES, ids=lambda p: p.stem)
def test_every_row_names_existing_configurations(path):
    for name, row in read_systems(path).items():
        options = dict(zip(row.options()[::2], row.options()[1::2], strict=True))
        assert options["--slu_tag"] == name and Path(options["--slu_config"]).is_file()
        assert bool(options["--aligner"]) == bool(row.aligner_options("folder"))


def write(tmp_path, rows: str) -> Path:
    (tmp_path / "a.yaml").write_text("model: wabert\n")
    table = tmp_path / "table.yaml"
    table.write_text(f"systems:\n{rows}")
    return table


def test_a_row_takes_the_model_of_another(tmp_path):
    rows = (
        "  nlp: {slu_config: a.yaml, text_model: b}\n  pipeline: {model_of: nlp, recognizer: r}\n"
    )
    systems = read_systems(write(tmp_path, rows))
    options = systems["pipeline"].options()
    assert options[options.index("--model_tag") + 1] == "nlp"
    assert options[options.index("--recognizer") + 1] == "r"
    assert options[options.index("--text_model") + 1] == "b"


def test_an_aligner_of_its_own_depth_has_a_name_of_its_own(tmp_path):
    rows = "  w: {slu_config: a.yaml, aligner: a.yaml, drop_layers: 0, more_data: true}\n"
    row = read_systems(write(tmp_path, rows))["w"]
    assert row.aligner_tag == "a_drop0_more"
    options = row.aligner_options("dump/raw/fine_tune")
    assert options[options.index("--slu_args") + 1] == "--postencoder_conf drop_layers=0"
    assert options[options.index("--more_data") + 1] == "dump/raw/fine_tune"


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("  w: {slu_config: b.yaml}", "system w: slu_config: .*b.yaml: no such configuration"),
        ("  w: {slu_conf: a.yaml}", "system w: slu_conf: unknown; one of slu_config"),
        ("  w: {aligner: a.yaml}", "system w: slu_config or model_of is missing"),
        ("  w: {slu_config: a.yaml, aligner: c.yaml}", "system w: aligner: .*c.yaml: no such"),
        ("  w: {slu_config: a.yaml, drop_layers: two}", "drop_layers: 'two' is no int"),
        ("  w: {slu_config: a.yaml, drop_layers: -1}", "drop_layers: -1: must be 0 or more"),
        ("  w: {slu_config: a.yaml, drop_layers: true}", "drop_layers: True is no int"),
        ("  w: {slu_config: a.yaml, more_data: true}", "more_data: there is no aligner"),
        ("  w: {slu_config: a.yaml, more_data: 1}", "more_data: 1 is no bool"),
        ("  w: {model_of: v}", "system w: model_of: 'v' is no row with a model of its own"),
        ("  w: a.yaml", "system w: must hold fields and values"),
        ("  []", "a table of systems has the keys conf and systems"),
        ("  w: [", "table.yaml:"),
    ],
)
def test_a_mistake_names_the_row_and_the_field(tmp_path, rows, message):
    with pytest.raises(UserError, match=message):
        read_systems(write(tmp_path, rows + "\n"))


@pytest.mark.parametrize(
    ("slu_args", "cached"),
    [
        ("", True),
        ("--model_conf focal_gamma=2", True),
        ("--frontend_conf all_layers=true", False),
        ("--frontend_conf=all_layers=true", False),
        ("--max_epoch 1 --preprocessor_conf data_aug_prob=0.5", False),
    ],
)
def test_changed_frames_are_not_taken_from_the_cache(slu_args, cached):
    config = str(ROOT / "conf/mini/sentiment_prosody.yaml")
    folder = feature_folder(config, slu_args, "dump")
    assert folder == (Path("dump/feats_convolutions") if cached else None)


def test_a_text_model_has_no_features():
    assert feature_folder(str(ROOT / "conf/mini/sentiment_text.yaml"), "", "dump") is None


def args_of(config: str, slu_args: str = "", feats: str | None = None) -> list[str]:
    data = Data(Path("raw"), Path(feats) if feats else None, Path("stats"), "train", "dev")
    return training_args(str(ROOT / "conf" / config), slu_args, data, "v.txt", "s", "t", "p.pth")


def test_an_aligner_reads_speech_and_text():
    args = args_of("mini/align.yaml", feats="feats")
    sources = [v for o, v in pairwise(args) if o.startswith("--train_data_path")]
    assert sources == ["feats/train/feats.scp,speech,kaldi_ark", "raw/train/text,text,text"]
    shapes = [v for o, v in pairwise(args) if o == "--valid_shape_file"]
    assert shapes == ["stats/dev/speech_shape", "stats/dev/text_shape"]
    assert args[-6:-1:2] == ["--postencoder_conf", "--frontend_conf", "--pretrained_model"]


@pytest.mark.parametrize(
    ("slu_args", "reads_text"),
    [("", True), ("--model_conf text_weight=0", False), ("--model_conf text_weight=0.5", True)],
)
def test_sentiment_reads_transcripts_only_to_train_on_them(slu_args, reads_text):
    args = args_of("mini/sentiment_prosody.yaml", slu_args)
    assert ("raw/train/text,text,text" in args) == reads_text
    assert "raw/train/wav.scp,speech,sound" in args
    assert "raw/train/sentiment,sentiment,text" in args


def test_a_text_model_reads_text_as_its_input():
    args = args_of("mini/sentiment_text.yaml")
    assert "raw/dev/text,text,text" in args and not any("speech,sound" in a for a in args)
    assert args[-2:] == ["--frontend_conf", "model_name_or_path=t"]
    assert "--pretrained_model" not in args
