"""The bigram: probabilities that sum to one, and a file that a beam search reads."""

import gzip

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from espnet_wabert.modules.ctc_head import BLANK, SYMBOLS
from espnet_wabert.text import general_english
from espnet_wabert.text.beam_search import load_beam_search, read_unigrams
from espnet_wabert.text.ngram import BEGIN, estimate, interpolate, prune, write_arpa

TEXTS = ["the film is good", "the film is long", "a good film", "is it good"]


def read_arpa(path):
    """Return log10 probabilities and backoffs of an ARPA file, by words."""
    lines = gzip.decompress(path.read_bytes()).decode().splitlines()
    grams, backoffs, order = {}, {}, 0
    for line in lines:
        if line.endswith("-grams:"):
            order = int(line[1])
        elif line.count("\t"):
            p, words, *rest = line.split("\t")
            assert len(words.split()) == order
            grams[tuple(words.split())] = float(p)
            if rest:
                backoffs[words] = float(rest[0])
    for number in (1, 2):
        counted = sum(len(words) == number for words in grams)
        assert f"ngram {number}={counted}" in lines
    return grams, backoffs


@given(st.lists(st.lists(st.sampled_from("abcde"), min_size=1, max_size=6), min_size=1))
def test_the_words_after_each_word_have_a_total_probability_of_one(tmp_path_factory, drawn):
    path = tmp_path_factory.mktemp("lm") / "ngram.arpa.gz"
    write_arpa(estimate([" ".join(words) for words in drawn], ["x", "y"]), path)
    grams, backoffs = read_arpa(path)
    words = [w for w in backoffs if w != "<s>"]
    for first in backoffs:
        total = 0.0
        for second in words:
            seen = grams.get((first, second))
            total += 10 ** (seen if seen is not None else backoffs[first] + grams[(second,)])
        if first != "</s>":
            assert total == pytest.approx(1.0, abs=2e-3)  # four decimals


def test_the_same_text_gives_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        write_arpa(estimate(TEXTS, ["book"]), tmp_path / f"{name}.arpa.gz")
    assert (tmp_path / "a.arpa.gz").read_bytes() == (tmp_path / "b.arpa.gz").read_bytes()
    assert set(read_unigrams(tmp_path / "a.arpa.gz")) == {*" ".join(TEXTS).split(), "book"}


def test_a_beam_search_chooses_the_word_that_exists(tmp_path):
    """The letters alone say "goot"."""
    path = tmp_path / "ngram.arpa.gz"
    write_arpa(estimate(TEXTS, ["book"]), path)
    spelled = "the film is goot"
    scores = np.full((2 * len(spelled), len(SYMBOLS)), -8.0, np.float32)
    for place, letter in enumerate(spelled):
        scores[2 * place, SYMBOLS.index(letter)] = -0.1
        scores[2 * place + 1, BLANK] = -0.1
    scores[2 * (len(spelled) - 1), SYMBOLS.index("d")] = -1.5
    search = load_beam_search(list(SYMBOLS), BLANK, str(path))
    assert search.decode(scores) == "the film is good"


def probability(bigram, first, second):
    index = [bigram.words.index(word) for word in (first, second)]
    return bigram.after(*(np.array([place]) for place in index))[0]


def test_an_interpolation_is_the_weighted_mean_for_every_pair_of_both():
    one, other = estimate(TEXTS, ["book"]), estimate(["a good book", "the cat"])
    mixed = interpolate(one, other, 0.25)
    assert mixed.words == sorted({*one.words, *other.words})
    assert mixed.single.sum() == pytest.approx(1.0)
    wanted = 0.25 * probability(one, "a", "good") + 0.75 * probability(other, "a", "good")
    assert probability(mixed, "a", "good") == pytest.approx(wanted)
    # "cat" is no word of the first model: only the second one gives it a probability
    assert probability(mixed, "the", "cat") == pytest.approx(
        0.75 * probability(other, "the", "cat")
    )
    for word in mixed.words[:-1]:
        rest = [probability(mixed, word, after) for after in mixed.words]
        assert sum(rest) == pytest.approx(1.0)


def test_pruning_keeps_the_pairs_that_matter_and_the_sum():
    whole = estimate([*TEXTS, *["very good"] * 20], ["book"])
    few = prune(whole, 3)
    kept = {(few.words[a], few.words[b]) for a, b in zip(few.first, few.second, strict=True)}
    assert ("very", "good") in kept and len(kept) == 3
    for word in (BEGIN, "very", "film"):
        rest = [probability(few, word, after) for after in few.words]
        assert sum(rest) == pytest.approx(1.0)
    assert prune(whole, 10**6).conditional.tolist() == whole.conditional.tolist()


def test_general_english_has_the_probabilities_of_pocketsphinx(monkeypatch):
    monkeypatch.setattr(general_english, "FREQUENT", 300)
    bigram = general_english.read_general_english()
    assert len(bigram.words) > 50_000
    assert bigram.single.sum() == pytest.approx(1.0)
    assert probability(bigram, "of", "the") == pytest.approx(0.2002, abs=0.001)  # 10 ** -0.6985
    assert probability(bigram, "the", "of") < 0.001
    assert probability(bigram, BEGIN, "the") > probability(bigram, BEGIN, "of")
