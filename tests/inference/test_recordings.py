"""What people's folders hold: names, transcripts and files of many kinds."""

import io
import os
from concurrent.futures import ThreadPoolExecutor

import kaldiio
import numpy as np
import pytest
import soundfile
from tiny import VOCABULARY

from espnet_wabert.errors import UserError
from espnet_wabert.formats.lines import is_file_name
from espnet_wabert.inference.listing import audio_paths, is_list, transcripts
from espnet_wabert.inference.loading import process_all
from espnet_wabert.inference.recordings import (
    from_samples,
    load,
    many_recordings,
    one_recording,
    without_transcript,
)
from espnet_wabert.text.transcript import encode_transcript
from espnet_wabert.text.wordpiece import WordPieceTokenizer

NAMES = {  # of files that people have, and whether they can name the files of an alignment
    "Recording at 3.04.12\u202fPM": True, "می\u200cخواهم": True, "no\u00a0break": True,
    "👩\u200d🔬": True, "\u200fعربي": True, "two words": True, "a/b": False, "a\nb": False,
    "caf\udce9": False, "a\u2028b": False, "ж" * 121: False, ".": False, "": False,
}  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    for name in "abcd":
        soundfile.write(tmp_path / f"{name}.wav", np.full(8000, 0.1), 16000)
        (tmp_path / f"{name}.txt").write_text(f"the film {name}\n")
    return tmp_path


@pytest.mark.parametrize(("name", "can"), NAMES.items())
def test_names_of_files(name, can):
    assert is_file_name(name) == can


def test_a_name_in_another_code_is_skipped_alone(folder):
    """Its id could not be written: the results of all others would be lost."""
    bad = os.fsdecode(bytes(folder) + b"/caf\xe9.wav")
    os.rename(folder / "b.wav", bad)
    found = without_transcript([str(folder)])
    assert [r.utterance for r in found.recordings] == ["a", "c", "d"]
    assert list(found.skipped) == ["caf\udce9"]
    assert found.skipped["caf\udce9"].endswith("/caf\\udce9.wav: its name is not UTF-8 text")


def test_a_transcript_that_is_no_text_is_skipped_alone(folder):
    (folder / "b.txt").write_bytes("très bon".encode("latin-1"))
    (folder / "c.txt").write_text("très\nbon", encoding="utf-16")
    (folder / "._a.txt").write_bytes(b"\x00\x05\x16\x07\xff")  # as macOS adds them
    (folder / "._a.wav").write_bytes(b"\x00\x05\x16\x07\xff")
    found = many_recordings(str(folder), str(folder))
    assert {r.utterance: r.text for r in found.recordings} == {
        "a": "the film a", "c": "très bon", "d": "the film d",
    }  # fmt: skip
    assert found.skipped == {"b": f"{folder}/b.txt:1: is neither UTF-8 nor UTF-16 text"}


def test_recordings_of_other_formats_are_named(folder):
    (folder / "talk.m4a").write_bytes(b"\0\0\0\x20ftypM4A \0\n")
    assert not is_list(str(folder / "talk.m4a"))  # though its first line may be two words of UTF-8
    assert set(audio_paths([str(folder)])) == {"a", "b", "c", "d", "talk"}
    reason = without_transcript([str(folder)]).skipped["talk"]
    assert "talk.m4a: a format that is not read: libsndfile has no .m4a; convert it" in reason
    (folder / "inner").mkdir()
    with pytest.raises(UserError, match="no such file"):
        audio_paths([f"{folder}/inn*"])


def test_an_accent_may_have_another_code_in_the_name(folder):
    """As of files from macOS (NFD) and in lists from an editor (NFC)."""
    apart, one = "cafe\u0301", "caf\u00e9"
    os.rename(folder / "b.wav", folder / f"{apart}.wav")
    (folder / "text").write_text(f"a the film\n{one} two words\n", encoding="utf-8")
    found = many_recordings(str(folder), str(folder / "text"))
    assert {r.utterance: r.text for r in found.recordings} == {"a": "the film", apart: "two words"}
    alone = one_recording(str(folder / f"{apart}.wav"), str(folder / "text"))
    assert alone.recordings[0].text == "two words"
    assert transcripts(str(folder / "text"), [one, apart]).keys() == {"a", one}
    (folder / f"{one}.txt").write_text("good")
    alone = one_recording(str(folder / f"{apart}.wav"), str(folder))
    assert alone.recordings[0].text == "good"


def test_a_list_has_no_blank_in_an_id(folder):
    """As `wabert transcribe --out text` writes it."""
    os.rename(folder / "b.wav", folder / "my talk.wav")
    (folder / "text").write_text("a the film\nmy_talk two words\n")
    found = many_recordings(str(folder), str(folder / "text"))
    assert {r.utterance: r.text for r in found.recordings} == {
        "a": "the film", "my talk": "two words",
    }  # fmt: skip
    alone = one_recording(str(folder / "my talk.wav"), str(folder / "text"))
    assert alone.recordings[0].text == "two words"


def test_the_transcript_of_one_recording(folder):
    def text_of(given) -> str:
        return one_recording(str(folder / "a.wav"), str(given)).recordings[0].text

    assert text_of(folder) == text_of(folder / "a.txt") == "the film a"
    (folder / "text").write_text("b two words\na one more film\n")
    assert text_of(folder / "text") == "one more film"
    (folder / "a.lab").write_text("a is a word here")
    assert text_of(folder / "a.lab") == "a is a word here"
    assert text_of("what was said") == "what was said"
    (folder / "a.srt").write_text("1\n00:00:00,000 --> 00:00:01,500\ngood film\n")
    with pytest.raises(UserError, match=r"a.srt: has the times of subtitles"):
        text_of(folder / "a.srt")
    (folder / "a.txt").unlink()
    with pytest.raises(UserError, match=r"b.LAB: no such file"):
        text_of(folder / "b.LAB")
    (folder / "a.lab").unlink()
    with pytest.raises(UserError, match="no transcript of a in this folder"):
        text_of(folder)
    with pytest.raises(UserError, match="not UTF-8"):
        text_of("caf\udce9")


def test_a_blank_in_a_path_changes_nothing(folder, monkeypatch):
    monkeypatch.chdir(folder)
    audio, docs = str(folder / "a.wav"), folder / "my docs"
    docs.mkdir()
    (docs / "t.txt").write_text("b is here\na good film\n")
    (docs / "u.text").write_text("b is here\na good film\n", encoding="utf-16")
    os.mkfifo(docs / "pipe")
    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit((docs / "pipe").write_text, "through a pipe\n")
        texts = [
            one_recording(audio, f"my docs/{name}").recordings[0].text
            for name in ("t.txt", "u.text", "pipe")
        ]
        writing.result()
    assert texts == ["b is here a good film", "good film", "through a pipe"]
    for missing in ("missing.txt", "my docs/talk", "./my talk", "/no/such talk", "t.CSV"):
        with pytest.raises(UserError, match=f"{missing}: no such file"):
            one_recording(audio, missing)
    for text in ("both and/or 24/7", "AC/DC", "about asp.net", "x" * 5000 + "/x"):
        assert one_recording(audio, text).recordings[0].text == text


def test_what_is_not_read_is_named(folder):
    kinds = "wave snd bwf avi mpg wmv m4v flv mp2 mpga spx pcm ac3 ape dss".split()
    for kind in kinds:
        (folder / f"{kind}.{kind}").write_bytes(b"no audio")
    (folder / "notes.md").write_text("no recording")
    (folder / "speaker/one").mkdir(parents=True)
    (folder / "speaker/one/x.wav").write_bytes(b"")
    (folder / "empty").mkdir()
    found = without_transcript([str(folder)])
    assert set(found.skipped) == set(kinds) and len(found.recordings) == 4
    assert found.notes == [f"1 sub-folders of {folder} are not read: speaker"]
    with pytest.raises(UserError, match=r"no audio file in this folder; 1 sub-folders of .*: one"):
        without_transcript([str(folder / "speaker")])
    (folder / "d.txt").unlink()
    (folder / "e.txt").write_text("the film e")
    aligned = many_recordings(str(folder), str(folder))
    assert f"1 sub-folders of {folder} are not read: speaker" in aligned.notes
    assert aligned.alone == {
        **dict.fromkeys([*kinds, "d"], f"has no transcript in {folder}"),
        "e": f"has no recording in {folder}",
    }


def test_names_that_become_one_id_are_refused_at_once(folder):
    for name in ("x y", "x_y"):
        (folder / f"{name}.wav").write_bytes((folder / "a.wav").read_bytes())
    with pytest.raises(UserError, match=r"x_y.wav: utterance id 'x_y' is also that of .*/x y.wav"):
        audio_paths([str(folder)])


@pytest.mark.parametrize("stdin", [None, io.TextIOWrapper(io.BytesIO())])
def test_standard_input_that_cannot_be_read_is_skipped_alone(folder, monkeypatch, stdin):
    monkeypatch.setattr("sys.stdin", stdin)
    found = without_transcript(["-", str(folder / "a.wav")])
    assert [r.utterance for r in found.recordings] == ["a"]
    reason = "zero-length file: 0 bytes" if stdin else "standard input is closed"
    assert found.skipped == {"stdin": reason}
    with pytest.raises(UserError, match=f"recording stdin: {reason}"):
        one_recording("-", "the film")


def test_only_results_in_files_need_the_name_of_one(folder):
    (folder / "wav.scp").write_text(f"speaker/one {folder}/a.wav\n")
    sources = [str(folder / "wav.scp")]
    assert [r.utterance for r in without_transcript(sources).recordings] == ["speaker/one"]
    assert "cannot name a file" in without_transcript(sources, to_files=True).skipped["speaker/one"]


def test_a_line_of_a_list_without_a_path_is_named(tmp_path):
    scp = tmp_path / "wav.scp"
    scp.write_text("a a.wav\nb\n")
    with pytest.raises(UserError, match=r"wav\.scp: utterance b has no path$"):
        audio_paths([str(scp)])


def test_the_head_of_a_large_file_tells_that_it_is_no_list(tmp_path):
    film = tmp_path / "film.mkv"
    film.write_bytes(b"\x1aE\xdf\xa3")
    os.truncate(film, 1 << 40)  # without blocks on the disk; more than the memory
    assert not is_list(str(film))


def test_damaged_features_are_skipped(folder):
    ark = folder / "feats.ark"
    kaldiio.save_ark(str(ark), {u: np.ones((9, 4), np.float32) for u in "ab"}, scp=f"{folder}/x")
    scp = folder / "feats.scp"
    (folder / "text").write_text("a one\nb two\nc three\n")
    scp.write_text((folder / "x").read_text() + f"c {folder}/c.wav\n")
    (folder / "utt2num_frames").write_text("a 9\nb 9\n")
    ark.write_bytes(ark.read_bytes()[:-20])
    found = many_recordings(str(scp), str(folder / "text"))
    kinds = {r.utterance: r.rate for r in found.recordings}
    assert kinds == {"a": None, "b": None, "c": 16000}
    first, second, _ = found.recordings
    assert load(first).shape == (9, 4)
    with pytest.raises(UserError, match=r"utterance b: .*feats.ark:\d+ cannot be read"):
        load(second)
    (folder / "utt2num_frames").write_text("a 9\nb nine\n")
    with pytest.raises(UserError, match="utterance b: number of frames 'nine' is not a number"):
        many_recordings(str(scp), str(folder / "text"))


def test_features_may_lie_in_a_folder_with_a_blank(tmp_path):
    folder = tmp_path / "my features"
    folder.mkdir()
    ark, scp = folder / "feats.ark", folder / "feats.scp"
    kaldiio.save_ark(str(ark), {"a": np.ones((9, 4), np.float32)}, scp=str(scp))
    (folder / "utt2num_frames").write_text("a 9\n")
    (folder / "text").write_text("a one\n")
    found = many_recordings(str(scp), str(folder / "text"))
    assert found.skipped == {} and load(found.recordings[0]).shape == (9, 4)


def test_samples_without_sign_have_their_zero_in_the_middle():
    silence = from_samples("u", np.full(800, 128, np.uint8), 16000, None)
    assert silence.samples is not None and np.abs(silence.samples).max() < 0.01


def test_integers_and_floats_of_16_bits_are_16_bit_samples():
    samples = np.arange(-8000, 8000)
    expected = from_samples("u", samples.astype(np.int16), 16000, None).samples
    assert expected is not None and 0.2 < expected.max() < 0.3
    for kind in (np.int32, np.int64, np.float32, np.float64):
        found = from_samples("u", samples.astype(kind), 16000, None).samples
        np.testing.assert_allclose(found, expected, atol=1e-4)


def test_samples_of_no_numbers_are_refused():
    with pytest.raises(UserError, match="recording u: <U1 samples"):
        from_samples("u", np.array(["a"] * 800), 16000, None)


def test_a_recording_that_the_model_refuses_is_skipped_alone(folder):
    def function(recordings, speech):
        if any(r.utterance == "b" for r in recordings):
            raise UserError("the scores are not finite")
        return [len(one) for one in speech]

    done: dict[str, int] = {}
    given = without_transcript([str(folder)]).recordings
    skipped = process_all(given, function, done.__setitem__)
    assert skipped == {"b": "the scores are not finite"} and set(done) == {"a", "c", "d"}


def test_what_is_not_spoken_is_no_token():
    tokenizer = WordPieceTokenizer(VOCABULARY)
    found = encode_transcript(tokenizer, "the good, film.")
    assert found.pieces == tokenizer.encode("the good film").pieces
    assert found.words == ["the", "good,", "film."]


def test_a_folder_of_transcripts_has_one_for_each(folder):
    (folder / "a.lab").write_text("another")
    with pytest.raises(UserError, match=r"a.txt: .*a.lab is a transcript of the same recording"):
        transcripts(str(folder))
