"""The functions that replace those of a model in a graph, without a graph."""

import torch
from tiny import arguments, speech_config

from espnet_wabert.graphs import mel
from espnet_wabert.graphs.comparison import compare
from espnet_wabert.graphs.parts import fire, traceable
from espnet_wabert.models.builder import build_model


def test_whisper_with_its_windows_as_one_batch():
    torch.manual_seed(0)
    model = build_model(arguments(frontend_conf=dict(config=speech_config("whisper")))).eval()
    encoder = model.frontend.encoder
    waveforms, lengths = torch.randn(2, 500_123) / 10, torch.tensor([500_123, 30_000])
    with torch.no_grad():
        wanted = encoder(waveforms, lengths)
        power = encoder.power(waveforms)
        torch.testing.assert_close(mel.power(encoder, waveforms), power, atol=1e-3, rtol=1e-3)
        with traceable(model):
            found = encoder(waveforms, lengths)
    assert "forward" not in vars(encoder) and "power" not in vars(encoder)
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)


def test_tokens_by_tensor_operations():
    torch.manual_seed(0)
    encoder = build_model(arguments()).eval().encoder
    frames, lengths = torch.randn(2, 90, encoder.frame_size), torch.tensor([90, 40])
    for counts in (None, torch.tensor([7, 3])):
        for one, other in zip(
            fire(encoder, frames, lengths, counts), encoder.fire(frames, lengths, counts),
            strict=True,
        ):  # fmt: skip
            torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5, check_dtype=False)


def test_bert_of_no_token():
    """Silence fires no token; a graph and PyTorch both return no state."""
    bert = build_model(arguments()).eval().postencoder
    hidden, lengths = bert(torch.zeros(2, 0, bert.width), torch.tensor([0, 0]))
    assert hidden.shape == (2, 0, bert.width) and lengths.tolist() == [0, 0]


def test_a_model_that_finds_no_token_is_compared():
    model = build_model(arguments(encoder_conf=dict(initial_rate=1e-6))).eval()
    model.encoder.weight_predictor.projection.weight.data.zero_()
    assert compare(model, model) == 0.0
