"""Tables of systems, and ESPnet's training arguments of a configuration."""

import math
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from click.testing import CliRunner
from recipe_runner import ROOT

from espnet_wabert.bin.dry_run import main
from espnet_wabert.errors import UserError
from espnet_wabert.recipes.schedule import Schedule
from espnet_wabert.recipes.settings import checkpoint_name, default_aligner
from espnet_wabert.recipes.systems import read_systems
from espnet_wabert.recipes.training_args import (
    Data,
    check_shapes,
    feature_folder,
    training_args,
)

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
        (
            "  w: {slu_config: a.yaml, aligner: a.yaml, pretrained_model: box}",
            "system w: aligner and pretrained_model: a row starts from one of them",
        ),
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


@pytest.fixture
def in_folder(tmp_path, monkeypatch):
    """Work in a folder with shape files of 1000 utterances of 10 s, and word times."""
    monkeypatch.chdir(tmp_path)
    for name in ("train", "dev"):
        Path("stats", name).mkdir(parents=True)
        Path("stats", name, "word_times").write_text("u0 0.1 0.2\n")
    for name, size in (("speech_shape", 160000), ("text_shape", 12)):
        lines = [f"u{index} {size}\n" for index in range(1000)]
        Path("stats/train", name).write_text("".join(lines))


def args_of(
    config: str, slu_args: str = "", feats: str | None = None, **resources
) -> tuple[list[str], Schedule]:
    data = Data(Path("raw"), Path(feats) if feats else None, Path("stats"), "train", "dev")
    path = str(ROOT / "conf" / config)
    return training_args(path, slu_args, data, "v.txt", "s", "t", "p.pth", **resources)


def test_an_aligner_reads_speech_and_text(in_folder):
    args, _ = args_of("mini/align.yaml", feats="feats")
    sources = [v for o, v in pairwise(args) if o.startswith("--train_data_path")]
    assert sources == [
        "feats/train/feats.scp,speech,kaldi_ark", "raw/train/text,text,text",
        "stats/train/word_times,word_times,text_float",
    ]  # fmt: skip
    shapes = [v for o, v in pairwise(args) if o == "--valid_shape_file"]
    assert shapes == ["stats/dev/speech_shape", "stats/dev/text_shape"]
    assert args[-6:-1:2] == ["--postencoder_conf", "--frontend_conf", "--pretrained_model"]


def test_graphemes_that_learn_from_word_times_need_them(in_folder):
    Path("stats/dev/word_times").unlink()
    with pytest.raises(UserError, match=r"stats/dev/word_times: missing; .*grapheme_tolerance"):
        args_of("mini/align.yaml", feats="feats")
    args, _ = args_of("align_bert_i3.yaml", "--scheduler_conf warmup_steps=4")
    assert not any("word_times" in value for value in args)


@pytest.mark.parametrize(
    ("slu_args", "reads_text"),
    [
        ("", True),
        ("--model_conf text_weight=0", False),
        ("--model_conf text_weight=0 --model_conf quantity_weight=1", True),
        ("--model_conf text_weight=0.5", True),
    ],
)
def test_sentiment_reads_transcripts_only_to_train_on_them(in_folder, slu_args, reads_text):
    args, _ = args_of("mini/sentiment_prosody.yaml", slu_args)
    assert ("raw/train/text,text,text" in args) == reads_text
    assert "raw/train/wav.scp,speech,sound" in args
    assert "raw/train/sentiment,sentiment,text" in args


def test_a_text_model_reads_text_as_its_input(in_folder):
    args, _ = args_of("mini/sentiment_text.yaml")
    assert "raw/dev/text,text,text" in args and not any("speech,sound" in a for a in args)
    assert args[-2:] == ["--frontend_conf", "model_name_or_path=t"]
    assert "--pretrained_model" not in args


@pytest.mark.parametrize(
    ("ngpu", "accum", "bins"), [(0, 7, 2845715), (1, 7, 2845715), (8, 1, 20400000)]
)
def test_a_step_has_the_papers_128_utterances_on_any_number_of_gpus(in_folder, ngpu, accum, bins):
    """128 utterances of 10 s; a GPU takes 200 s at a time."""
    args, schedule = args_of("align_bert_i3.yaml", "--scheduler_conf warmup_steps=10", ngpu=ngpu)
    assert (schedule.accum_grad, schedule.batch_bins) == (accum, bins)
    assert schedule.utterances == 1000 and schedule.hours == pytest.approx(1000 / 360)
    updates = schedule.batches // accum
    assert abs(updates - 1000 / 128) < 1
    assert schedule.total_steps == 26 * updates
    pairs = list(pairwise(args))
    assert ("--batch_bins", str(bins)) in pairs and ("--accum_grad", str(accum)) in pairs
    assert ("--scheduler_conf", f"total_steps={26 * updates}") in pairs


def test_the_number_of_steps_follows_from_the_data(in_folder):
    """The SLUE rows: 1.4 M samples a batch, 9 utterances of 10 s."""
    args, schedule = args_of("sentiment_e2e.yaml", ngpu=1)
    assert schedule.batches == 112 and schedule.total_steps == 11200
    assert "max_steps=11200" in args and "--batch_bins" not in args
    args, schedule = args_of("sentiment_e2e.yaml", "--max_epoch 2 --batch_bins 2800000", ngpu=1)
    assert schedule.total_steps == 2 * 56 and "max_steps=112" in args


def test_shape_files_of_other_data_are_refused(in_folder):
    """Data that was prepared again with other speeds; samples where features are read."""
    audio = Data(Path("raw"), None, Path("stats"), "train", "dev")
    lengths = Path("stats/train/speech_shape").read_text()
    Path("stats/dev/speech_shape").write_text("u0 160000\n")
    for folder, name, count in (
        ("raw", "utt2num_samples", 160000),
        ("feats", "utt2num_frames", 499),
    ):
        for part in ("train", "dev"):
            Path(folder, part).mkdir(parents=True)
            Path(folder, part, name).write_text(f"u0 {count}\n")
    Path("raw/train/utt2num_samples").write_text(lengths)
    check_shapes(audio)
    with pytest.raises(UserError, match="not the lengths in feats/train/utt2num_frames"):
        check_shapes(replace(audio, feats=Path("feats")))
    Path("raw/train/utt2num_samples").write_text(f"{lengths}sp0.9-u0 177778\n")
    with pytest.raises(UserError, match=r"train/speech_shape: .* raw/train/.*: run stage 10 again"):
        check_shapes(audio)


def dry_run_of(folder: Path, config: str, *options: str) -> list[str]:
    """Return the lines of a dry run of LibriSpeech, none of which is there."""
    command = ["--recipe", "librispeech_wabert", "--corpus", str(folder / "none"), "--source"]
    command += ["download", "--config", str(ROOT / "conf" / config), "--stats", str(folder)]
    result = CliRunner().invoke(main, [*command, *options])
    assert result.exit_code == 0, result.output
    return result.output.splitlines()


def test_a_dry_run_counts_cached_features_in_frames(tmp_path):
    """batch_bins: 5500 frames, 9 utterances of LibriSpeech's 12 s."""
    lines = dry_run_of(tmp_path, "mini/align.yaml", "--cached", "true", "--ngpu", "1")
    utterances, frames = 281241, 960.9 * 3600 * 50
    steps = math.ceil(utterances / (5500 / (frames / utterances)))
    assert f"5 epochs of {steps} steps" in lines[10] and "about 11 GB" in lines[10]


def test_a_dry_run_takes_speed_factors_as_stage_2_does(tmp_path):
    lines = dry_run_of(tmp_path, "align_bert_i3.yaml", "--speeds", "0.9,1.0")
    assert lines[1] == "stage 2: 0.9 1: 562482 utterances, 2028.6 h"


def test_what_a_configuration_states_is_kept(in_folder):
    args, _ = args_of("mini/align.yaml", "--scheduler_conf total_steps=360", feats="feats")
    assert not {"--batch_bins", "--accum_grad", "--scheduler_conf"} & set(args)
    args, _ = args_of("mini/align.yaml", feats="feats")
    assert not {"--batch_bins", "--accum_grad"} & set(args) and "--scheduler_conf" in args


def test_a_warm_up_longer_than_the_training_is_refused(in_folder):
    with pytest.raises(UserError, match=r"warmup_steps: 4000, but the training has only 8 steps"):
        args_of("align_bert_i3.yaml", "--max_epoch 1")


@pytest.mark.parametrize(
    ("config", "slu_args", "name"),
    [
        ("sentiment_bert_i6.yaml", "", "align_bert_i6"),
        ("sentiment_prosody.yaml", "", "align_bert_i3"),
        ("sentiment_bert_i3.yaml", "--postencoder_conf drop_layers=9", "align_bert_i9"),
        ("sentiment_e2e.yaml", "", ""),
        ("sentiment_text.yaml", "", ""),
        ("mini/sentiment_prosody.yaml", "", "align"),
    ],
)
def test_a_configuration_finds_the_aligner_of_its_own_depth(config, slu_args, name):
    assert default_aligner(str(ROOT / "conf" / config), slu_args) == name


def test_a_depth_without_aligner_is_refused():
    config = str(ROOT / "conf/sentiment_bert_i3.yaml")
    with pytest.raises(UserError, match=r"drop_layers: 4, and no .*align\*.yaml has the same"):
        default_aligner(config, "--postencoder_conf drop_layers=4")


def test_the_checkpoint_is_named_after_its_criterion():
    config = str(ROOT / "conf/sentiment_bert_i3.yaml")
    assert checkpoint_name(config, "") == "valid.macro_f1.ave.pth"
    accuracy = "--best_model_criterion valid,acc,max"
    assert checkpoint_name(config, accuracy) == "valid.acc.ave.pth"
