"""The bigram: probabilities that sum to one, and a file that a beam search reads."""

import gzip

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from espnet_wabert.inference.recognizer import load_beam_search, read_unigrams
from espnet_wabert.modules.ctc_head import BLANK, SYMBOLS
from espnet_wabert.text.ngram import write_bigram

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
    write_bigram([" ".join(words) for words in drawn], ["x", "y"], path)
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
        write_bigram(TEXTS, ["book"], tmp_path / f"{name}.arpa.gz")
    assert (tmp_path / "a.arpa.gz").read_bytes() == (tmp_path / "b.arpa.gz").read_bytes()
    assert set(read_unigrams(tmp_path / "a.arpa.gz")) == {*" ".join(TEXTS).split(), "book"}


def test_a_beam_search_chooses_the_word_that_exists(tmp_path):
    """The letters alone say "goot"."""
    path = tmp_path / "ngram.arpa.gz"
    write_bigram(TEXTS, ["book"], path)
    spelled = "the film is goot"
    scores = np.full((2 * len(spelled), len(SYMBOLS)), -8.0, np.float32)
    for place, letter in enumerate(spelled):
        scores[2 * place, SYMBOLS.index(letter)] = -0.1
        scores[2 * place + 1, BLANK] = -0.1
    scores[2 * (len(spelled) - 1), SYMBOLS.index("d")] = -1.5
    search = load_beam_search(list(SYMBOLS), BLANK, str(path))
    assert search.decode(scores) == "the film is good"
