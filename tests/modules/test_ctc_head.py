"""The CTC head: its letters, its loss against all paths, and the models that read with it."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import VOCABULARY, arguments, save

from espnet_wabert.inference.api import WaBERTInference
from espnet_wabert.models.builder import build_model
from espnet_wabert.models.checkpoint import NGRAM, pack
from espnet_wabert.modules.ctc_head import BLANK, SYMBOLS, CTCHead, greedy_text
from espnet_wabert.text.ngram import estimate, write_arpa
from espnet_wabert.text.wordpiece import WordPieceTokenizer, join_apostrophes

TOKENIZER = WordPieceTokenizer(VOCABULARY)


@pytest.mark.parametrize(
    "text, joined",
    [
        ("i don ' t know", "i don't know"),
        ("it ' s the director ' s cut", "it's the director's cut"),
        ("o ' brien and d ' artagnan", "o'brien and d'artagnan"),
        ("the actors ' film", "the actors' film"),
        ("rock ' n ' roll", "rock ' n ' roll"),
        ("nothing to join", "nothing to join"),
    ],
)
def test_what_the_tokenizer_parts_is_joined(text, joined):
    assert join_apostrophes(text) == joined


@given(st.lists(st.sampled_from(["the", "film's", "good", "isn't", "abc"]), min_size=1))
def test_symbols_spell_the_transcript(words):
    text = " ".join(words)
    symbols = CTCHead(8, VOCABULARY).symbols(TOKENIZER.encode(text).ids)
    assert "".join(SYMBOLS[symbol] for symbol in symbols) == text


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**16), st.sampled_from(["ab", "aa", "a", "a b"]), st.integers(3, 5))
def test_the_loss_is_that_of_all_paths(seed, text, frames):
    """One by one: a path is one symbol per frame; equal neighbors are one, then blanks go."""
    torch.manual_seed(seed)
    head, x = CTCHead(4, VOCABULARY), torch.randn(1, frames, 4)
    ids = torch.tensor([TOKENIZER.encode(text).ids])
    used = [BLANK, *{SYMBOLS.index(letter) for letter in text}]
    log_p = head(x)[0].detach().numpy()
    total = 0.0
    for path in itertools.product(used, repeat=frames):
        kept = [a for a, _ in itertools.groupby(path) if a != BLANK]
        if "".join(SYMBOLS[a] for a in kept) == text:
            total += math.exp(sum(log_p[t, a] for t, a in enumerate(path)))
    loss = head.loss(x, torch.tensor([frames]), ids, torch.tensor([ids.shape[1]]))
    if total == 0.0:
        assert loss.item() == 0  # no path: nothing is learned
    else:
        assert loss.item() == pytest.approx(-math.log(total) / len(text), rel=1e-4)


def test_greedy_text_removes_repetitions_blanks_and_spaces_at_the_ends():
    path = [0, 1, 2, 2, 0, 2, 1, 1, 3, 0, 1]
    scores = torch.full((len(path), len(SYMBOLS)), -9.0)
    scores[range(len(path)), path] = 0.0
    assert greedy_text(scores) == "aa b"


def batch(seed=0):
    torch.manual_seed(seed)
    rows = [TOKENIZER.encode(text).ids for text in ("the good film", "not bad")]
    text = torch.zeros(2, max(map(len, rows)), dtype=torch.long)
    for row, ids in zip(text, rows, strict=True):
        row[: len(ids)] = torch.tensor(ids)
    return dict(
        speech=torch.randn(2, 16000), speech_lengths=torch.tensor([16000, 14000]),
        text=text, text_lengths=torch.tensor([len(ids) for ids in rows]),
    )  # fmt: skip


def test_the_head_trains_the_adapter_and_its_weight_is_that_of_the_loss():
    model = build_model(arguments(model_conf=dict(ctc_weight=0.5)))
    loss, stats, _ = model(**batch())
    parts = stats["infonce"] + stats["quantity"] + stats["subword"] + 0.5 * stats["ctc"]
    assert float(loss) == pytest.approx(float(parts), rel=1e-5)
    model.zero_grad()
    (model.ctc_weight * stats_loss(model)).backward()
    assert model.encoder.adapter[0].depthwise.weight.grad.abs().sum() > 0


def stats_loss(model):
    data = batch()
    features, lengths = model.features(data["speech"], data["speech_lengths"])
    adapted = model.encoder.adapt(model.frontend.last_layer(features), lengths)
    return model.ctc_head.loss(adapted, lengths, data["text"], data["text_lengths"])


def test_a_model_without_the_head_has_no_such_weights():
    assert not [k for k in build_model(arguments()).state_dict() if k.startswith("ctc_head")]


def test_reading_spells_and_counts_the_tokens_of_what_it_read(tmp_path):
    args = arguments(model_conf=dict(ctc_weight=1.0))
    inference = WaBERTInference.from_pretrained(save(args, tmp_path))
    speech = [np.random.default_rng(0).standard_normal(n).astype(np.float32) for n in (16000, 9000)]
    for found in inference.transcribe(speech):
        assert set(found.text) <= set(SYMBOLS[1:]) and found.text == found.text.strip()
        assert found.predicted_length == len(TOKENIZER.encode(found.text).ids) == len(found.top)
    together = inference.align_and_transcribe(speech, ["the film", "good"])[1]
    assert [t.text for t in together] == [t.text for t in inference.transcribe(speech)]


def test_an_ngram_beside_the_model_is_used_and_packed(tmp_path):
    args = arguments(model_conf=dict(ctc_weight=1.0))
    path = save(args, tmp_path)
    write_arpa(estimate(["the good film"], []), path.with_name(NGRAM))
    inference = WaBERTInference.from_pretrained(path)
    assert inference.reader.speller.search is not None
    packed = pack(path, tmp_path / "packed.zip")
    again = WaBERTInference.from_pretrained(packed)
    speech = [np.random.default_rng(1).standard_normal(9000).astype(np.float32)]
    assert again.reader.speller.search is not None
    assert again.transcribe(speech) == inference.transcribe(speech)
