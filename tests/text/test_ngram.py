"""N-grams: probabilities that sum to one, and a file that a beam search reads."""

import gzip

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from espnet_wabert.errors import UserError
from espnet_wabert.modules.ctc_head import BLANK, SYMBOLS
from espnet_wabert.text.beam_search import load_beam_search, read_unigrams
from espnet_wabert.text.ngram import (
    BEGIN,
    DISCOUNT,
    END,
    estimate,
    interpolate,
    prune,
    write_arpa,
)

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
                backoffs[tuple(words.split())] = float(rest[0])
    for number in (1, 2, 3):
        counted = sum(len(words) == number for words in grams)
        assert f"ngram {number}={counted}" in lines
    return grams, backoffs


def log_probability(words, grams, backoffs):
    """Return the log10 probability of the last of words after the others, as the format says."""
    if words in grams:
        return grams[words]
    return backoffs.get(words[:-1], 0.0) + log_probability(words[1:], grams, backoffs)


@given(st.lists(st.lists(st.sampled_from("abcde"), min_size=1, max_size=6), min_size=1))
def test_the_words_after_each_history_have_a_total_probability_of_one(tmp_path_factory, drawn):
    path = tmp_path_factory.mktemp("lm") / "ngram.arpa.gz"
    write_arpa(estimate([" ".join(words) for words in drawn], ["x", "y"]), path, digits=4)
    grams, backoffs = read_arpa(path)
    words = [word for (word, *more) in grams if not more and word != BEGIN]
    for history in [(), *(found for found in grams if len(found) < 3 and END not in found)]:
        total = sum(10 ** log_probability((*history, word), grams, backoffs) for word in words)
        assert total == pytest.approx(1.0, abs=2e-3)  # four decimals


def test_no_text_is_refused():
    with pytest.raises(UserError, match="an n-gram of no text"):
        estimate([], ["a"])


@given(st.lists(st.lists(st.sampled_from("abc"), min_size=1, max_size=6), min_size=1))
def test_an_estimate_is_interpolated_absolute_discounting(drawn):
    """Against the formula of Ney et al. 1994, read from the counts one by one."""
    texts = [" ".join(words) for words in drawn]
    ngram = estimate(texts, ["a", "b", "x"])
    said = [("<s>", *words, "</s>") for words in drawn]

    def count(words):
        return sum(line[at : at + len(words)] == words for line in said for at in range(len(line)))

    def expected(words):
        if len(words) == 1:
            seen = {w: count((w,)) for w in ngram.words if w != BEGIN}
            shared = DISCOUNT * sum(n > 0 for n in seen.values()) / len(seen)
            return (max(seen[words[0]] - DISCOUNT, 0) + shared) / sum(seen.values())
        after = {w: count((*words[:-1], w)) for w in ngram.words}
        total, kinds = sum(after.values()), sum(n > 0 for n in after.values())
        if not total:
            return expected(words[1:])
        own = max(after[words[-1]] - DISCOUNT, 0) / total
        return own + DISCOUNT * kinds / total * expected(words[1:])

    for line in said[:2]:
        for history in (line[:1], line[:2], ("a", "b"), ("x", "a")):
            for word in ("a", "x", "</s>"):
                assert probability(ngram, *history, word) == pytest.approx(
                    expected((*history, word))
                )


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


def probability(ngram, *words):
    return ngram.after(np.array([[ngram.words.index(word) for word in words]]))[0]


def test_an_interpolation_is_the_weighted_mean_for_every_ngram_of_both():
    one, other = estimate(TEXTS, ["book"]), estimate(["a good book", "the cat"])
    mixed = interpolate(one, other, 0.25)
    assert mixed.words == sorted({*one.words, *other.words})
    assert mixed.orders[0].p.sum() == pytest.approx(1.0)
    for words in (("a", "good"), (BEGIN, "a", "good"), ("a", "good", "book")):
        wanted = 0.25 * probability(one, *words) + 0.75 * probability(other, *words)
        assert probability(mixed, *words) == pytest.approx(wanted)
    # "cat" is no word of the first model: only the second one gives it a probability
    assert probability(mixed, "the", "cat") == pytest.approx(
        0.75 * probability(other, "the", "cat")
    )
    for history in [(word,) for word in mixed.words[:-1]] + [("a", "good"), (BEGIN, "the")]:
        rest = [probability(mixed, *history, after) for after in mixed.words]
        assert sum(rest) == pytest.approx(1.0)


def test_pruning_keeps_the_ngrams_that_matter_their_histories_and_the_sum():
    whole = estimate([*TEXTS, *["very good it is"] * 20], ["book"])
    few = prune(whole, 6)
    kept = {
        tuple(few.words[place] for place in ids)
        for entries in few.orders[1:]
        for ids in entries.ids
    }
    assert {("very", "good"), (BEGIN, "very"), ("good", "it")} <= kept
    assert len(kept) == few.entries < 12 and all(words[:2] in kept for words in kept)
    for history in [(BEGIN,), ("very",), ("film",), ("very", "good"), ("film", "is")]:
        rest = [probability(few, *history, after) for after in few.words]
        assert sum(rest) == pytest.approx(1.0)
    for some, all_of_them in zip(prune(whole, 10**6).orders, whole.orders, strict=True):
        assert some.p.tolist() == all_of_them.p.tolist()


def test_pruning_keeps_the_pairs_that_matter_and_the_sum():
    whole = estimate([*TEXTS, *["very good"] * 20], ["book"], order=2)
    few = prune(whole, 3)
    kept = {tuple(few.words[place] for place in ids) for ids in few.orders[1].ids}
    assert ("very", "good") in kept and len(kept) == 3
    for word in (BEGIN, "very", "film"):
        rest = [probability(few, word, after) for after in few.words]
        assert sum(rest) == pytest.approx(1.0)


def test_a_text_without_words_still_gives_an_ngram(tmp_path):
    write_arpa(estimate([""], ["book"]), tmp_path / "ngram.arpa.gz")
    assert read_unigrams(tmp_path / "ngram.arpa.gz") == ["book"]
