"""The embedded corpus as a whole: layouts, repeatability, and what happens on a second call."""

import csv
import hashlib
from collections import Counter
from pathlib import Path

import pytest
import soundfile
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from espnet_wabert.bin.make_mini import main
from espnet_wabert.errors import UserError
from espnet_wabert.mini import corpus, librispeech, timit
from espnet_wabert.mini.sizes import SIZES
from espnet_wabert.mini.slue import BLIND, COLUMNS
from espnet_wabert.mini.utterance import Spoken

pytestmark = pytest.mark.slow

SIZE = SIZES["tiny"]


@pytest.fixture(scope="module")
def tiny(tiny_corpus):
    manifest = corpus.read_manifest(tiny_corpus)
    assert manifest is not None and manifest["unspoken"] == []
    return tiny_corpus


def table(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def test_librispeech_layout(tiny):
    for name, part in SIZE.librispeech.items():
        audio = sorted((tiny / "LibriSpeech" / name).glob("*/*/*.flac"))
        assert len(audio) == part.speakers * part.utterances
        for path in audio:
            speaker, chapter, _ = path.stem.split("-")
            assert path.parent.name == chapter and path.parent.parent.name == speaker
            listing = path.with_name(f"{speaker}-{chapter}.trans.txt").read_text().splitlines()
            text = dict(line.split(" ", 1) for line in listing)[path.stem]
            assert text == text.upper() and "," not in text
            info = soundfile.info(path)
            assert (info.samplerate, info.channels, info.subtype) == (16000, 1, "PCM_16")
            aligned = path.with_name(f"{speaker}-{chapter}.alignment.txt").read_text().splitlines()
            names, ends = alignment_of(path.stem, aligned)
            assert [word for word in names if word] == text.split()
            assert names[0] == names[-1] == ""
            assert ends == sorted(ends) and ends[-1] == pytest.approx(info.duration, abs=1e-3)


def alignment_of(utterance, lines):
    line = next(line for line in lines if line.startswith(utterance + " "))
    _, names, ends = line.split(" ")
    return names.strip('"').split(","), [float(end) for end in ends.strip('"').split(",")]


def test_speakers_of_librispeech(tiny):
    lines = (tiny / "LibriSpeech" / "SPEAKERS.TXT").read_text().splitlines()
    rows = [[field.strip() for field in line.split("|")] for line in lines if line[0] != ";"]
    voices = {split: set() for split in ("train", "dev", "test")}
    for number, sex, part, minutes, voice in rows:
        assert (tiny / "LibriSpeech" / part / number).is_dir()
        assert sex in "MF" and float(minutes) > 0
        voices[part.split("-")[0]].add(voice.split("+")[1])
    assert not voices["train"] & voices["test"] and not voices["dev"] & voices["test"]


def test_slue_layout(tiny):
    folder = tiny / "slue-voxceleb"
    parts = {row["id"]: row["part"] for row in table(folder / "parts.tsv")}
    for split, size in SIZE.slue.items():
        rows = table(folder / f"slue-voxceleb_{split}.tsv")
        assert tuple(rows[0]) == COLUMNS
        counts = Counter(row["sentiment"] for row in rows)
        assert counts["<mixed>"] == size.mixed and counts[""] == size.empty
        assert counts["Disagreement"] == size.disagreement
        usable = [row for row in rows if parts[row["id"]] != "odd"]
        assert len(usable) == size.utterances
        assert {row["sentiment"] for row in usable} == {"Neutral", "Positive", "Negative"}
        for row in rows:
            info = soundfile.info(folder / f"{split}_raw" / f"{row['id']}.flac")
            assert info.samplerate == 16000 and row["split"] == split
            assert row["id"].startswith(row["speaker_id"] + "_")
            assert 0 <= float(row["start_second"]) < float(row["end_second"]) <= info.duration
            assert row["normalized_text"] == row["normalized_text"].lower()


def test_some_slue_files_must_be_trimmed(tiny):
    rows = table(tiny / "slue-voxceleb" / "slue-voxceleb_fine-tune.tsv")
    assert any(float(row["start_second"]) > 0.5 for row in rows)


def test_blind_test_has_the_ids_but_no_labels(tiny):
    folder = tiny / "slue-voxceleb"
    blind = table(folder / "slue-voxceleb_test_blind.tsv")
    labeled = table(folder / "slue-voxceleb_test.tsv")
    assert tuple(blind[0]) == BLIND and "sentiment" not in blind[0]
    assert [row["id"] for row in blind] == [row["id"] for row in labeled]


def test_timit_layout(tiny):
    files = sorted(path for path in (tiny / "TIMIT").rglob("*") if path.suffix.lower() == ".wav")
    speakers = SIZE.timit.core + SIZE.timit.others + SIZE.timit.train
    expected = speakers * SIZE.timit.utterances + 2 * (SIZE.timit.dialect + SIZE.timit.train)
    assert len(files) == expected
    for path in files:
        info = soundfile.info(path)
        assert (info.format, info.subtype, info.samplerate) == ("NIST", "PCM_16", 16000)
        assert path.read_bytes()[:7] == b"NIST_1A"
        lower = path.suffix.islower()
        lines = path.with_suffix(".wrd" if lower else ".WRD").read_text().splitlines()
        words = [(int(start), int(end), word) for start, end, word in map(str.split, lines)]
        begin, end, text = path.with_suffix(".txt" if lower else ".TXT").read_text().split(" ", 2)
        assert (int(begin), int(end)) == (0, info.frames)
        assert " ".join(word for *_, word in words) == text.lower().replace(",", "").strip(" .\n")
        assert all(0 <= start < end <= info.frames for start, end, _ in words)


def test_full_timit_holds_the_core_test_set_and_lower_case_names():
    plans = corpus.make_plan(0, "full").timit
    test = [plan.path.split("/") for plan in plans if "/TEST/" in plan.path]
    speakers = {(parts[2], parts[3]) for parts in test}
    core = {(f"DR{region}", name) for region, names in timit.CORE.items() for name in names.split()}
    assert len(core) == 24 and core <= speakers and len(speakers) == 30
    assert any(parts[4].islower() for parts in test) and any(parts[4].isupper() for parts in test)
    assert 120 <= len(test) <= 140


def test_full_plan_keeps_test_words_within_the_training_words():
    plan = corpus.make_plan(0, "full")
    assert len({p.key for p in plan.plans}) == len({p.path for p in plan.plans}) == len(plan.plans)
    words = {"train": set(), "dev": set(), "test": set()}
    for p in plan.librispeech.plans:
        words[p.path.split("/")[1].split("-")[0]] |= set(p.text.replace(",", "").split())
    assert len(words["test"]) > 300 and not (words["test"] | words["dev"]) - words["train"]


def digest(root):
    found = hashlib.sha256()
    for path in sorted(path for path in root.rglob("*") if path.is_file()):
        found.update(str(path.relative_to(root)).encode() + path.read_bytes())
    return found.hexdigest()


def test_bytes_do_not_depend_on_the_number_of_processes(tmp_path, monkeypatch):
    monkeypatch.setattr(corpus, "SHARD", 60)
    for name, jobs in (("a", 1), ("b", 2)):
        corpus.make_corpus(tmp_path / name, 5, "tiny", jobs, models=False)
    assert digest(tmp_path / "a") == digest(tmp_path / "b")


def test_an_error_does_not_wait_for_the_shards_that_have_not_begun(tmp_path, monkeypatch):
    monkeypatch.setattr(corpus, "SHARD", 1)
    plans = corpus.make_plan(1, "tiny").timit[:8]
    (tmp_path / "no_folder").touch()
    first = plans[0]._replace(path="no_folder/a.wav")
    with pytest.raises(OSError, match="no_folder"):
        corpus.speak_all(tmp_path, [first, *plans[1:]], jobs=1)
    assert len([path for path in tmp_path.rglob("*.*") if path.is_file()]) < 4


def test_a_second_call_does_nothing_and_says_so(tiny):
    before = {path: path.stat().st_mtime_ns for path in tiny.rglob("*")}
    arguments = ["--out", str(tiny), "--seed", "1", "--size", "tiny", "--models", "false"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0 and "already there" in result.output
    assert before == {path: path.stat().st_mtime_ns for path in tiny.rglob("*")}


def test_a_half_made_corpus_is_made_again(tiny, tmp_path):
    (tmp_path / "LibriSpeech" / "dev-clean").mkdir(parents=True)
    (tmp_path / "LibriSpeech" / "dev-clean" / "left.over").touch()
    (tmp_path / corpus.UNFINISHED).touch()
    made = corpus.make_corpus(tmp_path, seed=0, size="tiny", jobs=2, models=False)
    assert made.fresh and corpus.read_manifest(tmp_path) == made.manifest
    assert not list(tmp_path.rglob("left.over"))
    assert digest(tmp_path) != digest(tiny)  # which has another seed


def test_somebody_elses_corpus_is_not_touched(tmp_path):
    (tmp_path / "LibriSpeech").mkdir()
    with pytest.raises(UserError, match="LibriSpeech.*not made by make_mini"):
        corpus.make_corpus(tmp_path, size="tiny", models=False)
    assert [path.name for path in tmp_path.iterdir()] == ["LibriSpeech"]


def test_missing_sources_are_one_line(tmp_path):
    arguments = ["--out", str(tmp_path / "o"), "--size", "tiny", "--sources", str(tmp_path)]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 1 and "fetch_sources" in result.output
    assert "Traceback" not in result.output and not (tmp_path / "o").exists()


@given(st.lists(st.tuples(st.integers(0, 900), st.integers(1, 900)), min_size=1, max_size=9))
def test_alignment_lists_every_word_and_every_silence(gaps):
    at, words = 0, []
    for gap, length in gaps:
        words.append(("a", at + gap, at + gap + length))
        at += gap + length
    names, ends = librispeech.alignment(Spoken("k", at + 5, 0, at + 5, words)).split(" ")
    names, ends = names.strip('"').split(","), ends.strip('"').split(",")
    assert len(names) == len(ends) and names.count("A") == len(gaps)
    assert names.count("") == 1 + sum(gap > 0 for gap, _ in gaps)
    assert float(ends[-1]) == pytest.approx((at + 5) / 16000, abs=6e-4)


def test_what_listens_to_models_makes_no_corpus():
    """A change there must not make every corpus again."""
    room = Path(corpus.__file__).parent
    for name in corpus.LISTENERS:
        assert (room / f"{name}.py").is_file()
        for path in room.glob("*.py"):
            if path.stem not in corpus.LISTENERS:
                assert f"mini.{name} " not in path.read_text(), path
