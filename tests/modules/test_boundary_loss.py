"""The boundary loss against a slow loop over edges, and what it does to CIF's boundaries."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from espnet_wabert.cif import cif
from espnet_wabert.modules.losses import boundary_loss

UNKNOWN = (-math.inf, math.inf)


def slow(weights, edges, lengths):
    """Sum the weights before each known edge, frame by frame."""
    differences = []
    for row, count in enumerate(lengths.tolist()):
        words = [tuple(pair) for pair in edges[row, :count].tolist()]
        for token, (start, end) in enumerate(words):
            first = token == 0 or words[token - 1] != words[token]
            last = token == count - 1 or words[token + 1] != words[token]
            for edge, target, known in ((start, token, first), (end, token + 1, last)):
                if known and math.isfinite(edge):
                    parts = (min(max(edge - t, 0.0), 1.0) for t in range(weights.shape[1]))
                    reached = sum(w * p for w, p in zip(weights[row].tolist(), parts, strict=True))
                    differences.append(abs(reached - target))
    return sum(differences) / max(len(differences), 1)


@given(st.integers(0, 2**31), st.integers(1, 3), st.integers(1, 9), st.integers(3, 8))
def test_it_is_the_mean_over_the_known_edges(seed, utterances, frames, tokens):
    torch.manual_seed(seed)
    weights = torch.rand(utterances, frames)
    lengths = torch.randint(2, tokens + 1, (utterances,))
    edges = torch.rand(utterances, tokens, 2).sort(dim=-1).values * (frames + 2) - 1
    edges[:, 0] = torch.tensor(UNKNOWN)
    edges[torch.rand(utterances, tokens) < 0.2] = torch.tensor(UNKNOWN)
    same = torch.rand(utterances, tokens) < 0.3  # a token of the same word
    for token in range(2, tokens):
        edges[:, token] = torch.where(same[:, token, None], edges[:, token - 1], edges[:, token])
    edges[torch.arange(utterances), lengths - 1] = torch.tensor(UNKNOWN)  # [SEP]
    found = boundary_loss(weights, edges, lengths)
    assert float(found) == pytest.approx(slow(weights, edges, lengths), abs=1e-4)


def test_it_puts_the_boundaries_of_integrate_and_fire_at_the_edges_of_words():
    """[CLS] one, two(2 pieces) [SEP] with a pause between the words, from equal weights."""
    edges = torch.tensor([[UNKNOWN, (3.0, 8.0), (12.0, 18.5), (12.0, 18.5), UNKNOWN]])
    lengths = torch.tensor([5])
    logits = torch.zeros(1, 24, requires_grad=True)
    optimizer = torch.optim.Adam([logits], lr=0.05)
    frames = torch.zeros(1, 24, 1)
    for _ in range(400):
        fired = cif(frames, logits.sigmoid(), torch.tensor([24]), lengths)
        loss = boundary_loss(fired.weights, edges, lengths)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.05
    assert fired.weights[0, 8:12].sum() < 0.1  # the pause
    assert fired.weights[0, 12:18].sum() > 1.8


def test_without_known_edges_it_is_nothing():
    weights = torch.rand(2, 5, requires_grad=True)
    loss = boundary_loss(weights, torch.tensor([[UNKNOWN] * 3] * 2), torch.tensor([3, 2]))
    loss.backward()
    assert loss == 0 and not weights.grad.any()
