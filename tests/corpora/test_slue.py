"""SLUE-VoxCeleb preparation: labels, trimming, the blind test, v0.1, broken tables."""

import os

import pytest
from corpora_makers import (
    BLIND_COLUMNS,
    LABELS,
    SLUE_COLUMNS,
    cut,
    make_slue,
    prepare,
    slue_rows,
    write_audio,
    write_table,
)

from espnet_wabert.errors import UserError
from espnet_wabert.formats.kaldi import Segment


def test_labels_are_kept_or_dropped_and_counted(tmp_path):
    folder, summary = prepare(make_slue(tmp_path, "fine-tune", slue_rows(LABELS)), "fine-tune")
    assert folder.sentiment == {
        "id10001_abc_00000": "Neutral",
        "id10001_abc_00001": "Positive",
        "id10001_abc_00003": "Negative",
        "id10001_abc_00006": "Neutral",
    }
    assert folder.text["id10001_abc_00003"] == "word number 3"
    assert "labels: 1 Negative, 2 Neutral, 1 Positive" in summary
    assert "; 7 rows (the official split of v0.2 has 5777)" in summary
    assert "dropped: 1 <mixed>, 1 Disagreement, 1 empty" in summary


def test_trimming(tmp_path):
    corpus = make_slue(tmp_path, "dev", slue_rows(["Neutral"]))
    folder, summary = prepare(corpus)
    assert folder.segments == {"id10001_abc_00000": Segment("id10001_abc_00000", 0.25, 0.75)}
    assert folder.seconds == {"id10001_abc_00000": 0.5} and "trimmed by segments" in summary
    folder, summary = prepare(corpus, trim=False)
    assert folder.segments is None and "audio not trimmed" in summary
    assert folder.seconds == {"id10001_abc_00000": 1.0}


def test_spans_past_the_audio_are_cut_or_bad(tmp_path):
    rows = slue_rows(["Neutral", "Neutral"])
    rows[0]["end_second"] = "1.5"
    corpus = make_slue(tmp_path, "dev", rows)
    folder, summary = prepare(corpus)
    assert folder.segments["id10001_abc_00000"].end == 1.0 and "1 spans end after" in summary
    rows[0]["start_second"] = "1.25"
    write_table(corpus / "slue-voxceleb_dev.tsv", rows)
    with pytest.raises(UserError, match=r"dev.tsv:2: 1.25 to 1.5 s: .*span outside the audio"):
        prepare(corpus)
    assert "were cut" not in prepare(corpus, skip_bad=True)[1]


def test_separators_of_unicode_are_blanks_of_a_text(tmp_path):
    rows = slue_rows(["Neutral", "Positive"])
    rows[0]["normalized_text"] = "one\u2028two\x85three\x0bfour"
    folder, _ = prepare(make_slue(tmp_path, "dev", rows))
    assert folder.text["id10001_abc_00000"] == "one two three four"


def test_a_table_without_rows_is_named(tmp_path):
    corpus = make_slue(tmp_path, "dev", slue_rows(["Neutral"]))
    write_table(corpus / "slue-voxceleb_dev.tsv", [])
    with pytest.raises(UserError, match=r"slue-voxceleb_dev.tsv: no rows after the header"):
        prepare(corpus)


def test_columns_are_found_by_name(tmp_path):
    rows = slue_rows(LABELS)
    corpus = make_slue(tmp_path, "dev", rows)
    as_made, _ = prepare(corpus)
    write_table(corpus / "slue-voxceleb_dev.tsv", rows, tuple(reversed(SLUE_COLUMNS)))
    assert prepare(corpus)[0] == as_made


@pytest.mark.parametrize("column", ["id", "speaker_id", "normalized_text", "sentiment"])
def test_a_missing_column_is_named(tmp_path, column):
    columns = tuple(c for c in SLUE_COLUMNS if c != column)
    corpus = make_slue(tmp_path, "dev", slue_rows(["Neutral"]), columns)
    with pytest.raises(UserError, match=f"dev.tsv: column '{column}' is missing; the header has"):
        prepare(corpus)


def test_spans_are_needed_only_for_trimming(tmp_path):
    corpus = make_slue(tmp_path, "dev", slue_rows(["Neutral"]), SLUE_COLUMNS[:-2])
    with pytest.raises(UserError, match="column 'start_second' is missing"):
        prepare(corpus)
    assert prepare(corpus, trim=False)[0].segments is None


def test_the_blind_test_has_no_labels_and_says_so(tmp_path):
    corpus = make_slue(tmp_path, "test", slue_rows(LABELS), BLIND_COLUMNS, "test_blind")
    folder, summary = prepare(corpus, "test")
    assert len(folder.utt2spk) == 7
    assert folder.sentiment is folder.text is folder.segments is None
    assert "blind: no labels, no sentiment file" in summary
    assert "no transcripts, no text file" in summary and "audio not trimmed" in summary


def test_ids_without_their_speaker_get_it(tmp_path):
    rows = [{**row, "id": f"clip{n}"} for n, row in enumerate(slue_rows(["Neutral"] * 2))]
    folder, _ = prepare(make_slue(tmp_path, "dev", rows))
    assert list(folder.utt2spk) == ["id10001-clip0", "id10001-clip1"]


def test_an_unknown_label_is_left_out_and_counted(tmp_path):
    corpus = make_slue(tmp_path, "dev", slue_rows(["Neutral", "Angry"]))
    folder, summary = prepare(corpus)
    assert len(folder.utt2spk) == 1
    assert "0 empty, 1 of unknown labels (" in summary and "dev.tsv:3: 'Angry')" in summary


def test_a_table_without_a_usable_label_tells_its_labels(tmp_path):
    corpus = make_slue(tmp_path, "dev", slue_rows(["Angry", "<mixed>"]))
    message = r"dev.tsv: no usable label: labels: 0 Negative, .*1 <mixed>.*1 of unknown .*'Angry'"
    with pytest.raises(UserError, match=message):
        prepare(corpus)


def test_files_without_a_row_are_counted(tmp_path):
    corpus = make_slue(tmp_path, "dev", slue_rows(["Neutral"]))
    write_audio(corpus / "dev_raw" / "id10001_abc_00009.flac")
    for name in ("._id10001_abc_00000.flac", ".DS_Store"):
        (corpus / "dev_raw" / name).write_bytes(b"macOS")
    folder, summary = prepare(corpus)
    assert list(folder.utt2spk) == ["id10001_abc_00000"]
    assert "3 files without a row (.DS_Store)" in summary


@pytest.mark.parametrize(
    ("texts", "expected", "stray"),
    [
        (['a 3" disk', "b", "c"], ['a 3" disk', "b", "c"], 0),
        (['"opened', "b", 'closed"'], ['"opened', "b", 'closed"'], 2),
        (['"a ""whole"" field"', "b", "c"], ['a "whole" field', "b", "c"], 0),
        (['"a whole field"', '"x" y', "c"], ["a whole field", '"x" y', "c"], 1),
    ],
)
def test_stray_quotation_marks_are_counted(tmp_path, texts, expected, stray):
    """An unclosed one would swallow the lines after it."""
    corpus = make_slue(tmp_path, "dev", slue_rows(["Neutral"] * 3))
    table = corpus / "slue-voxceleb_dev.tsv"
    lines = table.read_text()
    for number, text in enumerate(texts):
        lines = lines.replace(f"word number {number}", text)
    table.write_text(lines)
    folder, summary = prepare(corpus)
    assert list(folder.text.values()) == expected
    assert ("stray quotation mark" in summary) == bool(stray)
    assert not stray or f"{stray} lines with a stray" in summary


def test_bad_audio_and_text(tmp_path):
    rows = slue_rows(["Neutral"] * 4)
    rows[3]["normalized_text"] = " "
    corpus = make_slue(tmp_path, "dev", rows)
    (corpus / "dev_raw" / "id10001_abc_00000.flac").unlink()
    cut(corpus / "dev_raw" / "id10001_abc_00001.flac", 0.5)
    with pytest.raises(UserError, match="bad utterances: 3 "):
        prepare(corpus)
    folder, summary = prepare(corpus, skip_bad=True)
    assert list(folder.utt2spk) == ["id10001_abc_00002"]
    for kind in (
        "transcript without audio",
        "truncated or damaged audio",
        "empty transcript",
    ):
        assert f"{kind} 1" in summary


def test_broken_tables_stop(tmp_path):
    corpus = make_slue(tmp_path, "dev", slue_rows(["Neutral"]))
    table = corpus / "slue-voxceleb_dev.tsv"
    good = table.read_text()
    table.write_text(good + good.splitlines()[1] + "\n")
    with pytest.raises(
        UserError, match=r"dev.tsv:3: id 'id10001_abc_00000' is also in .*dev.tsv:2"
    ):
        prepare(corpus, skip_bad=True)
    table.write_text(good + "one\ttwo\n")
    with pytest.raises(UserError, match="dev.tsv:3: 2 fields, but the header has 7"):
        prepare(corpus)
    table.write_text(good.replace("0.25", "soon"))
    with pytest.raises(UserError, match="dev.tsv:2: start_second is 'soon', not a number"):
        prepare(corpus)
    table.write_text(good.replace("0.25", ""))
    with pytest.raises(UserError, match="dev.tsv:2: no start_second or end_second"):
        prepare(corpus)
    table.write_text(good.replace("sentiment", "id"))
    with pytest.raises(UserError, match="dev.tsv:1: a column name occurs twice"):
        prepare(corpus)
    table.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="dev.tsv: not a table of tab-separated values"):
        prepare(corpus)
    table.unlink()
    with pytest.raises(UserError, match="slue-voxceleb_dev.tsv: no such file"):
        prepare(corpus)


def test_missing_folders_stop(tmp_path):
    with pytest.raises(UserError, match="nowhere: no such folder"):
        prepare(tmp_path / "nowhere")
    corpus = tmp_path / "slue-voxceleb"
    write_table(corpus / "slue-voxceleb_dev.tsv", slue_rows(["Neutral"]))
    with pytest.raises(UserError, match="dev_raw: no such folder, though"):
        prepare(corpus)


@pytest.fixture(scope="module")
def v02(tmp_path_factory):
    """A dev split with v0.2's 1,454 rows, of which 499 are of the moved speakers."""
    root = tmp_path_factory.mktemp("v02")
    old = ["Neutral"] * 784 + ["Positive"] * 167 + ["Negative"] * 3 + ["<mixed>"]
    moved = ["Neutral"] * 340 + ["Positive"] * 95 + ["Negative"] * 48 + ["Disagreement"] * 16
    rows = slue_rows(old[:500], "id10001") + slue_rows(old[500:], "id10400")
    rows += slue_rows(moved[:250], "id10270") + slue_rows(moved[250:], "id10309")
    corpus = root / "slue-voxceleb"
    write_table(corpus / "slue-voxceleb_dev.tsv", rows)
    source = write_audio(root / "one.flac", 1.0)
    (corpus / "dev_raw").mkdir()
    for row in rows:
        os.link(source, corpus / "dev_raw" / f"{row['id']}.flac")
    return corpus


def test_dev_of_v01_out_of_v02_where_the_counts_agree(v02):
    folder, summary = prepare(v02, version="v0.1")
    assert len(folder.utt2spk) == 954
    assert "labels: 3 Negative, 784 Neutral, 167 Positive; dropped: 1 <mixed>" in summary
    folder, summary = prepare(v02)
    assert len(folder.utt2spk) == 1437 and "954 of them are v0.1's dev set" in summary
    assert "the official split" not in summary
    listed = (v02.parent / "data/v01").read_text().split()
    assert len(set(listed)) == 954 and set(listed) < folder.utt2spk.keys()
    prepare(v02, version="v0.1")
    assert not (v02.parent / "data/v01").exists()


def test_dev_of_v01_stops_where_they_do_not(tmp_path):
    corpus = make_slue(tmp_path, "dev", slue_rows(LABELS))
    with pytest.raises(UserError, match="v0.1's dev cannot be identified.* there are 7 rows with"):
        prepare(corpus, version="v0.1")
    corpus = make_slue(tmp_path, "test", slue_rows(LABELS))
    with pytest.raises(UserError, match="7 rows, but v0.1's test has 4052"):
        prepare(corpus, "test", version="v0.1")
