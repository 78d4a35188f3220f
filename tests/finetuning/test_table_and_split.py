"""The csv of `wabert finetune` and its split."""

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from espnet_wabert.errors import UserError
from espnet_wabert.finetuning.split import split_clips
from espnet_wabert.finetuning.table import SPLITS, Clip, read_clips

CSV = Path("data.csv")


def write(folder: Path, header: str, *rows: str, name: str = "data.csv") -> Path:
    (folder / name).write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return folder / name


def rows(*labels: str) -> list[str]:
    return [f"{label}{n}.wav,{label}" for label in labels for n in range(3)]


def test_a_csv_is_read(tmp_path):
    table = read_clips(
        write(
            tmp_path, "path,label,text,when,split", "a.wav,calm,\"Well, 12!\",x,Train",
            'b.wav,angry,"no, no",x,dev', *(f"c{n}.wav,{x},hm,x,test" for n, x in
            enumerate(["calm", "calm", "angry", "angry"])),
        )
    )  # fmt: skip
    assert table.labels == ["angry", "calm"]
    first, second, *_ = table.clips
    assert first.path == str(tmp_path / "a.wav") and first.text == "Well twelve"
    assert first.where == f"{tmp_path}/data.csv:2"
    assert (first.split, second.split, second.text) == ("train", "valid", "no no")
    assert table.columns == ["path", "label", "text", "split"]
    assert table.notes == [f"{tmp_path}/data.csv: columns that are not used: when"]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])  # both of Excel
@pytest.mark.parametrize("delimiter", [",", "\t", ";"])
def test_every_delimiter_and_a_byte_order_mark(tmp_path, delimiter, encoding):
    lines = [line.replace(",", delimiter) for line in (" Path ,LABEL", *rows("very sad", "b"))]
    path = tmp_path / "data.tsv"
    path.write_text("\r\n".join(lines) + "\r\n\r\n", encoding=encoding, newline="")
    table = read_clips(path)
    assert len(table.clips) == 6 and table.labels == ["b", "very sad"]


def test_a_blank_first_line_and_two_forms_of_a_letter(tmp_path):
    """macOS and Windows write an accent as a character of its own, or with its letter."""
    lines = ["", "path\tlabel\tspeaker"]
    lines += [f"{line}\tJos\u00e9".replace(",", "\t") for line in rows("x", "caf\u00e9")]
    lines[-1] = lines[-1].replace("\u00e9", "e\u0301")
    (tmp_path / "data.tsv").write_text("\n".join(lines))
    table = read_clips(tmp_path / "data.tsv")
    assert table.labels == ["caf\u00e9", "x"]
    assert {clip.speaker for clip in table.clips} == {"Jos\u00e9"}  # or one is in two splits


@pytest.mark.parametrize(
    ("header", "lines", "message"),
    [
        ("path,emotion", rows("a", "b"), "csv:1: no column 'label'; the header has path, emotion"),
        ("path,label,label", ["a.wav,a,b"], "csv:1: column 'label' occurs twice"),
        ("path,label", ["a.wav,a", "b.wav"], "csv:3: 1 fields, but the header has 2"),
        ("path,label", ["a.wav,a", "b.wav, "], "csv:3: label: is empty"),
        ("path,label", [" ,a"], "csv:2: path: is empty"),
        ("path,label,split", ["a.wav,a,both"], "csv:2: split: 'both': one of train, valid, test"),
        ("path,label,speaker", ["a.wav,a,"], "csv:2: speaker: is empty"),
        ("path,label", ["a.wav,a", "./a.wav,b"], r"csv:3: path: ./a.wav is also in .*csv:2"),
        ("path,label", rows("a"), "csv: label: one class only \\(a\\)"),
        ("path,label", [], "csv: label: no clips"),
        ("path,label", rows("a", "label"), "csv: label: no class can have the name 'label'"),
        ("path,label", [*rows("a", "b"), "c.wav,c"], "csv: label: fewer than 3 clips of c \\(1\\)"),
        ("path,label", ["a.wav,a", '"b.wav,b', "c.wav,c"], "csv:3: is not csv: unexpected end"),
    ],
)
def test_a_mistake_is_named(tmp_path, header, lines, message):
    with pytest.raises(UserError, match=message):
        read_clips(write(tmp_path, header, *lines))


def test_other_mistakes_are_named(tmp_path):
    with pytest.raises(UserError, match=r"nowhere\.csv: no such file"):
        read_clips(tmp_path / "nowhere.csv")
    path = tmp_path / "data.csv"
    path.write_bytes(b"path,label\na\0b.wav,a\n")
    with pytest.raises(UserError, match=r"data\.csv:2: has a NUL: UTF-16 needs"):
        read_clips(path)
    path.write_bytes(b"path,label\na.wav,a\nb.wav,\xff\n")
    with pytest.raises(UserError, match=r"data\.csv:3: is neither UTF-8 nor UTF-16 text"):
        read_clips(path)


def clip(number: int, label: str, split: str = "", speaker: str = "") -> Clip:
    name = f"{number}.wav"
    return Clip(
        f"data.csv:{number + 2}", f"line{number:07d}", name, name, label, "", split, speaker
    )


counts = st.lists(st.integers(3, 40), min_size=2, max_size=6)


@settings(deadline=None)
@given(counts, st.integers(0, 1000))
def test_a_random_split_is_stratified(counts, seed):
    labels = [f"class{n}" for n, count in enumerate(counts) for _ in range(count)]
    clips = [clip(n, label) for n, label in enumerate(labels)]
    found = split_clips(CSV, clips, seed)
    assert [c._replace(split="") for c in found] == clips
    assert found == split_clips(CSV, clips, seed)
    by_class = Counter((c.label, c.split) for c in found)
    for n, count in enumerate(counts):
        held = max(1, round(0.15 * count))
        assert by_class[f"class{n}", "valid"] == by_class[f"class{n}", "test"] == held
        assert by_class[f"class{n}", "train"] == count - 2 * held


@settings(deadline=None)
@given(st.integers(3, 12), st.integers(2, 4), st.integers(0, 100))
def test_speakers_are_kept_apart(speakers, classes, seed):
    """With all classes of every speaker there is always such a split."""
    clips = [
        clip(n, f"class{n % classes}", speaker=f"s{n % speakers}")
        for n in range(classes * speakers * 2)
    ]
    clips += [
        clip(10_000 + n, f"class{n // speakers}", speaker=f"s{n % speakers}")
        for n in range(classes * speakers)
    ]
    found = split_clips(CSV, clips, seed)
    assert len({(c.speaker, c.split) for c in found}) == speakers
    assert {(c.label, c.split) for c in found} == {
        (f"class{n}", split) for n in range(classes) for split in SPLITS
    }


def test_too_few_speakers_are_named():
    clips = [clip(n, "ab"[n % 2], speaker=f"s{n // 10}") for n in range(20)]
    with pytest.raises(UserError, match=r"data\.csv: speaker: 2 speakers, and no way found"):
        split_clips(CSV, clips, 0)


def test_another_seed_gives_another_split():
    clips = [clip(n, "ab"[n % 2]) for n in range(60)]
    assert split_clips(CSV, clips, 0) != split_clips(CSV, clips, 1)


def given_split(*splits: str) -> list[Clip]:
    return [clip(n, label, split) for n, (split, label) in enumerate(s.split() for s in splits)]


def test_the_split_of_the_csv_is_kept():
    clips = given_split(*(f"{split} {label}" for split in SPLITS for label in "ab"))
    assert split_clips(CSV, clips, 0) == clips


def test_validation_clips_are_taken_from_training():
    clips = given_split(*["train a", "train b"] * 10, "test a", "test b")
    found = split_clips(CSV, clips, 0)
    assert Counter(c.split for c in found) == {"train": 16, "valid": 4, "test": 2}
    assert all(c.split == "test" for c in found[-2:])


@pytest.mark.parametrize(
    ("clips", "message"),
    [
        (given_split(*["train a", "train b"] * 3), r"data\.csv: split: no clip is in test"),
        (
            given_split("train a", "train b", "valid a", "test a", "test b", "test a"),
            r"data\.csv: split: valid has no clip of b",
        ),
        (
            [clip(0, "a", "train", "s"), clip(1, "b", "test", "s")],
            r"data\.csv:3: speaker: s is in test, but in train in data\.csv:2",
        ),
        (given_split("train a", "train b", "test a", "test b"), "label: a: too few clips to take"),
    ],
)
def test_a_wrong_split_is_named(clips, message):
    with pytest.raises(UserError, match=message):
        split_clips(CSV, clips, 0)
