"""TIMIT preparation: SPHERE audio, names in both cases, the core test set, bad label files."""

import pytest
from corpora_makers import make_timit, write_audio

from espnet_wabert.corpora.timit import CORE_SPEAKERS, OFFICIAL_COUNTS, prepare_timit
from espnet_wabert.errors import UserError
from espnet_wabert.formats.kaldi import read_folder
from espnet_wabert.formats.word import Word


def prepare(corpus, split="test", **options):
    summary = prepare_timit(corpus, split, corpus.parent / "data", **options).summary
    return read_folder(corpus.parent / "data"), summary


@pytest.mark.parametrize("lower", [False, True])
def test_the_folder_in_both_cases(tmp_path, lower):
    folder, summary = prepare(make_timit(tmp_path, lower=lower))
    assert folder.utt2spk == {"MDAB0_SX49": "MDAB0"}
    assert folder.text == {"MDAB0_SX49": "don't ask"}
    words = folder.words["MDAB0_SX49"]
    assert words[0] == Word("don't", 1601 / 16000, 5603 / 16000)
    assert words[1].start == 5603 / 16000 and words[1].end == pytest.approx(9001 / 16000, abs=1e-9)
    assert folder.seconds == {"MDAB0_SX49": 1.0}
    assert "1 label files (the official split has 1344)" in summary


def test_sa_sentences_on_demand(tmp_path):
    folder, _ = prepare(make_timit(tmp_path), sa=True)
    assert folder.text == {"MDAB0_SA1": "she had", "MDAB0_SX49": "don't ask"}


def test_core_is_24_speakers_of_the_test_set(tmp_path):
    assert len(CORE_SPEAKERS) == 24
    assert OFFICIAL_COUNTS["core", False] == 24 * 8
    assert OFFICIAL_COUNTS["test", True] + OFFICIAL_COUNTS["train", True] == 6300
    corpus = make_timit(tmp_path)
    make_timit(tmp_path, speaker="FAKS0")
    make_timit(tmp_path, split="TRAIN", speaker="FCJF0")
    assert set(prepare(corpus, "core")[0].utt2spk.values()) == {"MDAB0"}
    assert set(prepare(corpus, "test")[0].utt2spk.values()) == {"MDAB0", "FAKS0"}
    assert set(prepare(corpus, "train")[0].utt2spk.values()) == {"FCJF0"}


def test_a_converted_copy_beside_or_alone_is_one_utterance(tmp_path):
    corpus = make_timit(tmp_path)
    speaker = corpus / "TEST" / "DR1" / "MDAB0"
    write_audio(speaker / "SX49.WAV.wav", 1.0, format="WAV")
    assert prepare(corpus)[0].wav["MDAB0_SX49"].endswith("SX49.WAV")
    (speaker / "SX49.WAV").unlink()
    assert prepare(corpus)[0].wav["MDAB0_SX49"].endswith("SX49.WAV.wav")


@pytest.mark.parametrize(
    "missing, kind",
    [(".WAV", "transcript without audio"), (".WRD", "audio without transcript")],
)
def test_missing_files(tmp_path, missing, kind):
    corpus = make_timit(tmp_path)
    (corpus / "TEST" / "DR1" / "MDAB0" / f"SX49{missing}").unlink()
    with pytest.raises(UserError, match=f"'MDAB0_SX49': {kind}"):
        prepare(corpus)
    assert f"({kind} 1)" in prepare(corpus, sa=True, skip_bad=True)[1]


def test_bad_label_files(tmp_path):
    corpus = make_timit(tmp_path)
    labels = corpus / "TEST" / "DR1" / "MDAB0" / "SX49.WRD"
    labels.write_text("0 100 ask\n100 me\n")
    with pytest.raises(UserError, match="SX49.WRD:2: 2 fields"):
        prepare(corpus)
    labels.write_text("0 100 ask\n100 20 me\n")
    with pytest.raises(UserError, match="SX49.WRD:2: word 'me' ends"):
        prepare(corpus)
    labels.write_text("")
    with pytest.raises(UserError, match="SX49.WRD: utterance 'MDAB0_SX49': empty transcript"):
        prepare(corpus)


def test_overlapping_words_are_sorted_by_their_starts(tmp_path):
    corpus = make_timit(tmp_path)
    labels = corpus / "TEST" / "DR1" / "MDAB0" / "SX49.WRD"
    labels.write_text("0 900 don't\n800 1600 ask\n")
    assert [w.word for w in prepare(corpus)[0].words["MDAB0_SX49"]] == ["don't", "ask"]


def test_mistakes_that_stop(tmp_path):
    corpus = make_timit(tmp_path)
    with pytest.raises(UserError, match="nowhere: no such folder"):
        prepare(tmp_path / "nowhere")
    with pytest.raises(UserError, match="no folder TRAIN in it"):
        prepare(corpus, "train")
    with pytest.raises(UserError, match="--split dev"):
        prepare(corpus, "dev")
    (corpus / "TEST" / "DR1").rename(corpus / "TEST" / "other")
    with pytest.raises(UserError, match="no DR1-8/"):
        prepare(corpus)
    make_timit(tmp_path)
    make_timit(tmp_path, lower=True)
    with pytest.raises(UserError, match="the same name as .*, but for case"):
        prepare(corpus)


def test_hidden_files_are_no_utterances(tmp_path):
    corpus = make_timit(tmp_path)
    (corpus / "TEST/DR1/MDAB0/._SX49.WAV").write_bytes(b"\0\x05\x16\x07")
    assert set(prepare(corpus)[0].utt2spk) == {"MDAB0_SX49"}
