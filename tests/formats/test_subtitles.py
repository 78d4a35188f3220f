"""Subtitles: every word once, within the limits, as other parsers read them."""

import html
import itertools
import math

import pysubs2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from espnet_wabert.formats.subtitles import (
    LINES,
    LONGEST,
    PAUSE,
    WIDTH,
    cues,
    timed,
    write_subtitles,
)
from espnet_wabert.formats.word import Word

SPOKEN = st.tuples(
    st.text("abcdefghij", min_size=1, max_size=12), st.sampled_from(["", ".", ",", "?"]),
    st.sampled_from([0.0, 0.2, 1.5]), st.floats(0.05, 1.2),
)  # fmt: skip


def spoken_at(drawn) -> list[Word]:
    """Return words from (letters, punctuation, pause before, duration)."""
    words, at = [], 0.0
    for letters, mark, pause, duration in drawn:
        words.append(Word(letters + mark, at + pause, at + pause + duration))
        at = words[-1].end
    return words


@given(st.lists(SPOKEN, max_size=40))
def test_subtitles_have_every_word_once_and_keep_the_limits(drawn):
    words = spoken_at(drawn)
    found = cues(words)
    assert [word for cue in found for word in cue] == words
    for cue in found:
        assert cue[-1].end - cue[0].start <= LONGEST + 1e-6
        assert all(b.start - a.end <= PAUSE for a, b in itertools.pairwise(cue))
        assert not any(word.word[-1] in ".?" for word in cue[:-1])


def test_a_title_or_an_initial_ends_no_sentence():
    text = "(Mr. J. Smith met Dr. Day.) \u201cStop!\u201d he said. Did I. Yes."
    words = [Word(word, at / 10, at / 10 + 0.1) for at, word in enumerate(text.split())]
    assert [" ".join(word.word for word in cue) for cue in cues(words)] == [
        "(Mr. J. Smith met Dr. Day.)", "\u201cStop!\u201d", "he said.", "Did I.", "Yes.",
    ]  # fmt: skip


def test_words_without_duration_are_shown_at_their_times():
    """As in a CTM of points in time; those without a time of their own share what is free."""
    points = [Word(f"w{t}", t, t) for t in (1.0, 1.4, 100.0, 100.5, 200.0)]
    found = [(cue.start, cue.end) for cue in timed(cues(points), math.inf)]
    assert found == [(1.0, 1.4), (100.0, 100.5), (200.0, 201.0)]
    mixed = [Word("a", 0.0, 0.5), Word("b.", 30.0, 30.0), Word("c.", 60.0, 60.0), Word("d", 90, 91)]
    assert [cue.start for cue in timed(cues(mixed), 91.0)] == [0.0, 30.0, 60.0, 90]


UNHEARD = st.lists(st.one_of(SPOKEN, st.tuples(st.just("unheard"), *map(st.just, ["", 0.0, 0.0]))))


@given(UNHEARD, st.sampled_from([0.0, 0.02, 9.0]))
def test_subtitles_with_unheard_words_have_a_duration(drawn, rest):
    words = spoken_at(drawn)
    duration = (words[-1].end if words else 0.0) + rest
    found = timed(cues(words), duration)
    assert [word for cue, *_ in found for word in cue] == words
    for cue, start, end in found:
        assert start < end or not any(word.end > word.start for word in words)
        assert all(start <= w.start and w.end <= end for w in cue if w.end > w.start)
    for (_, _, before), (_, after, _) in itertools.pairwise(found):
        assert before <= after + 1e-9


def test_unheard_words_share_the_time_that_is_free(tmp_path):
    first = [Word("unheard", 0.0, 0.0)] * 60
    words = [*first, Word("yes.", 0.9, 1.2), Word("well", 1.2, 1.2), Word("no.", 3.0, 3.03)]
    words += [Word("end", 3.03, 3.03)]
    write_subtitles(tmp_path / "new/x.srt", words, 3.03)
    events = pysubs2.load(str(tmp_path / "new/x.srt")).events
    assert all(event.end > event.start for event in events) and events[-1].end == 3030
    assert [e.plaintext for e in events[-3:]] == ["yes.", "well", "no. end"]
    assert (events[-3].start, events[-3].end, events[-2].end) == (900, 1200, 2200)
    late = [w._replace(start=0.9, end=0.9) for w in first]  # as `align` places them
    write_subtitles(tmp_path / "x.srt", [*late, *words[60:]], 3.03)
    assert pysubs2.load(str(tmp_path / "x.srt")).events == events
    write_subtitles(tmp_path / "x.srt", first)
    assert all(e.end > e.start for e in pysubs2.load(str(tmp_path / "x.srt")).events)


@pytest.mark.parametrize("kind", ["srt", "vtt"])
def test_the_files_are_read_back(tmp_path, kind):
    words = spoken_at([(letters, "", 0.0, 0.25) for letters in ["hour", "after", "hour"] * 9])
    write_subtitles(tmp_path / f"a.{kind}", words)
    events = pysubs2.load(str(tmp_path / f"a.{kind}")).events
    assert len(events) > 1 and events[0].start == 0 and events[-1].end == 6750
    lines = [event.plaintext.split("\n") for event in events]
    assert all(len(part) <= LINES and max(map(len, part)) <= WIDTH for part in lines)
    assert " ".join(" ".join(part) for part in lines) == " ".join(w.word for w in words)
    assert (tmp_path / f"a.{kind}").read_text().startswith({"srt": "1\n", "vtt": "WEBVTT"}[kind])


def test_a_pause_begins_a_subtitle():
    words = [Word("good", 0.0, 0.4), Word("film", 0.4, 0.8), Word("yes", 2.0, 2.4)]
    assert [[w.word for w in cue] for cue in cues(words)] == [["good", "film"], ["yes"]]


MARKUP = ["{aside}", "it{1}s", "C:\\new\\Home", "<noise>", "R&D", "-->"]


@pytest.mark.parametrize("kind", ["srt", "vtt"])
def test_no_word_is_taken_for_markup(tmp_path, kind):
    words = [Word(word, at, at + 0.5) for at, word in enumerate(MARKUP)]
    write_subtitles(tmp_path / f"x.{kind}", words)
    shown = (tmp_path / f"x.{kind}").read_text().replace("\u2060", "")
    if kind == "vtt":
        assert "<noise>" not in shown and "\n-->" not in shown
        shown = html.unescape(shown)
    assert " ".join(MARKUP[:2]) in shown.replace("\n", " ")
    assert all(word in shown for word in MARKUP)
