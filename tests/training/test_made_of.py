"""A training belongs to its data and to the weights that it starts from."""

import errno
import json
import os
import signal

import pytest
import soundfile
import torch
import yaml
from safetensors.torch import load_file, save_file
from tiny_sources import write_tiny_sources
from tiny_training import train, training_command, write_data
from transformers import BertModel

from espnet_wabert.errors import UserError
from espnet_wabert.formats.states import MISSING
from espnet_wabert.inference.api import WaBERTInference
from espnet_wabert.models.checkpoint import pack, read_args
from espnet_wabert.training import experiment
from espnet_wabert.training.experiment import (
    claim_folder,
    config_is_written,
    training_alone,
    whole_config,
)
from espnet_wabert.training.made_of import made_of
from espnet_wabert.training.task import WaBERTTask


@pytest.fixture
def folder(tmp_path):
    """Data, and an experiment folder with the checkpoint of an epoch."""
    write_data(tmp_path / "data")
    (tmp_path / "aligner.pth").write_bytes(b"weights")
    (tmp_path / "feats").mkdir()
    (tmp_path / "feats/feats.scp").write_text("u1 feats.ark:3\n")
    cache(tmp_path, "1")
    claim(tmp_path)
    (tmp_path / "exp/1epoch.pth").touch()
    return tmp_path


def cache(folder, checksum: str) -> None:
    (folder / "feats/cache.json").write_text(json.dumps({"files": {"feats.ark": checksum}}))


def claim(folder, *more: str):
    """Start a training of the alignment: return its options."""
    sources = (folder / "data2vec", folder / "bert")
    more += ("--pretrained_model", str(folder / "aligner.pth"))
    more += ("--valid_data_path_and_name_and_type", f"{folder}/feats/feats.scp,x,kaldi_ark")
    command = training_command("align", sources, folder / "data", folder / "exp", *more)
    args = WaBERTTask.get_parser().parse_args(command)
    claim_folder(args)
    return args


def test_the_same_data_is_accepted(folder):
    assert claim(folder).provenance == claim(folder, "--max_epoch", "9").provenance
    for path in ("data/text", "data/vocab.txt", "aligner.pth"):  # only copied again
        os.utime(folder / path, (1, 1))
    (folder / "feats/feats.scp").write_text("u1 elsewhere/feats.ark:3\n")  # moved
    claim(folder)


@pytest.mark.parametrize(
    "harm", ["data/text", "data/wav.scp", "data/speech_shape", "data/vocab.txt", "aligner.pth"]
)
def test_other_data_is_refused_by_name(folder, harm):
    path = folder / harm
    if harm == "data/wav.scp":  # other audio under the same id
        samples, rate = soundfile.read(folder / "data/u3.wav")
        soundfile.write(folder / "data/u3.wav", samples / 2, rate)
    else:
        path.write_bytes(path.read_bytes() + b"u9 more\n")
    kept = (folder / "exp/options.yaml").read_bytes()
    with pytest.raises(UserError, match=f"exp: was trained with other data: {path} changed since;"):
        claim(folder)
    assert (folder / "exp/options.yaml").read_bytes() == kept


def test_other_features_are_refused_by_name(folder):
    cache(folder, "2")
    with pytest.raises(UserError, match=r"other data: .*feats/feats.scp changed since"):
        claim(folder)


def test_the_checksum_beside_weights_is_their_state(folder):
    (folder / "aligner.pth.sha256").write_text("0123  aligner.pth\n")
    with pytest.raises(UserError, match=r"aligner.pth changed since"):
        claim(folder)


def test_an_older_experiment_knows_no_data(folder):
    options = yaml.safe_load((folder / "exp/options.yaml").read_text())
    del options["made_of"]
    (folder / "exp/options.yaml").write_text(yaml.safe_dump(options))
    (folder / "data/text").write_text("u1 other\n")
    claim(folder)


def test_the_gpus_are_counted_however_the_processes_are_started(folder, monkeypatch):
    assert claim(folder, "--ngpu", "1").provenance["gpus"] == 1
    assert claim(folder, "--ngpu", "4", "--dist_world_size", "2").provenance["gpus"] == 8
    monkeypatch.setenv("WORLD_SIZE", "2")  # as torch's launcher does
    assert claim(folder, "--ngpu", "1").provenance["gpus"] == 2


def test_a_start_that_is_killed_leaves_the_config_of_the_one_before(folder):
    """ESPnet writes config.yaml in place; without it, the weights beside it cannot be used."""
    config = folder / "exp/config.yaml"
    config.write_text("provenance: {commit: '1', seed: 0}\n")
    before = config.read_bytes()
    child = os.fork()
    if not child:
        with whole_config(folder / "exp"):
            config.write_text("token_list: ['[P")
            os.kill(os.getpid(), signal.SIGKILL)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
    with pytest.raises(OSError, match="No space"), whole_config(folder / "exp"):
        assert config.read_bytes() == before
        assert claim(folder).provenance["commit"] == "1"
        config.write_bytes(b"")
        raise OSError(errno.ENOSPC, "No space left on device")
    assert config.read_bytes() == before
    with whole_config(folder / "exp"):
        config.write_text("seed: 1\n")
        config_is_written(folder / "exp")
    assert config.read_text() == "seed: 1\n"
    assert not (folder / "exp/.config.yaml").exists()


def test_the_fingerprints_are_those_of_any_machine(folder, tmp_path_factory):
    """The corpus: utterances, lengths and transcripts; the configuration without paths."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    write_data(elsewhere / "data")
    (elsewhere / "aligner.pth").touch()
    (elsewhere / "feats").mkdir()
    here, there = (claim(root).provenance for root in (folder, elsewhere))
    assert here == there
    assert str(folder) not in json.dumps(here)
    (elsewhere / "data/text").write_text("u1 other\n")
    found = claim(elsewhere, "--optim_conf", "lr=1", "--seed", "7").provenance
    assert {key for key in here if here[key] != found[key]} == {"corpus", "config", "seed"}


def change_weights(path) -> None:
    state = load_file(path)
    name = next(name for name in sorted(state) if "layers.0" in name)
    save_file({**state, name: state[name] + 0.01}, path, metadata={"format": "pt"})


@pytest.mark.slow
def test_other_pretrained_weights_are_refused(tmp_path):
    """A checkpoint leaves the frozen weights out: with others it would be another model."""
    sources = write_tiny_sources(tmp_path)
    data, exp = write_data(tmp_path / "data"), tmp_path / "exp"
    train("align", sources, data, exp, "--max_epoch", "1")
    model = exp / "valid.loss.ave.pth"
    pack(model, exp / "packed.zip")
    before = {path: path.read_bytes() for path in exp.glob("*.*")}
    change_weights(sources[0] / "model.safetensors")
    message = r"was trained with other weights of the frontend \(.*data2vec\): \w{8} there, \w{8}"
    with pytest.raises(UserError, match=message):
        WaBERTInference.from_pretrained(model)
    with pytest.raises(UserError, match=message):
        train("align", sources, data, exp, "--max_epoch", "2", "--resume", "true")
    assert {path: path.read_bytes() for path in exp.glob("*.*")} == before
    packed = WaBERTInference.from_pretrained(exp / "packed.zip")  # has its weights
    assert packed.args.provenance == read_args(exp / "config.yaml").provenance
    assert packed.args.provenance["seed"] == 0 and packed.args.provenance["threads"] >= 1


@pytest.mark.slow
def test_a_new_subword_head_belongs_to_no_source(tmp_path):
    """A sentence encoder has no masked-LM head: the new one is random, and is learned."""
    sources = write_tiny_sources(tmp_path)
    BertModel.from_pretrained(sources[1], add_pooling_layer=False).save_pretrained(sources[1])
    data, exp = write_data(tmp_path / "data"), tmp_path / "exp"
    train("align", sources, data, exp, "--max_epoch", "1")
    torch.manual_seed(1)  # another process draws other numbers
    model = WaBERTInference.from_pretrained(exp / "valid.loss.ave.pth").model
    saved = torch.load(exp / "valid.loss.ave.pth", weights_only=True)
    own = {key: value for key, value in saved.items() if key.startswith("subword_head.")}
    assert own and all(torch.equal(value, model.state_dict()[key]) for key, value in own.items())


@pytest.mark.slow
def test_an_aligner_on_other_pretrained_weights_is_refused(tmp_path):
    """Fine-tuning would put its own frontend where the aligner's was left out."""
    sources = write_tiny_sources(tmp_path)
    data = write_data(tmp_path / "data")
    train("align", sources, data, tmp_path / "aligner", "--max_epoch", "1")
    start = ("--max_epoch", "1", "--pretrained_model", f"{tmp_path}/aligner/valid.loss.ave.pth")
    train("sentiment", sources, data, tmp_path / "one", *start)
    change_weights(sources[0] / "model.safetensors")
    with pytest.raises(UserError, match=r"valid.loss.ave.pth: was trained with other weights of"):
        train("sentiment", sources, data, tmp_path / "two", *start)


def test_a_second_training_in_a_folder_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(experiment, "PATIENCE", 0.1)
    with (
        training_alone(tmp_path / "exp"),
        pytest.raises(UserError, match="exp: another training writes here"),
        training_alone(tmp_path / "exp"),
    ):
        pass
    with training_alone(tmp_path / "exp"):
        pass


def test_a_folder_or_a_name_has_the_state_of_its_weights(folder, tmp_path):
    """A name, `box` or a tag of the Hub, is no file."""
    (tmp_path / "packed").mkdir()
    for name in ("aligner.pth", "config.yaml"):
        (tmp_path / "packed" / name.replace("aligner", "valid.loss.ave")).write_bytes(b"weights")
    args = claim(folder)
    states = []
    for model in (str(folder / "aligner.pth"), str(tmp_path / "packed"), "box"):
        args.pretrained_model = model
        states.append(made_of(args)[model])
    assert states[0] == states[1] != states[2]
    assert MISSING not in states
