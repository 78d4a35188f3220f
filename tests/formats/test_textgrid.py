"""TextGrids: the tiers aligners write, silence, and files that are not whole."""

import pytest
from praatio import textgrid

from espnet_wabert.errors import UserError
from espnet_wabert.formats.textgrid import read_textgrid, write_textgrid
from espnet_wabert.formats.word import Word

WORDS = [Word('say "hi"', 0.1, 0.5), Word("cat", 0.5, 0.9), Word("é", 1.2, 1.4)]


@pytest.mark.parametrize("form", ["long_textgrid", "short_textgrid", "json", "textgrid_json"])
@pytest.mark.parametrize("blanks", [True, False])
def test_every_form_of_praat_is_read(tmp_path, form, blanks):
    path = _praat(tmp_path, {"words": WORDS, "phones": WORDS[:1]}, form, blanks)
    assert read_textgrid(path) == {"u1": WORDS}


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig"])
def test_praats_other_encodings(tmp_path, encoding):
    path = _praat(tmp_path, {"words": WORDS})
    path.write_text(path.read_text(encoding="utf-8"), encoding=encoding)
    assert read_textgrid(path) == {"u1": WORDS}


@pytest.mark.parametrize("name", ["words", "Words", "anna - words", "word", "alone"])
def test_the_tier_of_words_is_found(tmp_path, name):
    tiers = {name: WORDS} if name == "alone" else {"phones": WORDS[:1], name: WORDS}
    assert read_textgrid(_praat(tmp_path, tiers)) == {"u1": WORDS}


def test_labels_of_silence_are_no_words(tmp_path):
    silences = ["sil", "sp", "spn", "", "<eps>"]
    entries = [Word(label, index, index + 1.0) for index, label in enumerate(silences)]
    assert read_textgrid(_praat(tmp_path, {"words": [*entries, Word("a", 5, 6)]})) == {
        "u1": [Word("a", 5.0, 6.0)]
    }


def test_unclear_tiers_are_named(tmp_path):
    with pytest.raises(UserError, match=r"no tier called 'words' .* \(phones, notes\)"):
        read_textgrid(_praat(tmp_path, {"phones": WORDS, "notes": WORDS}))
    with pytest.raises(UserError, match=r"more than one tier of words .* \(a - words, b - words\)"):
        read_textgrid(_praat(tmp_path, {"a - words": WORDS, "b - words": WORDS}))


@pytest.mark.parametrize("form", ["long_textgrid", "short_textgrid"])
def test_a_truncated_file_is_never_read_as_if_whole(tmp_path, form):
    path = _praat(tmp_path, {"words": WORDS}, form)
    lines = path.read_text(encoding="utf-8").splitlines()
    for kept in range(len(lines)):
        path.write_text("\n".join(lines[:kept]), encoding="utf-8")
        with pytest.raises(UserError, match=rf"^{path}:\d+: "):
            read_textgrid(path)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("xmin = 0.5", "xmin = zero", "is not a whole TextGrid"),
        ("xmin = 0.5", "xmin = 1.5", "cannot occur after its end time"),
        ("xmin = 0.5", "xmin = 0.3", "overlap"),
        ('"cat"', '"cat', "is not a whole TextGrid"),
    ],
)
def test_a_damaged_line_is_named(tmp_path, old, new, reason):
    path = _praat(tmp_path, {"words": WORDS})
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    damaged = text[: text.index(old)].count("\n") + 1
    with pytest.raises(UserError) as caught:
        read_textgrid(path)
    line = int(str(caught.value).removeprefix(f"{path}:").split(":")[0])
    assert damaged <= line <= damaged + 2  # a number that is none shows in the next one
    assert reason in str(caught.value)


def test_what_is_no_textgrid(tmp_path):
    for content, message in {
        b"hello\nworld\n": ":1: is not a whole TextGrid: it begins with",
        b"": ":1: is not a whole TextGrid",
        b"File type\n\xff": ":2: is neither UTF-8 nor UTF-16 text",
    }.items():
        path = tmp_path / "u1.TextGrid"
        path.write_bytes(content)
        with pytest.raises(UserError) as caught:
            read_textgrid(path)
        assert f"{path}{message}" in str(caught.value)


def test_a_reversed_file_is_no_textgrid(tmp_path):
    path = _praat(tmp_path, {"words": WORDS})
    path.write_text("\n".join(reversed(path.read_text(encoding="utf-8").splitlines())))
    with pytest.raises(UserError, match=r"u1.TextGrid:\d+: is not a whole TextGrid"):
        read_textgrid(path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("xmax = 1.9", "xmax = 1.0", "past the end of its tier"),
        ("intervals: size = 6", "intervals: size = 5", "it goes on after its last tier"),
        ("<exists>", "<absent>", "the flag <exists> is missing"),
        ("IntervalTier", "Tier", "neither IntervalTier nor TextTier"),
        ("xmin = 0.5", "xmin =! 0.5!", "is where a number must be"),
        ("xmin = 0.5", "xmin = 0_5", "is where a number must be"),
    ],
)
def test_damage_between_the_intervals_is_seen(tmp_path, old, new, message):
    path = _praat(tmp_path, {"words": WORDS})
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(UserError, match=rf"u1.TextGrid:\d+: is not a whole TextGrid: .*{message}"):
        read_textgrid(path)


def test_words_of_the_format_that_praat_ignores_may_differ(tmp_path):
    path = _praat(tmp_path, {"words": WORDS})
    text = path.read_text(encoding="utf-8").replace("xmin", "start").replace("[1]", "[one]")
    path.write_text(text, encoding="utf-8")
    assert read_textgrid(path) == {"u1": WORDS}


def test_praat_gets_intervals_it_can_draw(tmp_path):
    """Words without a length or a hair over each other are drawn; real overlaps are refused."""
    path = tmp_path / "u1.TextGrid"
    words = [Word("a", 0.0, 0.0), Word("b", 0.0, 0.0), Word("c", 0.0, 0.5), Word("d", 0.4995, 0.6)]
    write_textgrid(path, {"words": words}, duration=0.6)
    drawn = read_textgrid(path)["u1"]
    assert [word.word for word in drawn] == ["a", "b", "c", "d"]
    for word, original in zip(drawn, words, strict=True):
        assert word[1:] == pytest.approx(original[1:], abs=0.0021)
    with pytest.raises(UserError, match=r"'b' starts at 0.3 s, before the word above ends \(0.5"):
        write_textgrid(path, {"words": [Word("a", 0.0, 0.5), Word("b", 0.3, 0.6)]})


@pytest.mark.parametrize("unheard", [1, 3, 450])
def test_unheard_words_leave_heard_ones_their_times(tmp_path, unheard):
    path = tmp_path / "u1.TextGrid"
    heard = [Word("b", 0.208, 0.326), Word("c", 0.326, 3.03)]
    parts = [0.208] * unheard, [0.326] * unheard, [3.03] * unheard
    first, inner, last = ([Word(f"a{n}", t, t) for n, t in enumerate(part)] for part in parts)
    words = [*first, heard[0], *inner, heard[1], *last]
    write_textgrid(path, {"words": words}, 3.03)
    assert "xmax = 3.03 " in path.read_text()
    (drawn,) = read_textgrid(path).values()
    assert [word.word for word in drawn] == [word.word for word in words]
    assert all(word.end > word.start for word in drawn) and drawn[-1].end == 3.03
    for word in heard:
        (found,) = (one for one in drawn if one.word == word.word)
        assert found[1:] == pytest.approx(word[1:], abs=0.0011)
    assert drawn[unheard].start == 0.208  # there is time before it


def test_an_utterance_without_words(tmp_path):
    write_textgrid(tmp_path / "u1.TextGrid", {"words": []}, duration=1.5)
    assert read_textgrid(tmp_path / "u1.TextGrid") == {"u1": []}


def _praat(folder, tiers, form="long_textgrid", blanks=True):
    """A TextGrid as praatio writes it, which is not this package's writer."""
    last = max(end for words in tiers.values() for _, _, end in words) + 0.5
    grid = textgrid.Textgrid(0, last)
    for name, words in tiers.items():
        entries = [(start, end, label) for label, start, end in words]
        grid.addTier(textgrid.IntervalTier(name, entries, 0, last))
    grid.save(str(folder / "u1.TextGrid"), form, includeBlankSpaces=blanks)
    return folder / "u1.TextGrid"
