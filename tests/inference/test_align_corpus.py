"""`wabert align`: one recording or many, whatever is wrong with them."""

import json
import os

import kaldiio
import numpy as np
import pytest
import soundfile
from aligners import WORDS, say, sentence, train_listener, write_model
from click.testing import CliRunner
from praatio import textgrid
from sounds import write_noise

from espnet_wabert.cli.main import main
from espnet_wabert.formats.words import read_words
from espnet_wabert.inference.api import WaBERTInference
from espnet_wabert.text.transcript import encode_transcript, spoken
from espnet_wabert.text.wordpiece import letters_of

pytestmark = pytest.mark.usefixtures("own_cache")


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """A model packed without its teacher."""
    return str(write_model(tmp_path_factory.mktemp("bare"), teacher=False))


@pytest.fixture(scope="module")
def listener(tmp_path_factory):
    inference = WaBERTInference.from_pretrained(write_model(tmp_path_factory.mktemp("listener")))
    train_listener(inference)
    return inference


def align(model, *arguments):
    return CliRunner().invoke(main, ["align", *map(str, arguments), "--model", str(model)])


def write_lists(folder, texts, **paths):
    """Write wav.scp, with noise for utterances without a path, and text; return the two."""
    for utterance in texts:
        if utterance not in paths:
            paths[utterance] = write_noise(folder / f"{utterance}.wav", 1.0 + len(paths) / 10)
    scp = "".join(f"{u} {p}\n" for u, p in paths.items() if p)
    (folder / "wav.scp").write_text(scp)
    lines = [f"{u} {t}".strip() + "\n" for u, t in texts.items() if t is not None]
    (folder / "text").write_text("".join(lines))
    return folder / "wav.scp", "--text", folder / "text"


def test_one_recording_is_shown_as_a_table(model, tmp_path):
    done = align(model, write_noise(tmp_path / "a.wav"), "--text", "The good film, of course!")
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["start", "end", "confidence", "word"]
    assert [line.split()[3] for line in lines[1:6]] == ["The", "good", "film,", "of", "course!"]
    assert lines[6].startswith("confidence 0.") and "similarity" in lines[6]


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg"])
def test_any_format_rate_and_channels(model, tmp_path, suffix):
    (tmp_path / "said.txt").write_text("the good\nfilm\n")
    audio = write_noise(tmp_path / f"a.{suffix}", 1.5, 44100, channels=2)
    out = tmp_path / "out"
    done = align(model, audio, "--text", tmp_path / "said.txt", "--out", out)
    assert done.exit_code == 0, done.output
    assert "1 recordings of several channels, whose mean is used: a" in done.stderr
    found = json.loads((out / "a.json").read_text())["a"]
    assert [w["word"] for w in found["words"]] == ["the", "good", "film"]
    assert found["duration"] == pytest.approx(1.5, abs=0.01)


def test_many_recordings_become_textgrids_ctms_and_json(model, tmp_path):
    texts = {"u1": "the good film", "u2": "not bad", "u3": "film of the film"}
    done = align(model, *write_lists(tmp_path, texts), "--out", tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert "3 utterances aligned, 0 skipped" in done.stdout
    out, times = tmp_path / "out", read_words(tmp_path / "out/words.ctm")
    assert {u: [w.word for w in ws] for u, ws in times.items()} == {
        u: t.split() for u, t in texts.items()
    }
    for line in (out / "words.ctm").read_text().splitlines():
        assert 0.0 <= float(line.split()[5]) <= 1.0
    for utterance, text in texts.items():
        found = json.loads((out / f"{utterance}.json").read_text())[utterance]
        assert found["model"] == "aligner.zip" and found["method"] == "similarity"
        assert found["length"] == len(found["subwords"]) + 2 and found["predicted_length"] >= 0
        grid = textgrid.openTextgrid(
            str(out / f"{utterance}.TextGrid"), includeEmptyIntervals=False
        )
        assert grid.tierNames == ("words", "subwords")
        words = grid.getTier("words").entries
        assert [entry.label for entry in words] == text.split()
        assert grid.maxTimestamp == pytest.approx(found["duration"], abs=1e-3)
        for entry, word, timed in zip(words, found["words"], times[utterance], strict=True):
            assert entry.start == pytest.approx(word["start"], abs=2e-3)
            assert timed.start == pytest.approx(word["start"], abs=2e-3)
        subwords = [entry.label for entry in grid.getTier("subwords").entries]
        assert subwords == [s["word"] for s in found["subwords"]]
    assert read_words(out / "u1.json")["u1"] == read_words(out / "u1.json", "json")["u1"]


def test_formats_and_method_are_chosen(model, tmp_path):
    arguments = (*write_lists(tmp_path, {"u1": "good"}), "--out", tmp_path / "out")
    done = align(model, *arguments, "--format", "ctm", "--method", "cif")
    assert done.exit_code == 0, done.output
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["subwords.ctm", "words.ctm"]
    done = align(model, *arguments, "--method", "tea")
    assert "error: --method tea: this model has similarity, cif" in done.stderr
    done = align(model, *arguments, "--format", "ctm,elan")
    assert "error: --format ctm,elan: must be one or more of textgrid,ctm,json" in done.stderr
    done = align(model, tmp_path / "u1.wav", "--text", "good", "--format", "json")
    assert "error: --format json: needs --out, a folder for the files" in done.stderr


def test_a_model_without_its_teacher_aligns_by_cif(bare, tmp_path):
    done = align(bare, write_noise(tmp_path / "a.wav"), "--text", "the film")
    assert done.exit_code == 0 and "method cif" in done.stdout
    assert "packed without its teacher" in done.stderr
    done = align(
        bare, write_noise(tmp_path / "a.wav"), "--text", "the film", "--method", "similarity"
    )
    assert done.exit_code == 1 and "this model has cif; it was packed without" in done.stderr


def test_a_wrong_transcript_has_a_low_confidence(listener):
    """Whole transcripts, by each reading; one wrong word in a right one; one word alone."""
    rng = np.random.default_rng(5)
    right, wrong, substituted, kept, alone = [], [], [], [], []
    for _ in range(12):
        said = sentence(rng)
        other = [word for word in WORDS if word not in said]
        place = int(rng.integers(4))
        mixed = [*said[:place], other[0], *said[place + 1 :]]
        texts = [" ".join(words) for words in (said, other, mixed, other[:1])]
        found = listener.align([say(said, rng)] * 4, texts)
        right.append([timed.confidence for timed in found[0].by_method.values()])
        wrong.append([timed.confidence for timed in found[1].by_method.values()])
        by_word = found[2].by_method["similarity"].word_confidences
        substituted.append(by_word[place])
        kept.append(np.mean([c for n, c in enumerate(by_word) if n != place]))
        alone.append(found[3].by_method["similarity"].confidence)
    assert (np.mean(right, axis=0) > np.mean(wrong, axis=0) + 0.2).all()
    assert np.min(right, axis=0)[0] > np.max(wrong, axis=0)[0]
    assert np.mean(kept) > np.mean(substituted) + 0.2
    assert np.mean(right, axis=0)[0] > np.mean(alone) + 0.2


def test_doubtful_utterances_are_named(model, tmp_path):
    lists = write_lists(tmp_path, {"u1": "good", "u2": "not bad"})
    done = align(model, *lists, "--out", tmp_path / "out", "--min_confidence", "1.01")
    assert done.exit_code == 0
    warning = [line for line in done.stderr.splitlines() if line.startswith("warning")]
    assert len(warning) == 1 and "2 of 2 utterances" in warning[0]
    assert "u1 (" in warning[0] and "u2 (" in warning[0]
    assert "warning" not in align(model, *lists, "--out", tmp_path, "--min_confidence", "-1").stderr


def test_all_doubtful_utterances_are_listed(model, tmp_path):
    lists = write_lists(tmp_path, {f"u{n}": "good" for n in range(7)})
    out = tmp_path / "out"
    done = align(model, *lists, "--out", out, "--min_confidence", "1.01")
    assert "and 2 more" in done.stderr
    listed = [line.split() for line in (out / "low_confidence").read_text().splitlines()]
    assert [u for u, _ in listed] == [f"u{n}" for n in range(7)]
    assert all(0 <= float(confidence) <= 1 for _, confidence in listed)
    align(model, *lists, "--out", out, "--min_confidence", "-1")
    assert not (out / "low_confidence").exists()


def test_punctuation_is_silent_and_a_word_without_letters_is_noted_once(model, tmp_path, caplog):
    audio = write_noise(tmp_path / "a.wav")
    done = align(model, audio, "--text", "good — film …", "--min_confidence", 0)
    assert done.exit_code == 0 and done.stderr == "" and not caplog.text, done.output
    done = align(model, audio, "--text", "good \u0301 film", "--min_confidence", 0)
    assert done.stderr == "1 words have no letters and no time, in a\n" and not caplog.text


def test_one_list_has_what_the_other_lacks(model, tmp_path):
    texts = {"u1": "good", "u2": None, "u3": "the film"}
    done = align(model, *write_lists(tmp_path, texts, u3=""), "--out", tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert f"1 utterances of {tmp_path}/wav.scp are not in {tmp_path}/text: u2" in done.stderr
    assert f"1 utterances of {tmp_path}/text are not in {tmp_path}/wav.scp: u3" in done.stderr
    assert list(read_words(tmp_path / "out/words.ctm")) == ["u1"]
    (tmp_path / "text").write_text("x1 good\n")
    done = align(model, tmp_path / "wav.scp", "--text", tmp_path / "text", "--out", tmp_path)
    assert done.exit_code == 1 and "no utterance in common" in done.stderr


def test_unusable_utterances_are_named_and_the_others_written(model, tmp_path):
    (tmp_path / "broken.wav").write_bytes(b"RIFF nothing")
    soundfile.write(tmp_path / "short.wav", np.zeros(100), 16000)
    bad = np.full(16000, np.nan, dtype=np.float32)
    soundfile.write(tmp_path / "nan.wav", bad, 16000, subtype="FLOAT")
    texts = dict.fromkeys(["broken", "short", "missing", "pipe", "nan", "ok", "a/b"], "good film")
    texts |= {"empty": "", "dashes": "-- ..."}
    paths = {u: str(tmp_path / f"{u}.wav") for u in ("broken", "short", "missing", "nan")}
    paths |= {"pipe": "cat x.wav |", "a/b": str(tmp_path / "nan.wav")}
    done = align(model, *write_lists(tmp_path, texts, **paths), "--out", tmp_path / "out")
    assert done.exit_code == 1
    assert "1 utterances aligned, 8 skipped" in done.stdout
    listed = (tmp_path / "out/skipped").read_text()
    expected = {
        "broken": "not an audio file", "short": "less than a frame", "missing": "no such file",
        "pipe": "a pipe", "nan": "not finite", "a/b": "holds a '/'",
        "empty": "its transcript is empty", "dashes": "its transcript has no spoken word",
    }  # fmt: skip
    for utterance, reason in expected.items():
        for report in (listed, done.stderr):
            assert any(utterance in x and reason in x for x in report.splitlines()), utterance
    assert (tmp_path / "out/ok.TextGrid").is_file()
    assert list(read_words(tmp_path / "out/words.ctm")) == ["ok"]


@pytest.mark.parametrize(
    ("audio", "text", "message"),
    [
        ("a.wav", "", "utterance a: {}/a.wav: its transcript is empty"),
        ("none.wav", "good", "utterance none: {}/none.wav: missing audio file: no such file"),
        ("a.wav", "said.txt", "said.txt: no such file"),
        ("a.scp", "good", "a list of recordings needs --out"),
    ],
)
def test_mistakes_with_one_recording_are_one_line(model, tmp_path, audio, text, message):
    write_noise(tmp_path / "a.wav")
    done = align(model, tmp_path / audio, "--text", text)
    assert done.exit_code == 1 and message.format(tmp_path) in done.stderr
    assert done.stderr.startswith("error: ") and len(done.stderr.splitlines()) == 1


def test_more_tokens_than_frames_are_aligned_by_cif_and_named(model, tmp_path):
    texts = {"dense": "not good and not bad", "u1": "good"}
    paths = {"dense": write_noise(tmp_path / "dense.wav", 0.1)}
    done = align(model, *write_lists(tmp_path, texts, **paths), "--out", tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert (
        "1 utterances have too few frames for their text and were aligned by cif: dense"
        in done.stderr
    )
    found = json.loads((tmp_path / "out/dense.json").read_text())["dense"]
    assert found["method"] == "cif" and len(found["words"]) == 5


def test_silence_and_words_outside_the_vocabulary_align(model, tmp_path):
    soundfile.write(tmp_path / "still.wav", np.zeros(16000), 16000)
    texts = {"still": "the film", "odd": "\u6771\u4eac film 1984 na\u00efve"}
    paths = {"still": str(tmp_path / "still.wav")}
    done = align(model, *write_lists(tmp_path, texts, **paths), "--out", tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert "words are outside the vocabulary, in odd" in done.stderr
    times = read_words(tmp_path / "out/words.ctm")
    assert [w.word for w in times["odd"]] == texts["odd"].split()
    assert all(0 <= w.start <= w.end <= 1.2 for words in times.values() for w in words)


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("Hello,", "Hello"), ("don\u2019t", "don't"), ("well-known", "well known"), ("--", ""),
        ("'tis", "'tis"), ("(AT&T)", "AT&T"), ("50%", "50%"), ("...", ""), ("'", ""),
        ("e\u0301te", "\u00e9te"), ("\u00bfqu\u00e9?", "qu\u00e9"), ("$5", "$5"),
    ],
)  # fmt: skip
def test_what_is_said_of_a_word(word, said):
    assert spoken(word) == said


def test_a_digit_lasts_as_long_as_what_is_said_for_it(listener):
    encoded = listener.tokenizer.encode("of 42 film")
    assert letters_of(encoded)[1:-1].tolist() == [2.0, 8.0, 4.0]


def test_cached_features_align_like_recordings(listener, model, tmp_path):
    rng = np.random.default_rng(0)
    said = {f"u{n}": sentence(rng) for n in range(3)}
    matrices = {u: say(words, rng) for u, words in said.items()}
    kaldiio.save_ark(str(tmp_path / "feats.ark"), matrices, scp=str(tmp_path / "feats.scp"))
    lines = {u: " ".join(words) for u, words in said.items()}
    (tmp_path / "text").write_text("".join(f"{u} {t}\n" for u, t in lines.items()))
    arguments = (
        model,
        tmp_path / "feats.scp",
        "--text",
        tmp_path / "text",
        "--out",
        tmp_path / "o",
    )
    done = align(*arguments)
    assert done.exit_code == 1 and "utt2num_frames: no such file" in done.stderr
    (tmp_path / "utt2num_frames").write_text(
        "".join(f"{u} {len(m)}\n" for u, m in matrices.items())
    )
    done = align(*arguments)
    assert done.exit_code == 0, done.output
    found = {u: [w.word for w in ws] for u, ws in read_words(tmp_path / "o/words.ctm").items()}
    assert found == said
    with open(tmp_path / "feats.scp", "a") as scp, open(tmp_path / "text", "a") as text:
        scp.write(f"u3 {write_noise(tmp_path / 'a.wav')}\n")
        text.write("u3 she was here\n")
    done = align(*arguments)
    assert done.exit_code == 1 and "has audio and cached features" in done.stderr


def test_a_number_is_aligned_as_it_is_read_and_stays_as_it_is_written(listener):
    encoded = encode_transcript(listener.aligner.tokenizer, "of 42 film")
    assert encoded.words == ["of", "42", "film"]
    assert encoded.said == ["of", "forty two", "film"]
    pieces = listener.tokenizer.encode("of forty two film").pieces
    assert encoded.pieces == pieces
    assert encoded.word_index == [None, 0, *[1] * (len(pieces) - 4), 2, None]


def test_a_book_for_a_second_of_speech_is_skipped(model, tmp_path):
    texts = {"book": "good film " * 300, "u1": "good"}
    done = align(model, *write_lists(tmp_path, texts), "--out", tmp_path / "out")
    assert done.exit_code == 1 and "1 utterances aligned, 1 skipped" in done.stdout
    assert "utterance book: 1 s with 600 words: its transcript is another's" in done.stderr


def test_names_with_blanks_or_in_another_code_are_written(model, tmp_path):
    for name in ("my talk", "caf\udce9"):
        write_noise(tmp_path / "x.wav")
        os.rename(tmp_path / "x.wav", tmp_path / f"{name}.wav")
        (tmp_path / f"{name}.txt").write_text("good film")
    done = align(model, tmp_path, "--out", tmp_path / "out")
    assert done.exit_code == 1 and "1 utterances aligned, 1 skipped" in done.stdout
    assert (tmp_path / "out/my talk.TextGrid").exists()
    assert [w.word for w in read_words(tmp_path / "out/words.ctm")["my_talk"]] == ["good", "film"]
    assert (tmp_path / "out/skipped").read_text().startswith("caf\\udce9 ")


def test_files_beside_the_recordings_are_not_replaced(model, tmp_path):
    write_noise(tmp_path / "a.wav")
    (tmp_path / "a.txt").write_text("she was here")
    corrected = tmp_path / "a.TextGrid"
    corrected.write_text("by hand")
    done = align(model, tmp_path, "--out", tmp_path / "." / "")
    assert done.exit_code == 1
    assert f"{corrected}: is there already, beside its recording" in done.output
    assert corrected.read_text() == "by hand" and not (tmp_path / "words.ctm").exists()
    assert align(model, tmp_path, "--out", tmp_path / "aligned").exit_code == 0
    assert align(model, tmp_path, "--out", tmp_path / "aligned").exit_code == 0
