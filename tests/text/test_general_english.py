"""The n-gram of general English has what pocketsphinx's own reader tells."""

from pathlib import Path

import numpy as np
import pytest

from espnet_wabert.errors import UserError
from espnet_wabert.text.general_english import read_general_english, read_trie
from espnet_wabert.text.ngram import BEGIN, END

pocketsphinx = pytest.importorskip("pocketsphinx")


@pytest.fixture(scope="module")
def sphinx():
    """Return a function: words to the probability of the last one."""
    logs = pocketsphinx.LogMath()
    path = str(Path(pocketsphinx.get_model_path("en-us")) / "en-us.lm.bin")
    model = pocketsphinx.NGramModel(pocketsphinx.Config(lm=None, hmm=None, dict=None), logs, path)
    return lambda *words: logs.exp(model.prob([*reversed(words)]))


def test_every_order_has_the_probabilities_of_pocketsphinx(sphinx):
    ngram = read_general_english()
    assert len(ngram.words) > 70_000 and ngram.orders[0].p.sum() == pytest.approx(1.0)
    pairs, triples = (len(entries.p) for entries in ngram.orders[1:])
    assert pairs > 2_000_000 and triples > 1_600_000
    rng = np.random.default_rng(0)
    for ids, p in ngram.orders[1:]:
        for place in rng.integers(len(ids), size=500):
            words = [ngram.words[index] for index in ids[place]]
            assert p[place] == pytest.approx(sphinx(*words), rel=1e-3), words
    for word in ("the", "zurich", END):  # the other words of the file share what is left
        index = ngram.words.index(word)
        assert ngram.orders[0].p[index] == pytest.approx(sphinx(word), rel=0.02)
    assert ngram.orders[0].p[ngram.words.index(BEGIN)] == 0.0

    def probability(*words):
        return ngram.after(np.array([[ngram.words.index(word) for word in words]]))[0]

    assert probability("of", "the") == pytest.approx(0.2002, abs=0.001)  # 10 ** -0.6985
    assert probability("the", "of") < 0.001
    assert probability(BEGIN, "the") > probability(BEGIN, "of")


def test_a_pair_that_pocketsphinx_lacks_backs_off_as_there(sphinx):
    ngram = read_general_english()
    ids = np.array([[ngram.words.index(word) for word in ("zurich", "zebra")]])
    assert not ngram.find(ids)[1].any()
    assert ngram.after(ids)[0] == pytest.approx(sphinx("zurich", "zebra"), rel=0.1)


def test_another_file_is_one_line(tmp_path):
    path = tmp_path / "en-us.lm.bin"
    path.write_bytes(b"\\data\\\nngram 1=3\n")
    with pytest.raises(UserError, match=r"en-us.lm.bin: no quantized trigram"):
        read_trie(path)
