"""Long recordings are cut where reading and transcript agree, and the parts are joined."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from espnet_wabert.alignment.aligner import Alignment, WordAlignment
from espnet_wabert.alignment.long_transcript import Heard, agreements, find_cuts, heard_words, join
from espnet_wabert.formats.word import Word
from espnet_wabert.modules.ctc_head import SYMBOLS


def spelled(symbols: str) -> np.ndarray:
    """Return log-probabilities of one symbol per frame; "_" is the blank."""
    ids = [0 if s == "_" else SYMBOLS.index(s) for s in symbols]
    return np.log(np.eye(len(SYMBOLS))[ids] + 1e-3)


def test_words_have_the_frames_of_their_letters():
    assert heard_words(spelled("__aa_b_  _c_cc__")) == [Heard("ab", 2, 5), Heard("ccc"[:2], 10, 13)]
    assert heard_words(spelled("____")) == []
    assert heard_words(spelled("a")) == [Heard("a", 0, 0)]


WORDS = st.lists(st.text("abcdefghij", min_size=1, max_size=4), min_size=1, max_size=80)


@given(WORDS, st.integers(10, 200), st.data())
def test_cuts_are_in_order_and_between_words(words, shortest, data):
    """What is heard misses some words; every cut is still before its own word."""
    heard, at = [], 0
    frames = {}
    for index, word in enumerate(words):
        frames[index] = at
        if data.draw(st.integers(0, 9)):
            heard.append(Heard(word, at, at + 5))
        at += 10
    cuts = find_cuts(heard, words, shortest)
    before = 0
    for cut in cuts:
        assert cut.frame - before >= shortest
        before = cut.frame
    assert [c.word for c in cuts] == sorted({c.word for c in cuts})
    if len(set(words)) == len(words):
        assert all(frames[c.word] - 5 <= c.frame <= frames[c.word] for c in cuts)


def test_a_number_of_several_words_is_not_cut():
    said = ["one two three four five six", "seven", "eight nine ten eleven twelve thirteen"]
    flat = " ".join(said).split()
    heard = [Heard(word, 10 * i, 10 * i + 5) for i, word in enumerate(flat)]
    assert {c.word for c in find_cuts(heard, said, 1)} <= {1, 2}
    assert len(find_cuts(heard, said, 1)) == 2


def test_words_with_accents_agree():
    heard = [Heard(word, 10 * i, 10 * i + 5) for i, word in enumerate(["the", "cafe", "is"])]
    blocks, _ = agreements(heard, ["the", "Café", "is"])
    assert [(b.a, b.b, b.size) for b in blocks] == [(0, 0, 3), (3, 3, 0)]


def part(words: list[Word], confidence: float) -> Alignment:
    starts = [0.0, *(w.start for w in words), words[-1].end]
    ends = [0.0, *(w.end for w in words), words[-1].end]
    scores = [0.0] + [confidence] * len(words) + [0.0]
    timed = WordAlignment(words, starts, ends, scores, [confidence] * len(words), confidence)
    tokens = ["[CLS]", *(w.word for w in words), "[SEP]"]
    return Alignment({"grapheme": timed}, tokens, None, None, len(tokens))


def test_joined_parts_have_the_times_of_the_whole():
    first = part([Word("a", 0.5, 1.0), Word("b", 1.0, 2.0)], 0.9)
    second = part([Word("c", 0.25, 0.75)], 0.6)
    joined = join([(first, 0.0), (second, 60.0)])
    timed = joined.by_method["grapheme"]
    assert timed.words == [Word("a", 0.5, 1.0), Word("b", 1.0, 2.0), Word("c", 60.25, 60.75)]
    assert joined.tokens == ["[CLS]", "a", "b", "c", "[SEP]"]
    assert timed.starts == [0.0, 0.5, 1.0, 60.25, 60.75] and len(timed.ends) == 5
    assert timed.word_confidences == [0.9, 0.9, 0.6]
    assert abs(timed.confidence - 0.8) < 1e-9 and joined.predicted_length == 5
