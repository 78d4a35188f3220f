"""Training with ESPnet's Trainer: the task, the schedule, resuming from slim checkpoints."""

import re
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
import yaml
from tiny import VOCABULARY, arguments, text_conf
from tiny_sources import write_tiny_sources
from tiny_training import train, write_data

from espnet_wabert.errors import UserError
from espnet_wabert.inference.api import WaBERTInference
from espnet_wabert.models.builder import build_model
from espnet_wabert.modules import precision
from espnet_wabert.scoring.sentiment import score_sentiment
from espnet_wabert.training.preprocessor import WaBERTPreprocessor
from espnet_wabert.training.task import WaBERTTask

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
CONFIGS = sorted((ROOT / "conf").rglob("*.yaml"))


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    return write_tiny_sources(tmp_path_factory.mktemp("sources"))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_data(tmp_path_factory.mktemp("data"))


@pytest.mark.parametrize("config", ["align", "sentiment", "sentiment_prosody", "sentiment_text"])
def test_resumed_training_equals_training_without_a_stop(config, sources, data, tmp_path):
    """Two epochs at once, or one and then one more, give the same weights."""
    whole = train(config, sources, data, tmp_path / "whole", "--max_epoch", "2")
    train(config, sources, data, tmp_path / "parts", "--max_epoch", "1")
    parts = train(config, sources, data, tmp_path / "parts", "--max_epoch", "2", "--resume", "true")
    assert whole["model"].keys() == parts["model"].keys()
    for key, value in whole["model"].items():
        torch.testing.assert_close(parts["model"][key], value, msg=key)
    saved = yaml.safe_load((tmp_path / "whole" / "config.yaml").read_text())
    resumed = yaml.safe_load((tmp_path / "parts" / "config.yaml").read_text())
    assert saved["max_epoch"] == resumed["max_epoch"] == 2  # not the copy of the one before
    if config == "sentiment_text":
        assert saved["frontend_conf"]["tokenizer"] and not saved["token_list"]
        return
    if config == "sentiment_prosody":  # lr_scales
        (groups,) = (state["param_groups"] for state in parts["optimizers"])
        assert [group["initial_lr"] for group in groups] == [0.001, 0.0005]
        assert 0 < groups[1]["lr"] == pytest.approx(groups[0]["lr"] / 2)
    lowest = "postencoder.layers.0." if config == "sentiment_prosody" else "postencoder."
    assert not any(key.startswith((lowest, "teacher.")) for key in whole["model"])
    lower = "frontend.encoder.model.feature_extractor"  # frozen, and restored from its source
    assert not any(key.startswith(lower) for key in whole["model"])
    assert saved["token_list"] == VOCABULARY and saved["postencoder_conf"]["config"]


def test_accumulated_gradients_make_fewer_updates(sources, data, tmp_path):
    """With accum_grad 2, two batches make one update, which differs from two updates."""
    every = train("align", sources, data, tmp_path / "every", "--max_epoch", "1")
    pairs = train(
        "align", sources, data, tmp_path / "pairs", "--max_epoch", "1", "--accum_grad", "2"
    )
    steps = [state["schedulers"][0]["last_epoch"] for state in (every, pairs)]
    assert steps[0] == 2 * steps[1] > 0
    name = "encoder.projection.weight"
    assert not torch.equal(every["model"][name], pairs["model"][name])


def test_the_grapheme_head_changes_no_other_weight(sources, data, tmp_path):
    """With every step clipped, and with the same epochs chosen."""
    models = []
    for weight in ("0.0", "1.0"):
        more = ("--model_conf", f"grapheme_weight={weight}", "--grad_clip", "0.1")
        train("align", sources, data, tmp_path / weight, *more)
        models.append(torch.load(tmp_path / weight / "valid.loss.ave.pth", weights_only=True))
    head = {key for key in models[1] if key.startswith("grapheme_head.")}
    assert head and models[0].keys() == models[1].keys() - head
    for key, value in models[0].items():
        assert torch.equal(value, models[1][key]), key


def test_bfloat16_on_a_cpu_learns_as_float32_does(sources, data, tmp_path, monkeypatch):
    """Within an epoch too: autocast must not keep the weights of the first step."""
    monkeypatch.setattr(precision, "has_bfloat16", lambda: True)
    more = ("--max_epoch", "1", "--num_iters_per_epoch", "40", "--scheduler", "none")
    more += ("--optim_conf", "lr=0.005")
    losses = {}
    for amp in ("true", "false"):
        state = train("align", sources, data, tmp_path / amp, *more, "--use_amp", amp)
        losses[amp] = [state["reporter"]["stats"][1][part]["loss"] for part in ("train", "valid")]
    assert losses["false"][1] < 0.8 * losses["false"][0]  # the mean over the epoch, its end
    assert losses["true"] == pytest.approx(losses["false"], rel=0.1)


def test_macro_f1_chooses_checkpoints(sources, data, tmp_path):
    """It is that of the whole validation set, not a mean over batches."""
    more = ("--best_model_criterion", "valid,macro_f1,max", "--batch_type", "sorted")
    more += ("--batch_size", "2", "--max_epoch", "1")
    state = train("sentiment", sources, data, tmp_path, *more)
    reported = state["reporter"]["stats"][1]["valid"]
    assert not any(key.startswith("confusion") for key in reported)
    found = WaBERTInference.from_pretrained(tmp_path / "valid.macro_f1.ave.pth").classify(
        [soundfile.read(path)[0] for path in sorted(data.glob("*.wav"))]
    )
    labels = dict(line.split() for line in (data / "sentiment").read_text().splitlines())
    hypotheses = {name: result.label for name, result in zip(sorted(labels), found, strict=True)}
    expected = score_sentiment(labels, hypotheses).macro_f1
    assert reported["macro_f1"] == pytest.approx(expected)


def test_the_schedule_rises_falls_and_stays_at_its_last_rate():
    from espnet2.tasks.abs_task import scheduler_classes

    optimizer = torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))], lr=5e-4)
    scheduler = scheduler_classes["linearwarmupdecaylr"](optimizer, warmup_steps=4, total_steps=10)
    rates = []
    for _ in range(14):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    assert rates[4] == max(rates) == pytest.approx(5e-4)
    assert rates[:5] == sorted(rates[:5]) and rates[4:] == sorted(rates[4:], reverse=True)
    assert rates[-1] == pytest.approx(rates[10], abs=1e-10)
    assert rates[-1] < 1e-10
    state = scheduler.state_dict()
    assert all(isinstance(v, int | float | str | list | bool | type(None)) for v in state.values())


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: str(p.relative_to(ROOT / "conf")))
def test_every_configuration_of_conf_builds_with_tiny_models(path):
    """ESPnet and the parts know all fields; BERT has the layers that drop_layers counts."""
    parser = WaBERTTask.get_parser()
    args = parser.parse_args(["--config", str(path), "--output_dir", "x"])
    drop = (args.postencoder_conf or {}).get("drop_layers", 0)
    trained = (args.postencoder_conf or {}).get("train_layers", 0)
    layers = {"bert-base-uncased": 12}.get(
        (args.postencoder_conf or {}).get("model_name_or_path"), 6
    )
    assert 0 <= drop <= layers and 0 <= trained <= layers - drop
    tiny = arguments()
    args.token_list = tiny.token_list
    small = text_conf() if args.frontend == "text" else tiny.frontend_conf
    args.frontend_conf = {**args.frontend_conf, **small}
    if "spec_augment" in args.frontend_conf:  # a tiny model has 32 channels, not 768
        args.frontend_conf["spec_augment"] |= {"mask_feature_length": 3}
    if str(args.frontend_conf.get("freeze")).isdigit():
        args.frontend_conf["freeze"] = min(2, args.frontend_conf["freeze"])
    if args.postencoder is not None:
        args.postencoder_conf = {
            **args.postencoder_conf, **tiny.postencoder_conf, "drop_layers": min(3, drop),
            "train_layers": min(3 - min(3, drop), trained),
        }  # fmt: skip
    if args.model_conf.get("class_weights") == "balanced":  # training counts them in the data
        args.model_conf["class_weights"] = [1.0, 1.0, 1.0]
    model = build_model(args)
    assert any(parameter.requires_grad for parameter in model.parameters())


def test_the_default_configuration_is_that_of_the_paper(monkeypatch):
    monkeypatch.setattr("sys.argv", ["train"])  # ESPnet's get_default_config reads the command line
    defaults = WaBERTTask.get_default_config()
    assert defaults["encoder"] == "cif" and defaults["model_conf"]["align_loss"] == "infonce"
    assert defaults["postencoder_conf"]["drop_layers"] == 3
    assert defaults["frontend_conf"]["model_name_or_path"] == "facebook/data2vec-audio-base"


def test_espnet3_builds_the_task(sources):
    from espnet3.utils.task_utils import get_espnet_model

    tiny = arguments()
    model = get_espnet_model("espnet_wabert.training.task.WaBERTTask", {
        name: getattr(tiny, name)
        for name in ("frontend_conf", "encoder_conf", "postencoder_conf", "token_list")
    })  # fmt: skip
    assert type(model).__name__ == "WaBERT"


def test_a_missing_source_is_a_one_line_error(data, tmp_path):
    with pytest.raises(
        UserError, match="frontend_conf.model_name_or_path: ./nowhere: no such folder"
    ):
        train("align", ("./nowhere", "./nowhere"), data, tmp_path)


@pytest.mark.parametrize("workers", ["0", "1"])
def test_an_unknown_label_ends_training_with_one_line(sources, data, tmp_path, capfd, workers):
    """Also in a worker process, where torch adds a traceback to the message."""
    from espnet_wabert.errors import one_line_errors

    broken = tmp_path / "data"
    broken.mkdir()
    for path in data.iterdir():
        (broken / path.name).write_bytes(path.read_bytes())
    labels = (data / "sentiment").read_text().replace("u2 Positive", "u2 Angry")
    (broken / "sentiment").write_text(labels)
    with pytest.raises(SystemExit):
        one_line_errors(train)(
            "sentiment", sources, broken, tmp_path / "out", "--num_workers", workers
        )
    last = capfd.readouterr().err.strip().splitlines()[-1]
    assert last.startswith("error: utterance u2: sentiment 'Angry' is not one of Negative")


def test_training_without_the_data_of_the_frontend_is_refused(sources, data, tmp_path):
    """A text model with speech only: the error names the missing data."""
    config = ROOT / "conf/tiny/sentiment_text.yaml"
    command = ["--config", str(config), "--output_dir", str(tmp_path), "--token_list", "-"]
    command += ["--frontend_conf", f"model_name_or_path={sources[1]}", "--ngpu", "0"]
    for part in ("train", "valid"):
        for scp in ("wav.scp,speech,sound", "sentiment,sentiment,text"):
            command += [f"--{part}_data_path_and_name_and_type", f"{data}/{scp}"]
        command += [f"--{part}_shape_file", str(data / "speech_shape")]
    with pytest.raises(UserError, match="no text, which the frontend text reads; given: speech"):
        WaBERTTask.main(cmd=command)


def test_freezing_an_unknown_part_is_refused(sources, data, tmp_path):
    wrong = ("--freeze_param", "encoder.weight_predictor", "encoder.predictor")
    with pytest.raises(
        UserError, match="freeze_param: encoder.predictor: no such .* has frontend, "
    ):
        train("sentiment", sources, data, tmp_path, *wrong)


AUGMENT = ("--preprocessor_conf", "data_aug_effects=[[1.0, pitch_shift, {n_steps: 1.6502}]]")


def test_a_folder_of_other_options_is_refused(sources, data, tmp_path):
    """Before anything is written: its config.yaml stays that of its model."""
    train("sentiment", sources, data, tmp_path, "--max_epoch", "1")
    before = {path: path.read_bytes() for path in tmp_path.glob("*.*")}
    other = ("--optim_conf", "lr=0.1", "--model_conf", "dropout=0.5", "--max_epoch", "2")
    message = (
        f"{tmp_path}: was trained with other options: model_conf.dropout: not given there, 0.5"
        " here; optim_conf.lr: 0.001 there, 0.1 here; name the new experiment with --slu_tag,"
        " or replace this one with --overwrite true"
    )
    with pytest.raises(UserError, match=re.escape(message)):
        train("sentiment", sources, data, tmp_path, *other)
    assert {path: path.read_bytes() for path in tmp_path.glob("*.*")} == before
    harmless = ("--max_epoch", "2", "--log_interval", "1", "--resume", "true")
    assert train("sentiment", sources, data, tmp_path, *harmless)["reporter"]["epoch"] == 2
    (tmp_path / "options.yaml").unlink()
    with pytest.raises(UserError, match="has a trained model, but no options.yaml"):
        train("sentiment", sources, data, tmp_path, *harmless)


def test_computed_options_may_change_with_the_gpus(sources, data, tmp_path):
    """A training that was started on more GPUs resumes with more batches per step."""
    steps = ("--scheduler", "linearwarmupdecaylr", "--scheduler_conf", "warmup_steps=1")
    computed = ("--computed", "accum_grad", "scheduler_conf.total_steps", *steps)
    one = (*computed, "--scheduler_conf", "total_steps=90", "--accum_grad", "1")
    train("align", sources, data, tmp_path, "--max_epoch", "1", *one)
    two = (*computed, "--scheduler_conf", "total_steps=80", "--accum_grad", "2")
    state = train("align", sources, data, tmp_path, "--max_epoch", "2", "--resume", "true", *two)
    assert state["reporter"]["epoch"] == 2 and state["schedulers"][0]["total_steps"] == 90
    with pytest.raises(UserError, match="accum_grad: 1 there, 2 here; .*total_steps: 90 there, 80"):
        train("align", sources, data, tmp_path, *two[len(computed) :], *steps)


def test_a_folder_without_a_model_takes_new_options(sources, data, tmp_path):
    """A training that failed before its first epoch leaves nothing that could be mixed."""
    with pytest.raises(UserError):
        train("sentiment", sources, data, tmp_path, "--frontend_conf", "fs=8000")
    train("sentiment", sources, data, tmp_path, "--max_epoch", "1")


def test_audio_is_augmented_in_training(sources, data, tmp_path):
    """With ESPnet's effects, such as pitch shifts."""
    always = ("--preprocessor_conf", "data_aug_prob=1.0", "--max_epoch", "1")
    baseline = train("sentiment", sources, data, tmp_path / "baseline", "--max_epoch", "1")
    shifted = train("sentiment", sources, data, tmp_path / "shifted", *AUGMENT, *always)
    name = "classifier.1.weight"
    assert not torch.equal(baseline["model"][name], shifted["model"][name])
    conf = yaml.safe_load((tmp_path / "shifted/config.yaml").read_text())["preprocessor_conf"]
    assert conf["data_aug_effects"] == [[1.0, "pitch_shift", {"n_steps": 1.6502}]]


def test_audio_is_augmented_in_float32_within_the_trainers_autocast():
    effects = dict(data_aug_effects=[[1.0, "pitch_shift", {"n_steps": 1.6502}]], data_aug_prob=1.0)
    speech = np.random.default_rng(0).normal(size=8000).astype(np.float32)
    preprocessor = WaBERTPreprocessor(True, [], **effects)
    alone = preprocessor("u1", dict(speech=speech))["speech"]
    with torch.autocast("cpu", torch.bfloat16):
        within = preprocessor("u1", dict(speech=speech))["speech"]
    assert within.dtype == np.float32 and not np.array_equal(alone, speech)
    np.testing.assert_array_equal(within, alone)


def test_wrong_augmentation_is_refused(sources, data, tmp_path):
    with pytest.raises(UserError, match="preprocessor_conf.data_aug: one of data_aug_effects, dat"):
        train("sentiment", sources, data, tmp_path, "--preprocessor_conf", "data_aug=1")
    semitone = "data_aug_effects=[[1.0, pitch_shift, {n_steps: 1}]]"
    with pytest.raises(UserError, match="pitch_shift by 1 steps resamples 16951 to 16000 Hz, whic"):
        train("sentiment", sources, data, tmp_path, "--preprocessor_conf", semitone)
    effects = dict(data_aug_effects=[[1.0, "pitch_shift", {"n_steps": 1.6502}]], data_aug_prob=1.0)
    cached = dict(speech=np.zeros((9, 4), np.float32), sentiment="Neutral")
    labels = ("Neutral",)
    with pytest.raises(UserError, match="u1: noise and augmentation need audio"):
        WaBERTPreprocessor(True, [], labels, **effects)("u1", dict(cached))
    decoded = WaBERTPreprocessor(False, [], labels, **effects)("u1", dict(cached))
    assert decoded["speech"].shape == (9, 4)
