"""SLUE-VoxCeleb from copies of the dataset on the Hub: its labels, its audio, damaged files."""

import io
import os
from pathlib import Path

import numpy as np
import pyarrow
import pytest
import soundfile
from corpora_makers import (
    BLIND_COLUMNS,
    LABELS,
    make_slue,
    noise,
    prepare,
    slue_rows,
    write_audio,
    write_table,
)
from pyarrow import parquet

from espnet_wabert.corpora.slue_hub import export_audio
from espnet_wabert.corpora.slue_voxceleb import prepare_slue
from espnet_wabert.errors import UserError
from espnet_wabert.formats.kaldi import read_folder


def hub_records(rows):
    """The rows as the hub dataset has them."""
    return [
        {
            "index": number,
            "id": row["id"],
            "audio": {"bytes": b"", "path": row["id"]},
            "speaker_id": row["speaker_id"],
            "normalized_text": row["normalized_text"],
            "sentiment": row["sentiment"],
            "start_second": 0.25,
            "end_second": 0.75,
            "local_path": "",
        }
        for number, row in enumerate(rows)
    ]


@pytest.mark.parametrize("kind", ["beside", "tsv", "parquet", "folder"])
def test_labels_of_the_test_split_from_a_copy_of_the_hub(tmp_path, kind):
    rows = slue_rows(LABELS)
    corpus = make_slue(tmp_path, "test", rows, BLIND_COLUMNS, "test_blind")
    labels = None
    if kind == "beside":
        write_table(corpus / "slue-voxceleb_test.tsv", rows)
    elif kind == "tsv":
        columns = ("index", "id", "sentiment", "start_second", "end_second", "normalized_text")
        labels = write_table(
            tmp_path / "labels.tsv", [{**row, "index": 1} for row in rows], columns
        )
    else:
        labels = tmp_path / "hub" / "voxceleb" / "test-00000-of-00001.parquet"
        labels.parent.mkdir(parents=True)
        parquet.write_table(pyarrow.Table.from_pylist(hub_records(rows)), labels)
        labels = labels if kind == "parquet" else tmp_path / "hub"
    folder, summary = prepare(corpus, "test", labels=labels)
    assert sorted(folder.sentiment.values()) == ["Negative", "Neutral", "Neutral", "Positive"]
    assert folder.text["id10001_abc_00000"] == "word number 0"
    assert folder.segments["id10001_abc_00000"].start == 0.25
    assert "dropped: 1 <mixed>, 1 Disagreement, 1 empty" in summary


def make_hub_copy(root, split: str, seconds: float, format: str = "FLAC"):
    """A copy of the hub's dataset with audio; its spans are 0.25 to 0.75 s."""
    records = hub_records(slue_rows(LABELS))
    for record in records:
        audio = write_audio(root / "audio" / f"{record['id']}.flac", seconds, format=format)
        record["audio"] = {"bytes": audio.read_bytes(), "path": audio.name}
    copy = root / "hub"
    for number, part in enumerate((records[:4], records[4:])):
        path = copy / "voxceleb" / f"{split}-0000{number}-of-00002.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        parquet.write_table(pyarrow.Table.from_pylist(part), path)
    other = copy / "voxpopuli" / f"{split}-00000-of-00001.parquet"
    other.parent.mkdir()
    parquet.write_table(pyarrow.Table.from_pylist([{"id": "x", "text": "y"}]), other)
    return copy


@pytest.mark.parametrize("format", ["FLAC", "WAV"])
@pytest.mark.parametrize("trimmed", [False, True])
def test_a_copy_of_the_hub_alone_is_enough(tmp_path, trimmed, format):
    """With the audio in it: whole, or trimmed to the spans."""
    copy = make_hub_copy(tmp_path, "test", 0.5 if trimmed else 1.0, format)
    folder, summary = prepare(copy, "test")
    assert sorted(folder.sentiment.values()) == ["Negative", "Neutral", "Neutral", "Positive"]
    assert set(folder.seconds.values()) == {0.5}
    assert (folder.segments is None) == trimmed
    assert ("the audio of this copy is trimmed" in summary) == trimmed
    first = next(iter(folder.wav.values()))
    assert soundfile.info(first).format == "FLAC" and tmp_path / "data/audio" in Path(first).parents
    assert prepare(copy, "test")[0] == folder


def test_the_audio_of_a_hub_copy_is_found_from_another_folder(tmp_path, monkeypatch):
    """../librispeech_wabert trains on it with --more_data."""
    copy = make_hub_copy(tmp_path, "test", 1.0)
    monkeypatch.chdir(tmp_path)
    prepare_slue("hub", "test", "data", trim=False)
    monkeypatch.chdir("/")
    paths = read_folder(copy.parent / "data").wav.values()
    assert len(paths) == 4 and all(Path(path).is_file() for path in paths)


def with_audio(copy, content: bytes):
    """Give the first recording of a copy another content."""
    with_first_row(copy, audio={"bytes": content, "path": "a.wav"})


def with_first_row(copy, **columns):
    path = next(copy.rglob("voxceleb/test-00000*"))
    records = parquet.read_table(path).to_pylist()
    records[0] |= columns
    parquet.write_table(pyarrow.Table.from_pylist(records), path)


def test_no_audio_of_a_hub_copy_is_written_outside_of_its_folder(tmp_path):
    copy = make_hub_copy(tmp_path, "test", 1.0)
    with_first_row(copy, id="../outside")
    with pytest.raises(UserError, match="'../outside': its id holds a '/'"):
        prepare(copy, "test")
    assert not list(tmp_path.rglob("outside*"))


def test_a_padded_id_of_a_hub_copy_has_its_audio(tmp_path):
    copy = make_hub_copy(tmp_path, "test", 1.0)
    with_first_row(copy, id=" id10001_abc_00000 ")
    assert "id10001_abc_00000" in prepare(copy, "test")[0].wav


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT", "DOUBLE"])
def test_the_audio_of_a_hub_copy_keeps_its_samples(tmp_path, subtype):
    copy, content = make_hub_copy(tmp_path, "test", 1.0), io.BytesIO()
    samples = noise(1.0)
    soundfile.write(content, samples, 16000, format="WAV", subtype=subtype)
    with_audio(copy, content.getvalue())
    folder, _ = prepare(copy, "test")
    written, _ = soundfile.read(folder.wav["id10001_abc_00000"])
    assert np.abs(written - samples).max() < 2**-15


def test_samples_of_a_hub_copy_that_are_no_numbers_are_named(tmp_path):
    copy, content = make_hub_copy(tmp_path, "test", 1.0), io.BytesIO()
    soundfile.write(content, np.full(16000, np.nan), 16000, format="WAV", subtype="FLOAT")
    with_audio(copy, content.getvalue())
    with pytest.raises(UserError, match="id10001_abc_00000: samples that are no numbers: sample 0"):
        prepare(copy, "test")


def test_the_files_of_the_hubs_own_conversion_are_found(tmp_path):
    """Its branch refs/convert/parquet has CONFIG/SPLIT/NUMBER.parquet."""
    copy = make_hub_copy(tmp_path, "test", 1.0)
    for path in list(copy.rglob("test-*.parquet")):
        path.parent.joinpath("test").mkdir(exist_ok=True)
        path.rename(path.parent / "test" / f"000{path.name[9]}.parquet")
    assert len(prepare(copy, "test")[0].sentiment) == 4
    with pytest.raises(UserError, match=r"nor validation/\*.parquet"):
        prepare(copy, "dev")


@pytest.mark.parametrize("seconds", [0.5, 1.0])
def test_a_row_at_the_start_does_not_tell_whether_a_copy_is_trimmed(tmp_path, seconds):
    copy = make_hub_copy(tmp_path, "test", seconds)
    with_first_row(copy, start_second=0.05, end_second=0.55)
    folder, summary = prepare(copy, "test")
    assert set(folder.seconds.values()) == {0.5}
    assert ("the audio of this copy is trimmed" in summary) == (seconds == 0.5)


@pytest.mark.parametrize("format", ["FLAC", "WAV"])
def test_another_copy_of_the_hub_replaces_the_audio(tmp_path, format):
    """Files with the same content stay, with their time."""
    out = tmp_path / "data"
    folder = prepare_slue(make_hub_copy(tmp_path / "1", "test", 1.0, format), "test", out).folder
    files = {path: os.stat(path).st_mtime_ns for path in folder.wav.values()}
    prepare_slue(make_hub_copy(tmp_path / "2", "test", 1.0, format), "test", out)
    assert files == {path: os.stat(path).st_mtime_ns for path in files}
    prepare_slue(make_hub_copy(tmp_path / "3", "test", 0.5, format), "test", out)
    assert {soundfile.info(path).duration for path in files} == {0.5}


def test_a_copy_of_the_hub_without_audio_stops(tmp_path):
    copy = tmp_path / "hub"
    copy.mkdir()
    records = hub_records(slue_rows(["Neutral"]))
    parquet.write_table(pyarrow.Table.from_pylist(records), copy / "test-0.parquet")
    with pytest.raises(UserError, match="id10001_abc_00000 has no audio, only a path to it"):
        prepare(copy, "test")
    with pytest.raises(UserError, match=r"hub: no validation-\*.parquet in this copy"):
        prepare(copy, "dev")


def test_labels_from_the_whole_dataset_leave_voxpopuli_out(tmp_path):
    rows = slue_rows(LABELS)
    corpus = make_slue(tmp_path, "test", rows, BLIND_COLUMNS, "test_blind")
    copy = make_hub_copy(tmp_path, "test", 1.0)
    folder, _ = prepare(corpus, "test", labels=copy)
    assert len(folder.sentiment) == 4


def test_labels_that_lack_utterances_stop(tmp_path):
    rows = slue_rows(LABELS)
    corpus = make_slue(tmp_path, "test", rows, BLIND_COLUMNS, "test_blind")
    labels = write_table(tmp_path / "labels.tsv", rows[1:])
    with pytest.raises(UserError, match="labels.tsv: 1 of the 7 ids of .* first is 'id10001_abc_0"):
        prepare(corpus, "test", labels=labels)
    with pytest.raises(UserError, match="none.tsv: no such file"):
        prepare(corpus, "test", labels=tmp_path / "none.tsv")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"empty: no test-\*.parquet in this copy"):
        prepare(corpus, "test", labels=tmp_path / "empty")
    (tmp_path / "bad.parquet").write_text("no parquet")
    with pytest.raises(UserError, match="bad.parquet: not a parquet table"):
        prepare(corpus, "test", labels=tmp_path / "bad.parquet")


@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1" + bytes(100) + b"PAR1"])
def test_a_damaged_copy_of_the_hub_is_named(tmp_path, content):
    (tmp_path / "hub").mkdir()
    (tmp_path / "hub/validation-0.parquet").write_bytes(content)
    with pytest.raises(UserError, match=r"validation-0.parquet: not a parquet table"):
        prepare_slue(tmp_path / "hub", "dev", tmp_path / "out")
    with pytest.raises(UserError, match=r"validation-0.parquet: not a parquet table"):
        export_audio(tmp_path / "hub", "dev", tmp_path / "audio")


def test_labels_are_for_the_test_split_only(tmp_path):
    """One option of the recipe gives them for all splits; the others have their own."""
    corpus = make_slue(tmp_path, "dev", slue_rows(LABELS))
    labels = write_table(tmp_path / "labels.tsv", slue_rows(LABELS)[1:])
    assert len(prepare(corpus, "dev", labels=labels)[0].sentiment) == 4
