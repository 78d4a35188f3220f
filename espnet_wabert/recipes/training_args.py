"""ESPnet's training arguments of a configuration: which data it reads, and from which models."""

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from espnet_wabert.config import parse_yaml, read_yaml
from espnet_wabert.constants import SAMPLE_RATE
from espnet_wabert.errors import UserError
from espnet_wabert.formats.lines import read_table
from espnet_wabert.recipes.schedule import GPU_SECONDS, Schedule, plan, schedule_args

FRAME_RATE = 50  # frames per second of all supported speech encoders
# Arguments that change the frames: features cached with the yaml's frontend do not fit them.
CHANGES_FRAMES = ("--frontend_conf", "--preprocessor_conf", "--frontend", "--preprocessor")


@dataclass(frozen=True)
class Data:
    """Where the data of a run is.

    Attributes:
        raw: folder with one formatted data folder per set.
        feats: folder with the cached features of each set; None: audio is read.
        stats: folder with the shape files of each set.
        train_set, valid_set: names of the sets.
    """

    raw: Path
    feats: Path | None
    stats: Path
    train_set: str
    valid_set: str


def check_shapes(data: Data) -> None:
    """Check that the shape files are those of the data: ESPnet trains on what they list.

    Raises:
        UserError: stage 10 was run for other utterances or lengths.
    """
    for name in (data.train_set, data.valid_set):
        path, source = data.stats / name / "speech_shape", data.raw / name / "utt2num_samples"
        utterances = lengths = read_table(source)
        if data.feats is not None:
            source = data.feats / name / "utt2num_frames"
            lengths = read_table(source)
        if read_table(path) != {u: lengths.get(u) for u in utterances}:
            raise UserError(f"{path}: not the lengths in {source}: run stage 10 again")


def read_config(config: str, slu_args: str) -> dict:
    """Return a configuration with the options of `slu_args` applied.

    Raises:
        UserError: the file is missing or no yaml.
    """
    conf = read_yaml(config)
    for option, value in _pairs(slu_args):
        name = option.removeprefix("--")
        if name.endswith("_conf") and "=" in value:
            key, text = value.split("=", 1)
            section = conf.get(name) or {}
            if not isinstance(section, dict):
                raise UserError(f"{config}: {name}: must hold fields and values")
            conf[name] = {**section, key: parse_yaml(text, option)}
        elif name == "best_model_criterion":
            conf[name] = [value.split(",")]
        elif value:
            conf[name] = parse_yaml(value, option)
    return conf


def feature_folder(config: str, slu_args: str, dump: str) -> Path | None:
    """Return the folder of the features that a configuration's frontend gives; None: no cache.

    A text model reads no audio. Augmented speech and another frontend than the yaml's are computed
    in training.
    """
    conf = read_config(config, slu_args)
    changed = any(option in CHANGES_FRAMES for option, _ in _pairs(slu_args))
    if conf.get("frontend") == "text" or changed:
        return None
    frontend = conf.get("frontend_conf") or {}
    parts = [name for name in ("all_layers", "convolutions") if frontend.get(name)]
    return Path(dump) / "_".join(["feats", *parts])


def training_args(
    config: str,
    slu_args: str,
    data: Data,
    token_list: str,
    speech_model: str,
    text_model: str,
    pretrained_model: str,
    ngpu: int = 0,
    gpu_seconds: float = GPU_SECONDS,
) -> tuple[list[str], Schedule]:
    """Return ESPnet's arguments for the data and the models of a run, and its schedule.

    Args:
        config: the training yaml.
        slu_args: arguments that override it.
        data: where the data is.
        token_list: vocabulary file of BERT.
        speech_model: name or folder of the speech encoder; "": the yaml's.
        text_model: name or folder of BERT or the text encoder; "": the yaml's.
        pretrained_model: weights that training starts from; "" for none.
        ngpu, gpu_seconds: see `plan`.
    """
    conf = read_config(config, slu_args)
    args = ["--config", config, "--token_list", token_list]
    for part, name in (("train", data.train_set), ("valid", data.valid_set)):
        for source in _sources(conf, data, name):
            args += [f"--{part}_data_path_and_name_and_type", source]
        for shape in shapes_of(conf):
            args += [f"--{part}_shape_file", str(data.stats / name / shape)]
    shapes = [data.stats / data.train_set / shape for shape in shapes_of(conf)]
    rate = SAMPLE_RATE if data.feats is None else FRAME_RATE
    schedule = plan(conf, shapes, rate, ngpu, gpu_seconds)
    args += schedule_args(conf, schedule)
    if conf.get("frontend") == "text":
        return args + _source("--frontend_conf", text_model), schedule
    args += _source("--postencoder_conf", text_model) + _source("--frontend_conf", speech_model)
    args += ["--pretrained_model", pretrained_model] if pretrained_model else []
    return args, schedule


def _sources(conf: dict, data: Data, name: str) -> list[str]:
    """Return a set's `path,name,type` of everything that the model reads."""
    raw = data.raw / name
    text = f"{raw / 'text'},text,text"
    speech = f"{raw / 'wav.scp'},speech,sound"
    if data.feats is not None:
        speech = f"{data.feats / name / 'feats.scp'},speech,kaldi_ark"
    sentiment = f"{raw / 'sentiment'},sentiment,text"
    if conf.get("model") == "wabert":
        sources = [speech, text]
        model_conf = conf.get("model_conf") or {}
        tolerance = model_conf.get("grapheme_tolerance")
        if tolerance is not None or model_conf.get("boundary_weight"):
            sources.append(f"{_word_times(data.stats / name)},word_times,text_float")
        return sources
    if conf.get("frontend") == "text":
        return [text, sentiment]
    model_conf = conf.get("model_conf") or {}
    with_text = model_conf.get("text_weight") or model_conf.get("quantity_weight")
    return [*([text] if with_text else []), speech, sentiment]


def _word_times(stats: Path) -> Path:
    path = stats / "word_times"
    if not path.is_file():
        raise UserError(
            f"{path}: missing; model_conf.grapheme_tolerance and boundary_weight need the word"
            " times of the training data, which stage 1 reads from *.alignment.txt files"
            " (--train_word_times true)"
        )
    return path


def shapes_of(conf: dict) -> list[str]:
    """Return the names of the shape files that the batches are made with."""
    return ["speech_shape", "text_shape"] if conf.get("model") == "wabert" else ["speech_shape"]


def _source(option: str, model: str) -> list[str]:
    return [option, f"model_name_or_path={model}"] if model else []


def _pairs(slu_args: str) -> list[tuple[str, str]]:
    """Return the options of a command line with their values; "" for an option without one."""
    words = [part for word in slu_args.split() for part in _split(word)]
    return [
        (word, "" if after.startswith("--") else after)
        for word, after in pairwise([*words, ""])
        if word.startswith("--")
    ]


def _split(word: str) -> list[str]:
    """Split `--option=value` into its two words."""
    name, equals, value = word.partition("=")
    return [name, value] if word.startswith("--") and equals else [word]
