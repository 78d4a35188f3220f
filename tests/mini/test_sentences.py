"""The embedded corpus's sentences: parsing, vocabularies, splits and the covering choice."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from espnet_wabert.errors import UserError
from espnet_wabert.mini import slue
from espnet_wabert.mini.pools import LABELS, cover, make_pools
from espnet_wabert.mini.sentences import (
    LONGEST,
    SHORTEST,
    Snippet,
    parse_text,
    read_lexicon,
    read_snippets,
    runs,
    spans,
    words,
)
from espnet_wabert.mini.sizes import SHARES, SIZES
from espnet_wabert.mini.sources import fetch_sources, source_folder


@pytest.fixture(scope="module")
def snippets():
    return read_snippets(source_folder("vader"))


@pytest.fixture(scope="module")
def pools(snippets):
    lexicon = read_lexicon(source_folder("vader"))
    return make_pools(snippets, lexicon, SHARES, False, np.random.default_rng(3))


@pytest.mark.parametrize(
    "text, chunks, complete",
    [
        ("It's good, but not great.", [[["it's", "good"], ["but", "not", "great"]]], True),
        ("A well-made film!", [[["a", "well", "made", "film"]]], True),
        ("It cost 5 dollars; I like it", [[["i", "like", "it"]]], False),
        ("He called it ''a hit''", [[["he", "called", "it"]], [["a", "hit"]]], True),
        ("Mr. Smith goes", [[["smith", "goes"]]], False),
        ("my dvd player", [], False),
    ],
)
def test_parse_text(text, chunks, complete):
    assert parse_text(text) == (chunks, complete)


def test_spans_end_at_punctuation_and_runs_in_the_vocabulary():
    snippet = Snippet("movie", 2.0, *parse_text("a very good film, and one of the best ever made"))
    assert snippet.label == "Positive"
    assert set(spans(snippet)) == {
        "a very good film",
        "and one of the best ever made",
        "a very good film, and one of the best ever made",
    }
    vocabulary = {"and", "one", "of", "the", "best", "made", "a", "very"}
    assert runs(snippet, vocabulary) == ["and one of the best"]


@pytest.mark.parametrize(
    "rating, label", [(0.5, "Neutral"), (-0.5, "Neutral"), (0.7, None), (-1.0, "Negative")]
)
def test_label_of_a_rating(rating, label):
    assert Snippet("nyt", rating, [], True).label == label


def test_snippets_have_the_published_number_and_range(snippets):
    assert Counter(s.source for s in snippets) == {"movie": 10605, "amazon": 3708, "nyt": 5190}
    assert all(-4 <= s.rating <= 4 for s in snippets)


def test_splits_share_no_sentence_and_keep_to_the_vocabulary(pools):
    seen = {}
    for split, pool in pools.splits.items():
        texts = pool.read + pool.stretches + [t for found in pool.sentiment.values() for t in found]
        for text in texts:
            key = tuple(words(text))
            assert SHORTEST <= len(key) <= LONGEST
            assert key not in seen, (text, split, seen.get(key))
            seen[key] = split
        for text in pool.read + pool.stretches:
            assert pools.vocabulary.issuperset(words(text))


def test_pools_hold_what_the_full_corpus_needs(pools):
    for name, size in SIZES["full"].slue.items():
        pool = pools.splits[size.split]
        rows = Counter((label, part) for _, label, part in slue.contents(size, pool))
        for label in LABELS:
            assert len(pool.sentiment[label]) > 0.6 * rows[label, "text"], (name, label)
    reading = {"dev": 120, "test": 200 + SIZES["full"].timit.sentences}
    for split, count in reading.items():
        assert len(pools.splits[split].read) >= count


def test_the_same_state_gives_the_same_pools(snippets, pools):
    again = make_pools(
        snippets, read_lexicon(source_folder("vader")), SHARES, False, np.random.default_rng(3)
    )
    assert again == pools


@given(
    st.lists(st.lists(st.sampled_from("abcdefg"), min_size=1, max_size=5), max_size=8),
    st.lists(st.sampled_from("abcdefgxy"), max_size=6),
    st.integers(0, 9),
)
def test_cover_is_the_plain_greedy_choice(texts, begin, count):
    texts, begin = [" ".join(text) for text in texts], [" ".join(begin)]
    vocabulary = set("abcdefg")
    have, left, expected = Counter(words(begin[0])), list(range(len(texts))), []
    while left and len(expected) < count:

        def gain(index):
            inside = sorted(vocabulary & set(words(texts[index])))
            return sum((1 + have[word]) ** -2.0 for word in inside)

        best = max(left, key=lambda index: (gain(index), -index))
        left.remove(best)
        expected.append(texts[best])
        have.update(words(texts[best]))
    assert cover(texts, vocabulary, begin, count) == expected


@given(st.integers(0, 5000))
def test_label_counts_add_up(count):
    counts = slue.label_counts(count)
    assert sum(counts.values()) == count and min(counts.values()) >= 0


def test_voice_part_has_neutral_words_and_all_labels(pools):
    pool = pools.splits["train"]
    rows = slue.contents(SIZES["full"].slue["fine-tune"], pool)
    neutral = set(pool.sentiment["Neutral"])
    voice = [(text, label) for text, label, part in rows if part == "voice"]
    assert {label for _, label in voice} == set(LABELS)
    assert all(text in neutral for text, _ in voice)
    text_part = [(text, label) for text, label, part in rows if part == "text"]
    assert all(text in pool.sentiment[label] for text, label in text_part)
    assert len(voice) == 600 and len(text_part) == 900


def test_missing_source_is_one_clear_line(tmp_path):
    with pytest.raises(UserError, match="fetch_sources") as caught:
        source_folder("vader", tmp_path)
    assert "\n" not in str(caught.value)


def test_bad_source_names_the_file(tmp_path):
    (tmp_path / "hutto_ICWSM_2014.tar.gz").write_bytes(b"no archive")
    with pytest.raises(UserError, match="hutto_ICWSM_2014"):
        read_snippets(tmp_path)
    (tmp_path / "vader_lexicon.txt").write_text("good\tmuch\n")
    with pytest.raises(UserError, match="vader_lexicon.txt"):
        read_lexicon(tmp_path)


def test_fetching_again_does_nothing():
    assert fetch_sources() == []
