"""A loss that is not finite stops the training and names the batch."""

import pytest
import torch
from tiny import arguments

from espnet_wabert.errors import UserError
from espnet_wabert.models.builder import build_model


def batch() -> dict:
    torch.manual_seed(0)
    return dict(
        speech=torch.randn(2, 9000) * 0.1, speech_lengths=torch.tensor([9000, 7000]),
        text=torch.tensor([[2, 31, 32, 3], [2, 33, 3, 0]]), text_lengths=torch.tensor([4, 3]),
    )  # fmt: skip


def test_the_batch_of_a_divergence_is_named():
    model = build_model(arguments())
    loss, *_ = model(**batch(), utt_id=["b", "a"])
    assert loss.isfinite()
    with torch.no_grad():
        model.encoder.norm.weight.fill_(float("nan"))
    with pytest.raises(UserError, match=r"not finite \(infonce nan, .*\); in the batch of a, b$"):
        model(**batch(), utt_id=["b", "a"])


def test_the_batch_of_an_error_is_named():
    """Weights of the frames that are not finite are an error of integrate-and-fire."""
    model = build_model(arguments())
    with torch.no_grad():
        model.encoder.weight_predictor.projection.bias.fill_(float("nan"))
    with pytest.raises(UserError, match="^CIF aligner: .*; in the batch of u1, u2$"):
        model(**batch(), utt_id=["u2", "u1"])
    with pytest.raises(UserError) as caught:
        model(**batch())
    assert "batch of" not in str(caught.value)


def test_sentiment_models_name_it_too():
    model = build_model(arguments("wabert_sentiment"))
    with torch.no_grad():
        model.classifier[1].weight.fill_(float("inf"))
    data = {key: value for key, value in batch().items() if key.startswith("speech")}
    with pytest.raises(UserError, match=r"the loss is not finite \(loss nan, .*batch of u1, u2$"):
        model(**data, sentiment=torch.tensor([[0], [1]]), utt_id=["u1", "u2"])
