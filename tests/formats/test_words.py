"""Readers and writers of word times: every format, and every way to be unreadable."""

import shutil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from espnet_wabert.errors import UserError
from espnet_wabert.formats.aligned_files import UtteranceAlignment, write_labels
from espnet_wabert.formats.textgrid import write_textgrid
from espnet_wabert.formats.word import Word, is_silence, normalize_word
from espnet_wabert.formats.words import (
    cut_segments,
    detect_format,
    read_ids,
    read_words,
    write_ctm,
    write_json,
)

CTM = """;; a comment
a 1 0.10 0.30 Hello 0.98
a 1 0.40 0.10 <eps>
a 1 0.50 0.25 world 0.5
b 1 0.00 1.00 <sil>
"""
LIBRISPEECH = '84-121123-0000 ",GO,,DO,YOU," "0.490,0.890,1.000,1.20,1.5,2.09"\n'
BUCKEYE = """signal s0101a
type 0
color 121
#
    0.061250  122 {B_TRANS}; B_TRANS
    8.609813  121 <IVER>; S; S; null

    9.010000  121 okay; ow k ey; k ay; NN
    9.210000  121 the; dh ah; dh ah; DT
    9.500000  121 <LAUGH-yes>; y eh s; LAUGH; UH
"""


def test_ctm(tmp_path):
    path = _file(tmp_path / "x.ctm", CTM)
    times = read_words(path)
    assert times["a"] == [Word("Hello", 0.10, 0.40), Word("world", 0.50, 0.75)]
    assert times["b"] == []  # silence only, and yet there


@pytest.mark.parametrize("name", ["SA1.WRD", "sa1.wrd"])
def test_timit(tmp_path, name):
    folder = tmp_path / "test" / "DR1" / "faks0"
    _file(folder / name, "0 1600 she\n1600 8000 had\n")
    _file(folder / "SA1.PHN", "0 1600 sh\n")
    assert read_words(tmp_path) == {"FAKS0_SA1": [Word("she", 0.0, 0.1), Word("had", 0.1, 0.5)]}


def test_librispeech_gives_end_times_only(tmp_path):
    _file(tmp_path / "84" / "121123" / "84-121123.alignment.txt", LIBRISPEECH)
    expected = [Word("GO", 0.49, 0.89), Word("DO", 1.0, 1.2), Word("YOU", 1.2, 1.5)]
    assert read_words(tmp_path) == {"84-121123-0000": expected}


def test_buckeye(tmp_path):
    path = _file(tmp_path / "s0101a.words", BUCKEYE)
    assert read_words(path) == {"s0101a": [Word("okay", 8.609813, 9.01), Word("the", 9.01, 9.21)]}


def test_buckeye_time_that_runs_back_is_kept_and_reported(tmp_path, caplog):
    path = _file(tmp_path / "s.words", "#\n-1.0 122 <SIL>\n0.5 121 a\n0.4 121 b\n0.9 121 c\n")
    words = read_words(path)["s"]
    assert words == [Word("a", 0.0, 0.5), Word("b", 0.4, 0.4), Word("c", 0.4, 0.9)]
    assert f"{path}:4: time runs back from 0.5 to 0.4 s" in caplog.text


def test_pocketsphinx_json(tmp_path):
    content = '{"b":0,"d":1,"t":"and so","w":[{"b":0,"d":0.2,"p":0.9,"t":"<sil>"},'
    content += '{"b":0.2,"d":0.25,"p":0.9,"t":"and(2)"}]}'
    _file(tmp_path / "u1.json", content)
    _file(tmp_path / "u1.phone.json", content)  # written beside it; not an utterance of its own
    assert read_words(tmp_path) == {"u1": [Word("and(2)", 0.2, 0.45)]}


def test_formats_are_found_by_looking(tmp_path):
    for name, content in {"ctm": CTM, "librispeech": LIBRISPEECH, "buckeye": BUCKEYE}.items():
        assert detect_format(_file(tmp_path / "nameless", content)) == name
    assert detect_format(_file(tmp_path / "nameless", "0 1600 she\n")) == "wrd"
    assert detect_format(_file(tmp_path / "nameless", '{"a": {"words": []}}')) == "json"
    write_textgrid(tmp_path / "other", {"words": [Word("a", 0, 1)]})
    assert detect_format(tmp_path / "other") == "textgrid"


@pytest.mark.parametrize(
    ("label", "same"),
    [("Don't", "DONT"), ("don’t", "don't(2)"), ("e-mail,", "EMAIL"), ("É", "é"), ("ﬁve", "five")],
)
def test_normalized_words_are_the_same(label, same):
    assert normalize_word(label) == normalize_word(same) != ""


def test_labels_without_a_word_behind_them():
    for label in ("", "<eps>", "<s>", "</s>", "<SIL>", "[NOISE]", "[bracketed]", "!SIL", "h#"):
        assert is_silence(label) and is_silence(label, in_tier=True)
    for label in ("sil", "SP", "spn"):
        assert is_silence(label, in_tier=True) and not is_silence(label)
    for label in ("<unk>", "[UNK]", "silly", "<3", "--"):
        assert not is_silence(label, in_tier=True)


def test_punctuation_is_no_word():
    assert normalize_word("--") == normalize_word("'") == ""
    assert normalize_word("cat") != normalize_word("cats")


def test_buckeye_recordings_are_cut_by_segments(tmp_path):
    recordings = {"rec": [Word("a", 1.0, 1.5), Word("b", 1.9, 2.3), Word("c", 3.0, 3.2)]}
    segments = _file(tmp_path / "segments", "u1 rec 1.0 2.2\nu2 rec 2.9 3.5\n")
    times = cut_segments(recordings, segments)
    assert [word.word for word in times["u1"]] == ["a", "b"]  # b's middle, 2.1, lies inside
    assert times["u2"][0] == pytest.approx(("c", 0.1, 0.3))


times_strategy = st.dictionaries(
    st.text("abc123-_", min_size=1, max_size=6),
    st.lists(
        st.tuples(st.text("abcé'", min_size=1, max_size=4), st.integers(0, 9), st.integers(1, 30)),
        max_size=6,
    ).map(lambda steps: _spoken(steps)),
    min_size=1,
    max_size=4,
)


@settings(max_examples=30, deadline=None)
@given(times_strategy)
def test_what_is_written_is_read_again(tmp_path_factory, times):
    folder = tmp_path_factory.mktemp("times")
    write_ctm(folder / "a.ctm", times)
    write_json(folder / "a.json", times)
    for utt_id, words in times.items():
        write_textgrid(folder / "grids" / f"{utt_id}.TextGrid", {"words": words})
    for path in ("a.ctm", "a.json", "grids"):
        read = read_words(folder / path)
        assert {utt_id: [word.word for word in words] for utt_id, words in read.items()} == {
            utt_id: [word.word for word in words] for utt_id, words in times.items()
        }
        for utt_id, words in times.items():
            for word, again in zip(words, read[utt_id], strict=True):
                assert again[1:] == pytest.approx(word[1:], abs=1e-4)


def test_confidences_and_tiers_are_written(tmp_path):
    times, tokens = {"u": [Word("a", 0.0, 0.5)]}, [Word("##a", 0.0, 0.25), Word("b", 0.25, 0.5)]
    write_ctm(tmp_path / "x.ctm", times, {"u": [0.875]})
    assert (tmp_path / "x.ctm").read_text() == "u 1 0.0000 0.5000 a 0.8750\n"
    write_textgrid(tmp_path / "u.TextGrid", {"words": times["u"], "tokens": tokens}, 0.75)
    text = (tmp_path / "u.TextGrid").read_text()
    assert '"##a"' in text and "xmax = 0.75" in text
    assert read_words(tmp_path / "u.TextGrid") == times


BAD_FILES = {
    "short.ctm": ("a 1 0.1 0.2 x\na 1 0.1\n", "short.ctm:2: 3 fields, not 'utterance channel"),
    "number.ctm": ("a 1 zero 0.2 x\n", "number.ctm:1: start 'zero' is not a number"),
    "nan.ctm": ("a 1 0.1 nan x\n", "nan.ctm:1: duration is nan; it must be finite"),
    "back.ctm": ("a 1 0.1 -0.2 x\n", "back.ctm:1: word 'x' ends (-0.1 s) before it starts"),
    "early.ctm": ("a 1 -0.1 0.2 x\n", "early.ctm:1: word 'x' starts at -0.1 s"),
    "bytes.ctm": (b"a 1 0 1 x\n\xff\n", "bytes.ctm:2: is not UTF-8 text"),
    "a.wrd": ("0 1600 she\n1600 had\n", "a.wrd:2: 2 fields, not 'start_sample end_sample word'"),
    "samples.wrd": ("0.1 0.25 she\n", "samples.wrd:1: 0.1: not a whole number of samples"),
    "b.wrd": ("1600 0 she\n", "b.wrd:1: word 'she' ends (0 s) before it starts (0.1 s)"),
    "a.alignment.txt": ('u ",GO," "0.1,0.2"\n', "a.alignment.txt:1: 3 words but 2 end times in u"),
    "b.alignment.txt": ("u GO 0.1\n", 'b.alignment.txt:1: is not \'utterance ",WORDS,"'),
    "c.alignment.txt": (
        LIBRISPEECH * 2,
        "c.alignment.txt:2: utterance 84-121123-0000 occurs twice",
    ),
    "a.words": ("0.1 121 a\n", "a.words:1: has no line '#' that ends the header"),
    "b.words": ("#\n0.1\n", "b.words:2: is not 'end_time color label; ...'"),
    "a.json": ('{"a":\n {"words": [}}', "a.json:2: is not JSON: "),
    "b.json": ('{"a": [1]}', "b.json: utterance a has no list 'words'"),
    "c.json": ('{"a": {"words": [{"word": "x", "start": 1}]}}', "c.json: a word 1 lacks one of"),
    "ab.ctm": (
        "a A 0 1 x\na B 0.5 1 y\n",
        "ab.ctm:2: utterance a has channels A and B; part them into two",
    ),
    "d.json": ('{"w": [{"t": "x", "b": 1}]}', "is not a word with 't', 'b' and 'd'"),
    "e.json": ('{"a": {"words": []}, "a": {"words": []}}', "has a key more than once: a"),
    "f.json": ('{"a": {"words": [{"word": "x", "start": null, "end": 1}]}}', "start 'None' is not"),
    "strange": ("what is this\n", "strange:1: is in no known format of word times; name one:"),
    "empty": ("", "empty:1: is empty"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_an_unreadable_file_is_named_with_its_line(tmp_path, name):
    content, message = BAD_FILES[name]
    with pytest.raises(UserError) as caught:
        read_words(_file(tmp_path / name, content))
    assert message in str(caught.value) and str(tmp_path / name) in str(caught.value)


def test_folders_that_cannot_be_read(tmp_path):
    with pytest.raises(UserError, match="nowhere: no such file or folder"):
        read_words(tmp_path / "nowhere")
    with pytest.raises(UserError, match="holds no word times; name the format: ctm, wrd"):
        read_words(tmp_path)
    with pytest.raises(UserError, match=r"holds no file whose name ends in \.textgrid"):
        read_words(tmp_path, "textgrid")
    with pytest.raises(UserError, match="format 'mlf' is not one of ctm"):
        read_words(tmp_path, "mlf")
    first = _file(tmp_path / "one" / "x.ctm", CTM)
    shutil.copy(first, _file(tmp_path / "two" / "y.ctm", ""))
    with pytest.raises(UserError, match=r"y\.ctm: utterance a is also in .*x\.ctm"):
        read_words(tmp_path)
    _file(tmp_path / "x.words", BUCKEYE)
    with pytest.raises(UserError, match=r"several formats \(2 of ctm, 1 of buckeye\)"):
        read_words(tmp_path)
    with pytest.raises(UserError, match="is a folder, not a file"):
        read_ids(tmp_path)


def test_bad_lists_and_segments(tmp_path):
    with pytest.raises(UserError, match=r"ids:2: utterance a occurs twice"):
        read_ids(_file(tmp_path / "ids", "a x\na y\n"))
    with pytest.raises(UserError, match=r"ids:1: is empty"):
        read_ids(_file(tmp_path / "ids", "\n"))
    for content, message in {
        "u rec 1\n": "segments:1: 3 fields, not 'utterance recording start end'",
        "u other 1 2\n": "segments:1: recording other has no word times",
        "u rec 1 2\nu rec 2 3\n": "segments:2: utterance u occurs twice",
        "u rec one 2\n": "segments:1: time 'one' is not a number",
        "": "segments:1: is empty",
    }.items():
        with pytest.raises(UserError) as caught:
            cut_segments({"rec": []}, _file(tmp_path / "segments", content))
        assert message in str(caught.value)


def test_what_cannot_be_written(tmp_path):
    with pytest.raises(UserError, match="utterance u: 'a b' cannot be a word of a CTM"):
        write_ctm(tmp_path / "x.ctm", {"u": [Word("a b", 0, 1)]})
    with pytest.raises(UserError, match="utterance u: 0 confidences for 1 words"):
        write_ctm(tmp_path / "x.ctm", {"u": [Word("a", 0, 1)]}, {})
    assert not list(tmp_path.iterdir())  # and nothing is left half written


def _file(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def _spoken(steps):
    """Words one after the other: (label, pause, length), in hundredths of a second."""
    words, clock = [], 0
    for label, pause, length in steps:
        words.append(Word(label, (clock + pause) / 100, (clock + pause + length) / 100))
        clock += pause + length
    return words


def test_blanks_in_an_id_become_underscores_in_a_ctm(tmp_path):
    words = [Word("hello", 0.0, 0.5)]
    write_ctm(tmp_path / "words.ctm", {"my talk": words, "no\u00a0break": []}, None)
    assert read_words(tmp_path / "words.ctm")["my_talk"] == words
    with pytest.raises(UserError, match="utterances my talk and my_talk have one id, my_talk"):
        write_ctm(tmp_path / "x.ctm", {"my talk": words, "my_talk": words})


def test_a_label_of_audacity_is_one_line(tmp_path):
    write_labels(tmp_path / "u.txt", [Word("New\nYork\tCity", 0.0, 0.5), Word("is", 0.5, 1.0)])
    lines = (tmp_path / "u.txt").read_text().splitlines()
    assert lines == ["0.000000\t0.500000\tNew York City", "0.500000\t1.000000\tis"]


def test_a_folder_that_align_has_written_is_read(tmp_path):
    for tier in ("words", "subwords"):
        write_ctm(tmp_path / f"{tier}.ctm", {"u": [Word(tier, 0.0, 0.5)]})
    assert read_words(tmp_path) == {"u": [Word("words", 0.0, 0.5)]}


def test_what_align_writes_is_read_without_a_loss(tmp_path):
    said = ["sp", "Pau", "<sitting>", "[door]", "sil", "h#"]
    words = [Word(word, at, at + 0.5) for at, word in enumerate(said)]
    found = UtteranceAlignment(words, words, None, None, None, "cif", 8, 6.0)
    for name in ("u.json", "u.TextGrid"):
        found.save(tmp_path / name)
        silent: list[str] = []
        assert read_words(tmp_path / name, silent=silent) == {"u": words} and not silent
    write_textgrid(tmp_path / "u.TextGrid", {"words": [*words, Word("a", 6.0, 6.5)]})  # another's
    assert read_words(tmp_path / "u.TextGrid", silent=silent) == {"u": [Word("a", 6.0, 6.5)]}
    assert silent == said


@pytest.mark.parametrize(
    ("name", "content", "labels"),
    [
        ("u.ctm", "u 1 0 1 <jumps>\nu 1 1 1 a\nu 1 2 1 [NOISE]\n", ["<jumps>", "[NOISE]"]),
        ("u.alignment.txt", 'u ",<jumps>,A," "1,2,3,4"', ["<jumps>"]),
        ("u.words", "#\n1 121 <SIL>\n2 121 a; x\n3 121\n4 121 {E_TRANS}\n", ["<SIL>", "{E_TRANS}"]),
        ("u.json", '{"w": [{"t": "<s>", "b": 0, "d": 1}, {"t": "a", "b": 1, "d": 1}]}', ["<s>"]),
        ("u.TextGrid", None, ["sp", "<jumps>"]),
    ],
)
def test_what_is_taken_as_silence_is_told(tmp_path, name, content, labels):
    if content is None:
        words = [Word(label, at, at + 1.0) for at, label in enumerate(["sp", "a", "<jumps>"])]
        write_textgrid(tmp_path / name, {"words": words})
    else:
        (tmp_path / name).write_text(content)
    silent: list[str] = []
    (words,) = read_words(tmp_path / name, silent=silent).values()
    assert [word.word.lower() for word in words] == ["a"] and silent == labels
