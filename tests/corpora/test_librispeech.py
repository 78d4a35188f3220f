"""LibriSpeech preparation on a small corpus in the official layout, and on broken ones."""

import pytest
from corpora_makers import cut, make_librispeech, write_audio

from espnet_wabert.corpora.librispeech import prepare_librispeech
from espnet_wabert.errors import UserError
from espnet_wabert.formats.kaldi import read_folder
from espnet_wabert.formats.word import Word
from espnet_wabert.workers.processes import Processes

PART = "train-clean-100"


@pytest.fixture
def corpus(tmp_path):
    return make_librispeech(tmp_path)


def prepare(corpus, parts=(PART,), **options):
    return prepare_librispeech(corpus, parts, corpus.parent / "data", **options)


def test_the_folder(corpus):
    summary = prepare(corpus).summary
    folder = read_folder(corpus.parent / "data")
    assert len(folder.utt2spk) == 8 and set(folder.utt2spk.values()) == {"19", "198"}
    assert folder.text["19-207-0000"] == "go do you hear"
    assert folder.text["198-209-0001"] == "don't stop"
    assert folder.wav["19-207-0000"] == str(corpus / PART / "19" / "207" / "19-207-0000.flac")
    assert folder.words["19-207-0000"] == (
        Word("go", 0.1, 0.25),
        Word("do", 0.3, 0.4),
        Word("you", 0.4, 0.55),
        Word("hear", 0.55, 0.8),
    )
    assert set(folder.words) == {"19-207-0000", "198-207-0000"}
    assert set(folder.seconds.values()) == {1.0}
    assert folder.sentiment is folder.segments is None
    assert "8 utterances, 2 speakers" in summary and "left out as bad: 0" in summary
    assert f"{PART}: 8 transcripts (the official part has 28539)" in summary


def test_preparing_again_gives_the_same_bytes(corpus):
    prepare(corpus)
    before = {f.name: f.read_bytes() for f in (corpus.parent / "data").iterdir()}
    prepare(corpus)
    assert before == {f.name: f.read_bytes() for f in (corpus.parent / "data").iterdir()}


def test_two_parts_and_no_word_times(corpus):
    make_librispeech(corpus.parent, "dev-clean", speakers=("84",))
    prepare(corpus, [PART, "dev-clean"], word_times=False)
    folder = read_folder(corpus.parent / "data")
    assert len(folder.utt2spk) == 12 and folder.words is None


def test_alignments_of_other_words_are_dropped_and_counted(corpus):
    alignment = corpus / PART / "19" / "207" / "19-207.alignment.txt"
    alignment.write_text('19-207-0000 ",GO,AWAY," "0.1,0.25,0.3,1.0"\n')
    summary = prepare(corpus).summary
    assert "1 alignments dropped: not the transcript's words" in summary
    assert set(read_folder(corpus.parent / "data").words) == {"198-207-0000"}


def test_alignments_of_unknown_utterances_and_empty_files_are_counted(corpus):
    folder = corpus / PART / "19"
    with (folder / "207/19-207.alignment.txt").open("a") as file:
        file.write('19-207-9999 ",GO," "0.1,0.25,0.3"\n')
    summary = prepare(corpus).summary
    assert "1 alignments of unknown utterances" in summary and "empty" not in summary
    (folder / "207/19-207.alignment.txt").write_text("")
    assert "1 empty alignment files" in prepare(corpus).summary


def test_word_times_of_another_layout_are_counted(corpus):
    assert "TextGrid" not in prepare(corpus).summary
    (corpus / PART / "19/207/19-207-0000.TextGrid").touch()
    assert "1 TextGrid files ignored: word times are *.alignment" in prepare(corpus).summary
    assert "TextGrid" not in prepare(corpus, word_times=False).summary


def test_word_times_past_the_audio_are_dropped_and_counted(corpus):
    alignment = corpus / PART / "19" / "207" / "19-207.alignment.txt"
    alignment.write_text('19-207-0000 ",GO,DO,YOU,HEAR," "0.1,0.2,0.3,0.4,2.5,2.6"\n')
    summary = prepare(corpus).summary
    assert "word times for 1 of them (1 dropped: past the end of the audio)" in summary


def test_stereo_and_other_rates_are_kept_and_counted(corpus):
    chapter = corpus / PART / "19" / "207"
    write_audio(chapter / "19-207-0000.flac", 1.0, channels=2)
    write_audio(chapter / "19-207-0001.flac", 1.0, rate=8000)
    assert "convert 1 stereo and 1 not at 16000 Hz" in prepare(corpus).summary


def remove_audio(chapter):
    (chapter / "19-207-0001.flac").unlink()


def remove_transcript(chapter):
    lines = (chapter / "19-207.trans.txt").read_text().splitlines()
    (chapter / "19-207.trans.txt").write_text(lines[0])


def empty_transcript(chapter):
    (chapter / "19-207.trans.txt").write_text("19-207-0000 GO DO YOU HEAR\n19-207-0001\n")


def empty_file(chapter):
    (chapter / "19-207-0001.flac").write_bytes(b"")


def no_audio(chapter):
    (chapter / "19-207-0001.flac").write_text("hello")


def truncate(chapter):
    cut(chapter / "19-207-0001.flac", 0.7)


BAD = {
    remove_audio: "transcript without audio",
    remove_transcript: "audio without transcript",
    empty_transcript: "empty transcript",
    empty_file: "zero-length file",
    no_audio: "not an audio file",
    truncate: "truncated or damaged audio",
}


@pytest.mark.parametrize("damage", BAD, ids=lambda damage: damage.__name__)
def test_a_bad_utterance_stops_or_is_left_out_and_counted(corpus, damage):
    kind = BAD[damage]
    damage(corpus / PART / "19" / "207")
    data = corpus.parent / "data"
    with pytest.raises(UserError, match=rf"'19-207-0001': {kind}; bad utterances: 1 \({kind} 1\)"):
        prepare(corpus)
    assert not (data / "wav.scp").exists()
    summary = prepare(corpus, skip_bad=True).summary
    assert f"7 utterances, 2 speakers, 0.00 h; left out as bad: 1 ({kind} 1)" in summary
    assert (data / "bad.txt").read_text().startswith(f"19-207-0001\t{kind}\t{corpus}")
    assert "19-207-0001" not in read_folder(data).utt2spk


def test_a_mended_corpus_leaves_no_list_of_bad_utterances(corpus):
    flac = corpus / PART / "19" / "207" / "19-207-0001.flac"
    whole = flac.read_bytes()
    cut(flac, 0.5)
    prepare(corpus, skip_bad=True)
    flac.write_bytes(whole)
    prepare(corpus)
    assert not (corpus.parent / "data" / "bad.txt").exists()


@pytest.mark.parametrize("skip_bad", [False, True])
def test_a_chapter_without_transcripts_is_not_lost(corpus, skip_bad):
    (corpus / PART / "19" / "207" / "19-207.trans.txt").unlink()
    if skip_bad:
        assert "(audio without transcript 2)" in prepare(corpus, skip_bad=True).summary
    else:
        with pytest.raises(UserError, match="audio without transcript 2"):
            prepare(corpus)


def test_mistakes_that_stop(corpus):
    with pytest.raises(UserError, match="nowhere: no such folder; --corpus is the folder"):
        prepare(corpus.parent / "nowhere")
    with pytest.raises(UserError, match=f"dev-clean: no such part; .* holds {PART}"):
        prepare(corpus, ["dev-clean"])
    with pytest.raises(UserError, match="a part is named twice"):
        prepare(corpus, [PART, PART])
    (corpus / "empty").mkdir()
    with pytest.raises(UserError, match="empty: no transcripts"):
        prepare(corpus, ["empty"])


def test_transcripts_of_other_editors(corpus):
    """A byte order mark, a tab after the id, and blank lines."""
    prepare(corpus)
    before = read_folder(corpus.parent / "data")
    path = corpus / PART / "19" / "207" / "19-207.trans.txt"
    text = path.read_text().replace("0000 ", "0000\t").replace("\n", "\r\n\r\n")
    path.write_bytes(b"\xef\xbb\xbf\r\n" + text.encode())
    prepare(corpus)
    assert read_folder(corpus.parent / "data") == before


def test_lines_that_stop(corpus):
    chapter = corpus / PART / "19" / "207"
    good = (chapter / "19-207.trans.txt").read_text()
    (chapter / "19-207.trans.txt").write_text(good + "20-207-0002 MORE\n")
    with pytest.raises(UserError, match=r"19-207.trans.txt:3: id '20-207-0002' does not begin"):
        prepare(corpus)
    (chapter / "19-207.trans.txt").write_text(good + "19-207-0000 AGAIN\n")
    with pytest.raises(UserError, match=r"trans.txt:3: utterance id '19-207-0000' is also in .*:1"):
        prepare(corpus, skip_bad=True)
    (chapter / "19-207.trans.txt").write_bytes(b"19-207-0000 \xff\n")
    with pytest.raises(UserError, match=r"19-207.trans.txt:1: is not UTF-8"):
        prepare(corpus)
    (chapter / "19-207.trans.txt").write_text(good)
    (chapter / "19-207.alignment.txt").write_text('19-207-0000 ",GO," "0.1,0.2"\n')
    with pytest.raises(UserError, match=r"19-207.alignment.txt:1: 3 words but 2 end times"):
        prepare(corpus)


def test_processes_give_the_same_folder(corpus, monkeypatch):
    prepare(corpus)
    one = read_folder(corpus.parent / "data")
    monkeypatch.setattr("espnet_wabert.corpora.assemble.WORTH_A_WORKER", 2)
    with Processes(2) as workers:
        prepare(corpus, workers=workers)
    assert read_folder(corpus.parent / "data") == one
