"""The forward sum against all paths listed one by one, and the reading of letters."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from espnet_wabert.alignment.grapheme_method import (
    EARLIER,
    SHORTEST_PAUSE,
    align_graphemes,
    settle,
)
from espnet_wabert.alignment.spans import TokenSpans
from espnet_wabert.modules import forward_sum as module
from espnet_wabert.modules.forward_sum import (
    ForwardSum,
    HMMTopology,
    expected_durations,
    forward_sum,
)
from espnet_wabert.modules.grapheme_head import (
    GRAPHEMES,
    SILENCE,
    WILDCARD,
    GraphemeHead,
    GraphemeLexicon,
    graphemes_of,
    keep_times,
)

VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "ab", "##c", "d", "'", "7", "é"]


def all_paths(scores, topology):
    """Log of the sum and the posteriors, by enumeration."""
    frames, states = len(scores), len(topology.symbols)
    total, posteriors = 0.0, np.zeros((frames, states))
    for path in itertools.product(range(states), repeat=frames):
        steps = [
            b == a or b == a + 1 or (b == a + 2 and topology.optional[a + 1])
            for a, b in itertools.pairwise(path)
        ]
        if path[0] > 1 or path[-1] < states - 2 or not all(steps):
            continue
        if topology.window is not None and not all(
            topology.window[s, 0] <= t <= topology.window[s, 1] for t, s in enumerate(path)
        ):
            continue
        p = np.exp(sum(scores[t, topology.symbols[s]] for t, s in enumerate(path)))
        total += p
        for t, s in enumerate(path):
            posteriors[t, s] += p
    return np.log(total), posteriors / total


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**16), st.integers(3, 6), st.lists(st.booleans(), min_size=1, max_size=3))
def test_forward_sum_equals_the_sum_over_all_paths(seed, frames, middle):
    optional = np.array([False, *middle, False])
    optional[1:] &= ~optional[:-1]  # no two optional states in a row
    random = np.random.default_rng(seed)
    topology = HMMTopology(
        random.integers(0, 4, len(optional)), optional, np.zeros(len(optional), int)
    )
    scores = np.log(random.dirichlet(np.ones(4), frames))
    if frames < topology.shortest():
        return
    total, posteriors = forward_sum(scores, topology)
    wanted_total, wanted_shares = all_paths(scores, topology)
    assert total == pytest.approx(wanted_total)
    np.testing.assert_allclose(posteriors, wanted_shares, atol=1e-9)
    np.testing.assert_allclose(posteriors.sum(axis=1), 1.0)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**16), st.lists(st.booleans(), min_size=1, max_size=3))
@example(6233, [True, False, False])  # a state may end before the first frame
def test_a_window_leaves_out_the_paths_outside_it(seed, middle):
    optional = np.array([False, *middle, False])
    optional[1:] &= ~optional[:-1]
    random, states, frames = np.random.default_rng(seed), len(optional), 6
    window = np.sort(random.integers(-1, frames + 1, (states, 2)), axis=1)
    topology = HMMTopology(random.integers(0, 4, states), optional, np.zeros(states, int), window)
    scores = np.log(random.dirichlet(np.ones(4), frames))
    with np.errstate(divide="ignore", invalid="ignore"):
        wanted_total, wanted_shares = all_paths(scores, topology)
    total, posteriors = forward_sum(scores, topology)
    if np.isfinite(wanted_total):
        assert total == pytest.approx(wanted_total)
        np.testing.assert_allclose(posteriors, wanted_shares, atol=1e-9)
    else:
        assert total == module.LOG_ZERO and not posteriors.any()


def test_tokens_keep_their_times_and_pauses_are_free(trained):
    head, words, ids = trained
    tokens = [2, ids[words[0]], ids[words[1]], 3]
    topology = head.lexicon(tokens)
    edges = np.full((len(tokens), 2), (-np.inf, np.inf))
    edges[1] = 2.5, 4.0  # frame 2 is shared, frame 4 is not the token's
    window = keep_times(topology, edges).window
    assert window[topology.tokens == 1].tolist() == [[2, 3]] * (topology.tokens == 1).sum()
    free = window[topology.tokens != 1]
    assert (free[:, 0] == 0).all() and (free[:, 1] > 10**9).all()


def test_the_loss_has_the_gradient_of_its_value():
    torch.manual_seed(0)
    scores = torch.randn(2, 6, 4, dtype=torch.float64).log_softmax(-1).requires_grad_()
    topologies = [
        HMMTopology(
            np.array([0, 1, 0, 2, 0]), np.array([False, False, True, False, False]), np.zeros(5)
        ),
        HMMTopology(np.array([0, 3, 0]), np.zeros(3, bool), np.zeros(3)),
    ]
    lengths = torch.tensor([6, 4])
    assert torch.autograd.gradcheck(lambda x: ForwardSum.apply(x, lengths, topologies), scores)


def test_an_utterance_with_more_graphemes_than_frames_is_ignored():
    scores = torch.randn(2, 4, 3).requires_grad_()
    long = HMMTopology(np.array([0, *[1] * 9, 0]), np.zeros(11, bool), np.zeros(11))
    short = HMMTopology(np.array([0, 1, 0]), np.zeros(3, bool), np.zeros(3))
    loss = ForwardSum.apply(scores, torch.tensor([4, 4]), [long, short])
    loss.backward()
    assert loss.isfinite() and not scores.grad[0].any() and scores.grad[1].any()


def test_a_long_recording_in_parts_equals_the_whole(monkeypatch):
    random = np.random.default_rng(3)
    symbols, spans = [SILENCE], [4]
    for word in range(12):
        symbols += [*random.permutation(np.arange(1, 4) + 3 * (word % 2)), SILENCE]
        spans += [3, 3, 3, 3 if word % 2 else 0]
    optional = np.array([s == SILENCE for s in symbols])
    optional[[0, -1]] = False
    topology = HMMTopology(np.array(symbols), optional, np.arange(len(symbols)))
    truth = np.repeat(symbols, spans)
    scores = np.log(np.full((len(truth), 7), 1e-4))
    scores[np.arange(len(truth)), truth] = 0.0
    whole = expected_durations(scores, topology)
    monkeypatch.setattr(module, "MAX_CELLS", 400)
    np.testing.assert_allclose(expected_durations(scores, topology), whole, atol=0.02)
    np.testing.assert_allclose(whole, spans, atol=0.05)


def test_spelling():
    assert [list(graphemes_of(piece)) for piece in VOCABULARY] == [
        [], [WILDCARD], [], [], [1, 2], [3], [4], [], [WILDCARD], [5],
    ]  # fmt: skip
    topology = GraphemeLexicon(VOCABULARY)([2, 4, 5, 7, 6, 3])  # ab ##c ' d
    assert topology.symbols.tolist() == [SILENCE, 1, 2, 3, SILENCE, 4, SILENCE]
    assert topology.tokens.tolist() == [0, 1, 1, 2, -1, 4, 5]
    assert topology.optional.tolist() == [False] * 4 + [True] + [False] * 2
    assert topology.shortest() == 4


def make_speech(words, random, noise=0.3):
    """Frames (T, 8) in which each letter has a sound of its own, and its words' true edges."""
    sounds = np.random.default_rng(0).normal(size=(1 + len(GRAPHEMES), 8))
    frames, edges = [np.repeat(sounds[:1], 5, axis=0)], []
    for word in words:
        start = sum(map(len, frames))
        for letter in word:
            frames.append(
                np.repeat(sounds[[1 + GRAPHEMES.index(letter)]], random.integers(3, 7), 0)
            )
        edges.append((start, sum(map(len, frames))))
        if random.random() < 0.5:
            frames.append(np.repeat(sounds[:1], 4, axis=0))
    frames.append(np.repeat(sounds[:1], 5, axis=0))
    joined = np.concatenate(frames)
    return torch.tensor(joined + noise * random.normal(size=joined.shape)).float(), edges


@pytest.fixture(scope="module")
def trained():
    """A head that learned, from a flat start, five letters' sounds."""
    torch.manual_seed(0)
    random = np.random.default_rng(1)
    words = ["".join(random.permutation(list("abcde"))[:3]) for _ in range(30)]
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *dict.fromkeys(words)]
    ids = {word: index for index, word in enumerate(vocabulary)}
    head = GraphemeHead(8, vocabulary, size=32, kernel=3)
    optimiser = torch.optim.Adam(head.parameters(), lr=0.01)
    for _ in range(60):
        texts = [list(random.choice(words, 4)) for _ in range(8)]
        speech = [make_speech(text, random)[0] for text in texts]
        lengths = torch.tensor([len(x) for x in speech])
        tokens = torch.tensor([[2, *(ids[w] for w in text), 3] for text in texts])
        padded = torch.nn.utils.rnn.pad_sequence(speech, batch_first=True)
        loss = head.loss(padded, lengths, tokens, torch.full((8,), 6))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return head.eval(), words, ids


def test_boundaries_are_found_from_a_flat_start(trained):
    head, words, ids = trained
    random = np.random.default_rng(7)
    errors = []
    for _ in range(20):
        text = list(random.choice(words, 4))
        frames, edges = make_speech(text, random)
        tokens = [2, *(ids[w] for w in text), 3]
        (found,) = align_graphemes(head, frames[None], torch.tensor([len(frames)]), [tokens])
        errors += [abs(found.starts[1:-1] - [s for s, _ in edges])]
        errors += [abs(found.ends[1:-1] - [e for _, e in edges])]
        assert (np.diff(np.stack([found.starts, found.ends], 1).ravel()) >= -1e-9).all()
        assert found.ends[-1] == pytest.approx(len(frames))
    assert np.mean(errors) < 0.5  # frames


def test_a_wrong_transcript_has_less_confidence(trained):
    head, words, ids = trained
    random = np.random.default_rng(8)
    right, wrong = [], []
    for _ in range(10):
        said, other = list(random.choice(words[:9], 4)), list(random.choice(words[9:], 4))
        frames, _ = make_speech(said, random)
        for text, into in ((said, right), (other, wrong)):
            tokens = [2, *(ids[w] for w in text), 3]
            (found,) = align_graphemes(head, frames[None], torch.tensor([len(frames)]), [tokens])
            into += found.confidences[1:-1].tolist()
    assert np.mean(right) > 3 * np.mean(wrong)


@given(st.lists(st.tuples(st.floats(0, 9), st.floats(0.2, 30)), min_size=2, max_size=9))
def test_settled_spans_have_no_short_pause_and_stay_in_order(drawn):
    """`drawn`: the silence before each token and its duration, in frames of 20 ms."""
    edges = np.cumsum([x for pair in drawn for x in pair]).reshape(-1, 2)
    spans = TokenSpans(edges[:, 0] - edges[0, 0], edges[:, 1] - edges[0, 0], None)
    found = settle(spans, 0.02, EARLIER)
    flat = np.stack([found.starts, found.ends], 1).ravel()
    assert np.all(np.diff(flat) >= -1e-9)
    assert found.starts[0] == 0 and found.ends[-1] == spans.ends[-1]
    pauses = found.starts[2:-1] - found.ends[1:-2]
    before = spans.starts[2:-1] - spans.ends[1:-2]
    short = before < SHORTEST_PAUSE / 0.02
    assert np.all(pauses[short] < 1e-9) and np.allclose(pauses[~short], before[~short])
    moved = np.r_[spans.starts[1], spans.ends[-2]] - np.r_[found.starts[1], found.ends[-2]]
    assert np.all(moved <= EARLIER / 0.02 + 1e-9)


def test_padding_changes_nothing(trained):
    head, _, _ids = trained
    frames, _ = make_speech(["abc"], np.random.default_rng(0))
    batch = torch.stack(
        [torch.cat([frames, torch.full((9, 8), float("nan"))]), torch.zeros(len(frames) + 9, 8)]
    )
    alone = head(frames[None], torch.tensor([len(frames)]))
    padded = head(batch.nan_to_num(7.0), torch.tensor([len(frames), 9]))
    torch.testing.assert_close(padded[:1, : len(frames)], alone)
