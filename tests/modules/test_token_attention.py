"""BERT's attention in bfloat16 on a CPU: plain products give what torch's fused kernel gives."""

from contextlib import nullcontext

import pytest
import torch
from transformers import BertConfig

from espnet_wabert.modules import postencoder

CONFIG = BertConfig(
    hidden_size=32, num_hidden_layers=3, num_attention_heads=4, intermediate_size=64,
    vocab_size=40, attention_probs_dropout_prob=0.0, hidden_dropout_prob=0.0,
).to_diff_dict() | {"model_type": "bert"}  # fmt: skip


def run(bert, states, lengths, dtype):
    states = states.clone().requires_grad_(True)
    with torch.autocast("cpu", dtype, enabled=dtype is not torch.float32):
        output = bert(states, lengths)[0].float()
    valid = torch.arange(states.shape[1]) < lengths[:, None]
    (output * torch.linspace(-1, 1, output.numel()).view_as(output))[valid].sum().backward()
    return output[valid].detach(), states.grad


@pytest.mark.parametrize("dtype, tolerance", [(torch.float32, 0.0), (torch.bfloat16, 0.03)])
def test_same_as_the_fused_kernel(monkeypatch, dtype, tolerance):
    torch.manual_seed(0)
    bert = postencoder.TruncatedBert(model_name_or_path=None, config=CONFIG, drop_layers=1).train()
    states, lengths = torch.randn(5, 11, 32), torch.tensor([11, 7, 3, 1, 9])
    found = run(bert, states, lengths, dtype)
    used = []
    monkeypatch.setattr(postencoder, "token_attention", lambda _: used.append(1) or nullcontext())
    for one, other in zip(found, run(bert, states, lengths, dtype), strict=True):
        assert (one - other).abs().max() <= tolerance * other.abs().max()
    assert used
