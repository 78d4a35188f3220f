"""The frontend: padding, frame lengths, freezing, wrong options."""

import pytest
import torch
from tiny import SPEECH, speech_config
from transformers import Wav2Vec2Config, Wav2Vec2Model

from espnet_wabert.errors import UserError
from espnet_wabert.modules.frontend import HuggingFaceFrontend


def frontend(kind: str, **options) -> HuggingFaceFrontend:
    torch.manual_seed(0)
    return HuggingFaceFrontend(
        model_name_or_path=None, config=speech_config(kind), **options
    ).eval()


def ragged(*sizes: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return noise of these sizes, padded with noise that must have no effect."""
    torch.manual_seed(1)
    batch = torch.randn(len(sizes), max(sizes)) * 0.1
    return batch, torch.tensor(sizes)


@pytest.mark.parametrize("kind", SPEECH)
def test_padding_does_not_change_the_features(kind):
    model = frontend(kind)
    batch, lengths = ragged(16000, 7321, 4000, 11111)
    together, frames = model(batch, lengths)
    for row, size in enumerate(lengths.tolist()):
        alone, alone_frames = model(batch[row : row + 1, :size], lengths[row : row + 1])
        count = int(frames[row])
        assert alone_frames.tolist() == [count] and alone.shape[1] == count
        torch.testing.assert_close(together[row, :count], alone[0], atol=1e-4, rtol=1e-4)
        assert not together[row, count:].any()


@pytest.mark.parametrize("kind", ["data2vec-audio", "whisper"])
def test_lengths_are_frames_of_20_ms(kind):
    features, lengths = frontend(kind)(*ragged(32000, 8000))
    assert features.shape[1] == lengths.max()
    assert abs(int(lengths[0]) - 100) <= 1 and abs(int(lengths[1]) - 25) <= 1


def test_whisper_features_equal_those_of_transformers():
    """Compared at 30 s, the only length that transformers' encoder accepts."""
    model = frontend("whisper")
    samples = torch.randn(1, 480000) * 0.1
    from transformers import WhisperFeatureExtractor

    mel = WhisperFeatureExtractor()(samples[0].numpy(), sampling_rate=16000, return_tensors="pt")
    ours = model.encoder.log_mel(samples, torch.tensor([480000]))
    # We pad the ends with silence, transformers mirrors them: the first and last frames differ.
    torch.testing.assert_close(ours[..., 3:-3], mel.input_features[..., 3:-3], atol=2e-4, rtol=1e-3)
    theirs = model.encoder.model(ours).last_hidden_state
    torch.testing.assert_close(model(samples, torch.tensor([480000]))[0], theirs)


def test_whisper_encodes_more_than_30_seconds_in_windows():
    speech, sizes = ragged(16000 * 31, 16000)
    features, lengths = frontend("whisper")(speech, sizes)
    assert features.shape[1] == int(lengths[0]) == 1550
    assert not features[1, 50:].any()
    second = frontend("whisper")(speech[:1, 16000 * 30 :], torch.tensor([16000]))[0]
    # The second window is encoded alone; only its first frame sees other samples to the left.
    torch.testing.assert_close(features[:1, 1501:], second[:, 1:], atol=0.1, rtol=0.1)


def test_integer_samples_are_scaled():
    model = frontend("data2vec-audio", normalize=False)
    batch, lengths = ragged(4000, 3000)
    whole = (batch * 8000).to(torch.int64)
    torch.testing.assert_close(model(whole, lengths)[0], model(whole / 32768.0, lengths)[0])


@pytest.mark.parametrize(
    ("freeze", "trained"),
    [("all", 0), ("convolutions", 3), (0, 2), (1, 1), (2, 0), ("none", 4)],
)
def test_frozen_parts_take_no_gradient_and_stay_in_eval_mode(freeze, trained):
    model = frontend("data2vec-audio", freeze=freeze).train()
    stages = model.encoder.stages()
    trainable = [any(p.requires_grad for p in stage.parameters()) for stage in stages]
    assert sum(trainable) == trained == sum(trainable[len(stages) - trained :])
    for stage, learns in zip(stages, trainable, strict=True):
        parts = [part for part in stage.modules() if list(part.parameters(recurse=False))]
        assert all(part.training == learns for part in parts)
    features, _ = model(*ragged(4000, 3000))
    assert features.requires_grad == (trained > 0)


@pytest.mark.parametrize("kind", SPEECH)
@pytest.mark.parametrize("freeze", ["all", "convolutions", 1, 2])
def test_frozen_parts_are_deterministic_in_training(kind, freeze):
    """Compare the outputs of two calls in training mode, up to the last frozen part."""
    model = frontend(kind, freeze=freeze, all_layers=True, convolutions=True)
    model.encoder.model.config.hidden_dropout = 0.5
    for part in model.modules():
        if isinstance(part, torch.nn.Dropout):
            part.p = 0.5
        elif isinstance(getattr(part, "dropout", None), float):
            part.dropout = 0.5
    speech = ragged(4000, 3000)
    expected = model(*speech)[0]
    model.train()
    one, other = model(*speech)[0], model(*speech)[0]
    width = {"all": 16 + 64, "convolutions": 16, 1: 16 + 32, 2: 16 + 64}[freeze]
    width += 16 * (kind == "whisper")  # its convolutions have the width of its layers
    torch.testing.assert_close(one[..., :width], expected[..., :width])
    torch.testing.assert_close(other[..., :width], expected[..., :width])
    if width < one.shape[-1]:
        assert not torch.equal(one[..., width:], other[..., width:])


@pytest.mark.parametrize("kind", ["data2vec-audio", "wav2vec2-large", "hubert", "wavlm"])
def test_spec_augment_masks_frames_in_training_only(kind):
    masks = dict(mask_time_prob=0.5, mask_time_length=4, mask_feature_prob=0.0)
    plain = frontend(kind, freeze="convolutions")
    model = frontend(kind, freeze="convolutions", spec_augment=masks)
    speech = ragged(16000, 9000)
    torch.testing.assert_close(model(*speech)[0], plain(*speech)[0])
    seen = []
    model.encoder.model.encoder.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    features, _ = model.train()(*speech)
    embedding = model.encoder.model.masked_spec_embed
    masked = (seen[0] == embedding).all(dim=-1).float().mean(dim=1)
    assert ((masked > 0.1) & (masked < 0.7)).all()
    features.sum().backward()
    assert embedding.grad.abs().sum() > 0
    short, lengths = ragged(1300, 700)  # three frames: less than one span
    assert model(short, lengths)[0].isfinite().all()


def test_layerdrop_leaves_layers_out_in_training():
    model = frontend("data2vec-audio", freeze="convolutions", layerdrop=1.0)
    speech = ragged(4000, 3000)
    layers = model.encoder.model.encoder.layers
    calls = []
    for layer in layers:
        layer.register_forward_hook(lambda *_: calls.append(1))
    model.train()(*speech)
    assert not calls
    model.eval()(*speech)
    assert len(calls) == len(layers)


@pytest.mark.parametrize("kind", ["wav2vec2", "wav2vec2-large", "whisper"])
def test_the_final_layer_norm_is_trained_with_the_last_layer(kind):
    """Only base models of the wav2vec 2.0 family normalize below the first layer."""
    norm = "encoder.model.layer_norm." if kind == "whisper" else "encoder.model.encoder.layer_norm."
    for freeze, trained in ((1, kind != "wav2vec2"), (2, False)):
        model = frontend(kind, freeze=freeze)
        found = {n: p.requires_grad for n, p in model.named_parameters() if n.startswith(norm)}
        assert found and set(found.values()) == {trained}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(freeze=3), "freeze: 3: all, convolutions, none or a number of layers from 0 to 2"),
        (dict(freeze="some"), "freeze: 'some'"),
        (dict(spec_augment=dict(mask_prob=0.5)), "spec_augment.mask_prob: one of mask_time_prob,"),
        (dict(config=speech_config("whisper"), freeze=1, layerdrop=0.1), "Whisper takes neither"),
        (dict(spec_augment=dict(mask_time_prob=0.5)), "spec_augment and layerdrop need trained"),
        (dict(fs=8000), "frontend_conf.fs: 8000"),
        (dict(config=None), "give model_name_or_path"),
        (dict(config=dict(model_type="bert")), "'bert' model; supported speech encoders"),
        (dict(config={}), "give model_name_or_path"),
        (dict(config=dict(hidden_size=8)), "frontend_conf.config: model_type None is unknown"),
        (dict(model_name_or_path="./nowhere", config=None), "./nowhere: no such folder"),
    ],
)
def test_wrong_options_are_refused(options, message):
    with pytest.raises(UserError, match=message.replace("(", "\\(")):
        HuggingFaceFrontend(**{"model_name_or_path": None, "config": speech_config(), **options})


def test_an_utterance_below_one_frame_is_refused():
    with pytest.raises(UserError, match="utterance 1 of the batch has 399 samples"):
        frontend("data2vec-audio")(*ragged(4000, 399))


def test_weights_that_cannot_be_read_are_named(tmp_path):
    values = {k: v for k, v in speech_config("wav2vec2").items() if k != "model_type"}
    Wav2Vec2Model(Wav2Vec2Config(**values)).save_pretrained(tmp_path)
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    where = f"frontend_conf.model_name_or_path: {tmp_path} cannot be loaded: "
    with pytest.raises(UserError, match=where):
        HuggingFaceFrontend(str(tmp_path))
    weights.unlink()
    with pytest.raises(UserError, match=f"{where}.*no file named model.safetensors"):
        HuggingFaceFrontend(str(tmp_path))
