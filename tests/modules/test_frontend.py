"""The frontend: padding, frame lengths, freezing, wrong options."""

import pytest
import torch
from tiny import SPEECH, speech_config

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


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(freeze=3), "freeze: 3: all, convolutions, none or a number of layers from 0 to 2"),
        (dict(freeze="some"), "freeze: 'some'"),
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
