"""Kaldi data folders: round trips, and every broken rule named with file and line."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from espnet_wabert.corpora.combine import combine
from espnet_wabert.errors import UserError
from espnet_wabert.formats.kaldi import (
    DataFolder,
    Segment,
    read_folder,
    scan_folder,
    subset,
    write_folder,
)
from espnet_wabert.formats.word import Word

names = st.text("abcdefzZ0189_-.é中", min_size=1, max_size=6).filter(lambda s: s[0] != ".")
spoken = st.lists(
    st.text("abc'é中", min_size=1, max_size=5).filter(lambda word: word.strip("'")),
    min_size=1,
    max_size=4,
)
samples_at_16k = st.integers(0, 16000 * 40).map(lambda n: n / 16000)


@st.composite
def folders(draw) -> DataFolder:
    """Valid folders with any choice of the optional files."""
    utts = draw(st.lists(names, min_size=1, max_size=6, unique=True))
    spk = draw(names)
    utts = [f"{spk}-{utt}" for utt in utts]
    texts = {utt: draw(spoken) for utt in utts}
    words = {}
    for utt in draw(st.lists(st.sampled_from(utts), unique=True)):
        starts = sorted(draw(samples_at_16k) for _ in texts[utt])
        words[utt] = tuple(
            Word(w, s, s + draw(samples_at_16k)) for w, s in zip(texts[utt], starts, strict=True)
        )
    segments = {utt: Segment(f"rec-{utt}", 0.5, 0.5 + 1 / 16000) for utt in utts}
    segments = draw(st.sampled_from([None, segments]))

    def maybe(table):
        return draw(st.sampled_from([None, table]))

    return DataFolder(
        wav={(f"rec-{u}" if segments else u): f"/a folder/{u}.flac" for u in utts},
        utt2spk=dict.fromkeys(utts, spk),
        text={utt: " ".join(text) for utt, text in texts.items()},
        sentiment=maybe(dict.fromkeys(utts, "Neutral")),
        segments=segments,
        words=words or None,
        speed=maybe(dict.fromkeys(utts, 0.9)),
        seconds=maybe(dict.fromkeys(utts, 1e6)),
        samples=maybe(dict.fromkeys(utts, 16001)),
    )


@settings(max_examples=60, deadline=None)
@given(folder=folders())
def test_round_trip(tmp_path_factory, folder):
    path = tmp_path_factory.mktemp("data")
    write_folder(folder, path)
    again = read_folder(path)
    assert again._replace(words=None) == folder._replace(words=None)
    assert (again.words or {}).keys() == (folder.words or {}).keys()
    for utt, words in (folder.words or {}).items():
        for ours, theirs in zip(again.words[utt], words, strict=True):
            assert ours.word == theirs.word and ours.start == theirs.start
            assert abs(ours.end - theirs.end) < 1e-6
    for file in path.iterdir():
        keys = [line.split()[0] for line in file.read_text().splitlines()]
        assert keys == sorted(keys)
    before = {file.name: file.read_bytes() for file in path.iterdir()}
    states = {file.name: file.stat() for file in path.iterdir()}
    write_folder(again, path)
    assert before == {file.name: file.read_bytes() for file in path.iterdir()}
    for name, state in states.items():  # the same files, with their times
        now = (path / name).stat()
        assert (now.st_ino, now.st_mtime_ns) == (state.st_ino, state.st_mtime_ns), name


FILES = {
    "wav.scp": "a-1 /x/1.flac\na-2 /x/2.flac\nb-1 /x/3.flac\n",
    "utt2spk": "a-1 a\na-2 a\nb-1 b\n",
    "spk2utt": "a a-1 a-2\nb b-1\n",
    "text": "a-1 good film\na-2 bad\nb-1 so so\n",
    "words.ctm": "a-1 1 0.1 0.2 good\na-1 1 0.4 0.2 film\n",
    "segments": None,
    "utt2num_samples": None,
}


def put(path, **changes):
    path.mkdir(exist_ok=True)
    for name, content in {**FILES, **{k.replace("__", "."): v for k, v in changes.items()}}.items():
        if content is not None:
            (path / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_a_valid_folder_has_no_problems(tmp_path):
    assert scan_folder(put(tmp_path / "d")).problems == []


@pytest.mark.parametrize(
    "changes, expected",
    [
        ({"text": "a-2 bad\na-1 good film\nb-1 x\n"}, "d/text:2: 'a-1' after 'a-2'; sort with"),
        ({"text": "a-1 x\na-1 x\n"}, "d/text:2: 'a-1' occurs twice"),
        ({"text": "a-1 good film\na-2\nb-1 x\n"}, "d/text:2: nothing after the id 'a-2'"),
        ({"text": "a-1 good film\n\na-2 x\nb-1 x\n"}, "d/text:2: blank line"),
        ({"text": b"a-1 good film\na-2 \xff\nb-1 x\n"}, "d/text:2: not UTF-8 text"),
        ({"text": ""}, "d/text: empty"),
        ({"text": "a-1 good film\nb-1 x\n"}, "d/text: utterance 'a-2' of utt2spk is missing"),
        (
            {"text": "a-1 good film\na-2 x\nb-1 x\nc-1 x\n"},
            "d/text: utterance 'c-1' is not in utt2spk",
        ),
        ({"wav__scp": "a-1 sox x |\na-2 /x\nb-1 /x\n"}, "d/wav.scp:1: 'a-1': a pipe"),
        ({"wav__scp": "a-1 /x\na-2 /x\n"}, "d/wav.scp: utterance 'b-1' of utt2spk is missing"),
        ({"utt2spk": "a-1 a\na-2 a b\nb-1 b\n"}, "d/utt2spk:2: 'a-2': expected one word"),
        ({"utt2spk": "a-1 z\na-2 a\nb-1 b\n"}, "d/utt2spk: 'a-2' of 'a' comes after 'a-1' of 'z'"),
        ({"spk2utt": "a a-1\nb b-1\n"}, "d/spk2utt: speaker 'a' does not have the utterances"),
        ({"words__ctm": "a-1 1 0.1 good\n"}, "d/words.ctm:1: 4 fields"),
        ({"words__ctm": "a-1 1 0.1 -2 good\n"}, "d/words.ctm:1: word 'good' ends"),
        (
            {"words__ctm": "a-1 1 0.1 0.2 good\n"},
            "d/words.ctm: 'a-1': its words are not the words of text",
        ),
        (
            {"words__ctm": "a-1 1 0.5 0.2 good\na-1 1 0.1 0.1 film\n"},
            "d/words.ctm: 'a-1': word times are negative or out of order",
        ),
        (
            {"segments": "a-1 r 0 1\na-2 r 1 1\nb-1 r 1 2\n", "wav__scp": "r /x\n"},
            "d/segments: 'a-2': no time from 1.0 to 1.0 s",
        ),
        (
            {"segments": "a-1 r 0 1\na-2 q 1 2\nb-1 r 1 2\n", "wav__scp": "r /x\n"},
            "d/segments: 'a-2': recording 'q' is not in wav.scp",
        ),
        ({"utt2num_samples": "a-1 1\na-2 1.5\nb-1 2\n"}, "d/utt2num_samples:2: 'a-2': '1.5' is"),
        ({"utt2num_samples": "a-1 0\na-2 1\nb-1 2\n"}, "d/utt2num_samples:1: 'a-1': '0' is"),
    ],
)
def test_each_broken_rule_is_named(tmp_path, changes, expected):
    problems = scan_folder(put(tmp_path / "d", **changes)).problems
    assert any(expected in problem for problem in problems), problems
    with pytest.raises(UserError, match=r"^[^\n]+$"):
        read_folder(tmp_path / "d")


@pytest.mark.parametrize("name", ["wav.scp", "utt2spk", "spk2utt"])
def test_a_missing_file_is_named(tmp_path, name):
    path = put(tmp_path / "d")
    (path / name).unlink()
    with pytest.raises(UserError, match=f"d/{name}: missing"):
        read_folder(path)


def test_a_missing_folder_and_a_needed_file_are_named(tmp_path):
    with pytest.raises(UserError, match="nowhere: no such data folder"):
        read_folder(tmp_path / "nowhere")
    with pytest.raises(UserError, match="d/sentiment: missing, and needed"):
        read_folder(put(tmp_path / "d"), need=["text", "sentiment"])


def simple(*utts, **fields) -> DataFolder:
    return DataFolder(
        wav={utt: f"/x/{utt}.flac" for utt in utts}, utt2spk={utt: utt[0] for utt in utts}, **fields
    )


def test_words_after_the_end_of_the_audio_are_named(tmp_path):
    words = {"a1": (Word("x", 0.0, 99999.5),)}
    folder = simple("a1", text={"a1": "x"}, words=words, seconds={"a1": 1.5})
    message = r"words.ctm: 'a1': a word ends at 99999.5 s, after the audio \(1.5 s\)"
    with pytest.raises(UserError, match=message):
        write_folder(folder, tmp_path)
    near = folder._replace(words={"a1": (Word("x", 0.0, 1.55),)})
    write_folder(near, tmp_path)
    assert read_folder(tmp_path).words == near.words


@pytest.mark.parametrize("utt", ["a b", "a/b", ".a", "a\u00a0b"])
def test_ids_that_are_no_file_names_are_not_written(tmp_path, utt):
    with pytest.raises(UserError, match="an id is one word"):
        write_folder(simple(utt), tmp_path / "d")


def test_rewriting_removes_what_the_new_folder_lacks_and_nothing_else(tmp_path):
    path = tmp_path / "d"
    write_folder(simple("a1", "a2", sentiment={"a1": "Neutral", "a2": "Positive"}), path)
    (path / "notes.txt").write_text("mine")
    write_folder(simple("a1"), path)
    assert {f.name for f in path.iterdir()} == {"wav.scp", "utt2spk", "spk2utt", "notes.txt"}


def test_an_invalid_folder_leaves_the_old_one(tmp_path):
    path = tmp_path / "d"
    write_folder(simple("a1"), path)
    with pytest.raises(UserError, match="text: utterance 'a1' of utt2spk is missing"):
        write_folder(simple("a1", text={}), path)
    assert read_folder(path) == simple("a1")


def test_subset_keeps_only_the_recordings_it_needs():
    folder = simple("a1", "a2")._replace(
        wav={"r1": "/1", "r2": "/2"},
        segments={"a1": Segment("r1", 0, 1), "a2": Segment("r2", 0, 1)},
    )
    assert subset(folder, ["a2"]).wav == {"r2": "/2"}
    assert subset(folder, ["a2"]).utt2spk == {"a2": "a"}


def test_combine_merges_and_keeps_what_all_have():
    one = simple("a1", seconds={"a1": 1.0}, text={"a1": "x"}, words={"a1": (Word("x", 0, 1),)})
    two = simple("b1", text={"b1": "y"})
    both = combine([("one", one), ("two", two)])
    assert list(both.utt2spk) == ["a1", "b1"] and both.text == {"a1": "x", "b1": "y"}
    assert both.words == one.words and both.seconds is None and both.speed is None


@pytest.mark.parametrize(
    "one, two, expected",
    [
        (simple("a1"), simple("a1"), "two: utterance 'a1' is also in one"),
        (simple("a1", text={"a1": "x"}), simple("b1"), "two/text: missing, but one has one"),
        (
            simple("a1", segments={"a1": Segment("a1", 0, 1)}),
            simple("b1"),
            "two/segments: missing, but one has one; run format_wav",
        ),
    ],
)
def test_combine_refuses_to_lose_anything(one, two, expected):
    with pytest.raises(UserError, match=expected):
        combine([("one", one), ("two", two)])
