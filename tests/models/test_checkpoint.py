"""Checkpoints of an aligned model: slim ones, starts of others from them, packed ones."""

import shutil
import zipfile

import pytest
import torch
from tiny import BERT, VOCABULARY, arguments, batch, save, speech_config

from espnet_wabert.box.files import WEIGHTS
from espnet_wabert.errors import UserError
from espnet_wabert.models.builder import build_model
from espnet_wabert.models.checkpoint import (
    check_state,
    find_files,
    init_from,
    load_model,
    pack,
    read_state,
)
from espnet_wabert.models.export import export
from espnet_wabert.modules.frozen import full_state_dict


def test_slim_checkpoints_leave_out_weights_of_the_source(bert_folder, tmp_path):
    """Frozen weights with a source are left out, others are kept; both load the same."""
    args = arguments(postencoder_conf=dict(model_name_or_path=str(bert_folder), config=None))
    model = build_model(args).eval()
    state = model.state_dict()
    assert any(key.startswith("frontend.") for key in state)  # built from a config: no source
    assert not any(key.startswith(("postencoder.", "teacher.")) for key in state)
    assert any("predictions.transform" in key for key in state)
    files = find_files(save(args, tmp_path, model))
    loaded, _ = load_model(files)
    for key, value in full_state_dict(model).items():
        torch.testing.assert_close(full_state_dict(loaded)[key], value, msg=key)


def test_frozen_weights_that_differ_from_their_source_are_kept(bert_folder):
    model = build_model(
        arguments(postencoder_conf=dict(model_name_or_path=str(bert_folder), config=None))
    )
    with torch.no_grad():
        model.postencoder.layers[0].output.dense.bias.add_(1.0)
    kept = [key for key in model.state_dict() if key.startswith("postencoder.")]
    assert kept == ["postencoder.layers.0.output.dense.bias"]


@pytest.mark.parametrize("missing", ["encoder.projection.weight", "frontend.encoder.model"])
def test_a_checkpoint_with_missing_weights_is_refused(tmp_path, missing):
    args = arguments()
    model = build_model(args)
    files = find_files(save(args, tmp_path, model))
    state = {k: v for k, v in torch.load(files.weights).items() if not k.startswith(missing)}
    torch.save(state, files.weights)
    with pytest.raises(UserError, match=rf"model.pth: .*missing \({missing}"):
        load_model(files)
    with pytest.raises(UserError, match="surplus"):
        check_state(model, {**model.state_dict(), "x": torch.zeros(1)}, files.weights, False)


def test_sentiment_starts_from_an_aligned_model(tmp_path):
    args = arguments()
    aligned = build_model(args)
    weights = save(args, tmp_path, aligned)
    own = arguments("wabert_sentiment")
    model = build_model(own)
    init_from(model, weights, own)
    torch.testing.assert_close(model.encoder.projection.weight, aligned.encoder.projection.weight)
    own = arguments("wabert_sentiment", encoder=None, postencoder=None)
    init_from(build_model(own), weights, own)


def test_a_start_from_a_packed_model_takes_its_bert(tmp_path, monkeypatch):
    """It has no other source; without it, the upper layers would be random."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    aligned = build_model(arguments())
    weights = save(arguments(), tmp_path, aligned)
    own = arguments("wabert_sentiment", model_conf=dict(text_weight=1.0))
    for teacher in (True, False):
        packed = pack(weights, tmp_path / f"{teacher}.zip", with_teacher=teacher)
        model = build_model(own)
        if not teacher:
            with pytest.raises(
                UserError, match="lacks .* needs a model packed with --with_teacher"
            ):
                init_from(model, packed, own)
            continue
        init_from(model, packed, own)
        for part in ("postencoder", "teacher"):
            for name, value in model.get_submodule(part).state_dict().items():
                assert torch.equal(value, aligned.get_submodule(part).state_dict()[name]), name


def test_packing_leaves_the_files_beside_the_zip(tmp_path):
    weights = save(arguments(), tmp_path / "exp")
    mine = tmp_path / "packed" / "notes.txt"
    mine.parent.mkdir()
    mine.touch()
    pack(weights, tmp_path / "model.zip")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["exp", "model.zip", "packed"]
    assert mine.is_file()


def test_a_packed_model_has_no_path_of_the_training_machine(tmp_path):
    """Several processes meet in a file of the experiment's folder."""
    paths = dict(
        dist_init_method="file:///home/me/exp/.meeting.1", dist_master_addr="host1.lab",
        rir_scp="/home/me/rirs.scp", noise_scp="/home/me/noises.scp", output_dir="/home/me/exp",
        train_shape_file=["/home/me/speech_shape"], pretrained_model="/home/me/aligner.zip",
    )  # fmt: skip
    with zipfile.ZipFile(pack(save(arguments(**paths), tmp_path), tmp_path / "x.zip")) as archive:
        text = archive.read("packed/config.yaml") + archive.read("meta.yaml")
    assert b"/home/me" not in text and b"host1" not in text and str(tmp_path).encode() not in text


@pytest.mark.parametrize(
    ("changes", "difference"),
    [
        (dict(encoder_conf=dict(hidden_size=8)), "encoder_conf.hidden_size: 16 there, 8 here"),
        (dict(postencoder_conf=dict(drop_layers=2)), "postencoder_conf.drop_layers: 1 there, 2 he"),
        (dict(frontend_conf=dict(normalize=False)), "frontend_conf.normalize: True there, False h"),
        (dict(token_list=[*VOCABULARY, "x"]), r"vocabulary: 66 pieces \(.*\) there, 67 pieces"),
        (
            dict(frontend_conf=dict(config=dict(speech_config(), hidden_dropout=0.3))),
            "fingerprint of frontend_conf.config: .* there, .* here",
        ),
        (
            dict(postencoder_conf=dict(config=dict(BERT, layer_norm_eps=1e-5))),
            "fingerprint of postencoder_conf.config",
        ),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_a_model_with_other_parts_is_no_start(tmp_path, monkeypatch, changes, difference, packed):
    """The shapes alone would fit in most of these cases."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    weights = save(arguments(), tmp_path)
    if packed:
        weights = pack(weights, tmp_path / "model.zip")
    own = arguments("wabert_sentiment", **changes)
    with pytest.raises(UserError, match=f"model.pth: a model with other parts: .*{difference}"):
        init_from(build_model(own), weights, own)


def test_another_source_with_the_same_config_is_no_start(bert_folder, tmp_path):
    """data2vec-audio-base and data2vec-audio-base-960h differ in their weights only."""
    other = tmp_path / "bert-ctc"
    shutil.copytree(bert_folder, other)
    conf = dict(model_name_or_path=str(bert_folder), config=None)
    weights = save(arguments(postencoder_conf=conf), tmp_path / "model")
    own = arguments("wabert_sentiment", postencoder_conf=conf)
    init_from(build_model(own), weights, own)
    own.postencoder_conf = {**own.postencoder_conf, "model_name_or_path": str(other)}
    with pytest.raises(UserError, match="postencoder_conf.model_name_or_path: .*there, .*here"):
        init_from(build_model(own), weights, own)


def test_a_packed_model_needs_no_source(bert_folder, tmp_path, monkeypatch):
    """The zip alone, without the source, gives the same output."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    source = tmp_path / "bert"
    shutil.copytree(bert_folder, source)
    args = arguments(postencoder_conf=dict(model_name_or_path=str(source), config=None))
    model = build_model(args).eval()
    files = find_files(save(args, tmp_path, model))
    archive = pack(files.weights, tmp_path / "packed" / "model.zip")
    data = batch()
    before = model.graft(*model.features(data["speech"], data["speech_lengths"])).hidden
    shutil.rmtree(source)
    files.weights.unlink()
    files.config.unlink()
    from espnet_wabert.inference.api import WaBERTInference

    loaded = WaBERTInference.from_pretrained(archive)
    features = loaded.model.features(data["speech"], data["speech_lengths"])
    after = loaded.model.graft(*features).hidden
    torch.testing.assert_close(after, before)
    assert loaded.model.teacher is None
    results = loaded.align([data["speech"][0].numpy()], ["the good film"])
    assert [w.word for w in results[0].words] == ["the", "good", "film"]
    assert results[0].nearest is None and len(results[0].top[0]) == 5


def test_an_export_halves_the_weights_but_no_running_statistics(tmp_path):
    """In float16 the variance of the prosody branch, a difference of moments, would be wrong."""
    args = arguments("wabert_sentiment", model_conf=dict(prosody_pooling="mean", frozen_steps=1))
    model = build_model(args)
    norm = model.prosody_branch.project[0]
    norm.mean.fill_(5.0003)
    norm.square.fill_(25.013)
    norm.count.fill_(100_000.0)  # infinite in float16
    export(save(args, tmp_path / "trained", model), tmp_path / "out")
    state = read_state(tmp_path / "out" / WEIGHTS)
    for name, value in model.named_buffers():
        if name in model.state_dict():
            assert state[name].dtype == value.dtype and torch.equal(state[name], value), name
    assert state["classifier.1.weight"].dtype == torch.float16
