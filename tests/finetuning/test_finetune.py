"""`wabert finetune` from a csv to a packed model, with a tiny aligner."""

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
import yaml
from aligners import write_model
from click.testing import CliRunner
from filelock import FileLock
from sklearn.metrics import classification_report
from tiny import VOCABULARY, arguments, save, speech_config

from espnet_wabert import WaBERT
from espnet_wabert.cli.main import main
from espnet_wabert.finetuning.reading import beginning
from espnet_wabert.formats.lines import read_table
from espnet_wabert.inference.api import WaBERTInference
from espnet_wabert.inference.decoding import SpeechSource
from espnet_wabert.models.checkpoint import find_files, pack
from espnet_wabert.models.download import NGRAM
from espnet_wabert.text.ngram import estimate, write_arpa
from espnet_wabert.text.wordpiece import WordPieceTokenizer

pytestmark = pytest.mark.usefixtures("own_cache")
PITCH = {"very bored": 150.0, "calm": 400.0, "angry": 900.0}  # Hz


def clip(label: str, seed: int, rate: int) -> np.ndarray:
    """Return half a second of a tone with harmonics and noise: the pitch is that of its class."""
    rng = np.random.default_rng(seed)
    time = np.arange(int(rng.uniform(0.4, 0.7) * rate)) / rate
    pitch = PITCH[label] * rng.uniform(0.9, 1.1)
    tone = sum(np.sin(2 * np.pi * pitch * k * time) / k for k in (1, 2, 3))
    return (0.2 * tone + 0.02 * rng.normal(size=len(time))).astype(np.float32)


def write_data(folder: Path, count: int = 14) -> Path:
    """Write clips of three formats, two rates and two numbers of channels, and their csv."""
    lines = ["path,label,text"]
    for index, label in enumerate(sorted(PITCH) * count):
        rate = 8000 if index % 2 else 16000
        samples = clip(label, index, rate)
        path = folder / "clips" / f"{index}.{('wav', 'flac', 'ogg')[index // 3 % 3]}"
        path.parent.mkdir(exist_ok=True)
        soundfile.write(path, np.stack([samples] * 2, 1) if index % 5 == 0 else samples, rate)
        lines.append(f'clips/{path.name},{label},"The good film, not bad."')
    (folder / "data.csv").write_text("\n".join(lines) + "\n")
    return folder / "data.csv"


def run(*args) -> tuple[int, str, str]:
    """Return the status of `wabert finetune`, its output and its errors."""
    result = CliRunner().invoke(main, ["finetune", *map(str, args)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture(scope="module")
def aligner(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("model"))


@pytest.mark.slow
def test_from_a_csv_to_a_packed_model(tmp_path, aligner):
    data, out = write_data(tmp_path), tmp_path / "out"
    args = [data, "--out", out, "--model", aligner, "--train_args", "--optim_conf lr=0.003"]
    status, printed, _ = run(*args)
    assert status == 0 and "epoch 1: macro F1 on the validation clips" in printed
    rows = list(csv.DictReader((out / "predictions.csv").open()))
    labels = sorted(PITCH)
    assert len(rows) == 6 and list(rows[0])[3:] == [f"p({label})" for label in labels]

    # The figures are those of scikit-learn, and better than the majority class.
    wanted = classification_report(
        [r["label"] for r in rows], [r["prediction"] for r in rows], output_dict=True,
        zero_division=0,
    )  # fmt: skip
    report = (out / "report.md").read_text()
    of_model = next(line for line in report.splitlines() if line.startswith("| the model"))
    accuracy, macro = (float(cell) for cell in of_model.split("|")[2:4])
    assert accuracy == pytest.approx(100 * wanted["accuracy"], abs=0.06)
    assert macro == pytest.approx(100 * wanted["macro avg"]["f1-score"], abs=0.06)
    assert accuracy > 60 and "| always angry | 33.3 |" in report
    assert "seed: 0" in report and "- torch: " in report
    assert "epochs; the weights are the mean of the best 5. On the validation clips" in report
    assert (out / "confusion.png").read_bytes().startswith(b"\x89PNG")

    # The packed model has the user's labels and gives the predictions of the report.
    classifier = WaBERT.from_pretrained(out / "model.zip")
    found = classifier.sentiment([tmp_path / row["path"] for row in rows])
    assert [one.label for one in found] == [row["prediction"] for row in rows]
    assert found[0].labels == tuple(labels)
    scores = [float(rows[0][f"p({label})"]) for label in labels]
    assert found[0].scores == pytest.approx(scores, abs=0.02)  # features are cached in 16 bits
    command = ["sentiment", str(tmp_path / rows[0]["path"]), "--model", str(out / "model.zip")]
    assert CliRunner().invoke(main, command).output.startswith(rows[0]["prediction"] + " angry=")

    # The same command says that it is done; others are refused.
    status, printed, _ = run(*args)
    assert status == 0 and "done before with these options" in printed
    assert of_model in printed
    status, _, errors = run(*args, "--seed", 1)
    assert status == 1 and errors.splitlines()[-1].startswith(
        f"error: {out}: was made with other settings: seed: 0 there, 1 here; choose another --out"
    )
    assert find_files(out) == find_files(out / "model.zip")
    for part in ("data", "train"):  # no longer needed
        shutil.rmtree(out / part)
    data.write_text(data.read_text().replace("angry", "annoyed"))
    status, _, errors = run(*args)
    assert status == 1 and "data: data.csv (" in errors


@pytest.mark.slow
def test_a_second_run_at_the_same_time_is_refused(tmp_path, aligner):
    data, out = write_data(tmp_path, count=7), tmp_path / "out"
    with FileLock(tmp_path / ".out.lock"):
        status, _, errors = run(data, "--out", out, "--model", aligner, "--epochs", 1)
    assert status == 1 and errors == f"error: {out}: another fine-tuning writes there\n"
    assert not out.exists()


@pytest.mark.slow
def test_a_stopped_run_goes_on(tmp_path, aligner, monkeypatch):
    """With the split, the features and the epochs that are there; the result is the same."""
    monkeypatch.chdir(tmp_path)
    data, out = write_data(tmp_path, count=7), tmp_path / "out"
    args = [data, "--out", out, "--model", aligner, "--epochs", 2]
    assert run(data, "--out", "out", *args[3:])[0] == 0
    assert (
        "2 epochs; the weights are those of the best one. On" in Path("out/report.md").read_text()
    )
    split, before = (
        (out / "data" / "split.csv").read_bytes(),
        (out / "predictions.csv").read_bytes(),
    )
    features = (out / "data" / "feats" / "train" / "feats.ark").stat().st_mtime_ns
    whole = torch.load(out / "train" / "2epoch.pth")
    for listed in (out / "data").rglob("*.scp"):  # from any folder
        assert all(line.split()[1].startswith("/") for line in listed.read_text().splitlines())
    monkeypatch.chdir("/")
    log = ("report.md", "train/train.log")  # a user may have deleted the log
    for name in (*log, "model.zip", "predictions.csv", "train/2epoch.pth"):
        (out / name).unlink()
    for suffix in ("", ".sha256"):  # as if the second epoch had not been
        shutil.copy(
            out / "train" / f"checkpoint.previous.pth{suffix}",
            out / "train" / f"checkpoint.pth{suffix}",
        )
    status, printed, _ = run(*args)
    assert status == 0 and "begun before with these options; going on" in printed
    assert "epoch 2: " in printed and "epoch 1: " not in printed
    assert (out / "data" / "split.csv").read_bytes() == split
    assert (out / "data" / "feats" / "train" / "feats.ark").stat().st_mtime_ns == features
    for name, value in torch.load(out / "train" / "2epoch.pth").items():
        assert torch.equal(value, whole[name]), name
    assert (out / "predictions.csv").read_bytes() == before
    for name in log:
        (out / name).unlink()
    assert run(*args)[0] == 0  # nothing is trained, and the log is empty
    assert "\n2 epochs; the weights are" in (out / "report.md").read_text()
    conf = yaml.safe_load((out / "data" / "train.yaml").read_text())
    assert conf["model_conf"]["text_weight"] == 1.0


@pytest.mark.slow
@pytest.mark.parametrize("cached", [True, False])
def test_clips_without_transcripts_are_read(cached, tmp_path):
    """By the model that training starts from; its CTC head and its n-gram are in the result.

    If its frontend gives convolutions, as training needs them, the cached features are read.
    """
    frontend = dict(config=speech_config(), convolutions=cached)
    model = arguments(frontend_conf=frontend, model_conf=dict(ctc_weight=1.0))
    weights = save(model, tmp_path / "aligned")
    write_arpa(estimate(["the good film", "a bad one"], []), weights.with_name(NGRAM))
    data, out = write_data(tmp_path, count=7), tmp_path / "out"
    data.write_text(data.read_text().replace(',"The good film, not bad."', "").replace(",text", ""))
    args = [data, "--out", out, "--model", weights, "--epochs", 1]
    status, printed, _ = run(*args)
    assert status == 0 and "no column text: the model reads the clips of training" in printed
    reader = WaBERTInference.from_pretrained(weights)
    read = read_table(out / "data" / "train" / "text")
    feats = out / "data" / "feats" / "train"
    source = SpeechSource(out / "data" / "train", feats if cached else None)
    assert read.keys() == source.places.keys() and set(read.values()) != {"."}
    for utterance, text in read.items():
        assert reader.read([source[utterance]]) == ["" if text == "." else text]
    classifier = WaBERTInference.from_pretrained(out / "model.zip").model
    assert classifier.token_decoder.speller.search is not None
    before = (out / "data" / "valid" / "text").stat().st_mtime_ns
    (out / "report.md").unlink()
    assert run(*args)[0] == 0
    assert (out / "data" / "valid" / "text").stat().st_mtime_ns == before
    write_arpa(estimate(["a good film", "the bad one"], []), weights.with_name(NGRAM))
    assert "other settings: starts_from: model.pth (" in run(*args)[2]
    without = pack(weights, tmp_path / "small.zip", with_teacher=False)
    status, printed, _ = run(data, "--out", tmp_path / "no_text", "--model", without, *args[5:])
    assert status == 0 and "reads the clips" not in printed


@pytest.mark.parametrize(("positions", "words"), [(2, 0), (4, 2), (5, 3), (9, 3)])
def test_what_is_read_fits_into_bert(positions, words):
    pieces = WordPieceTokenizer(VOCABULARY)
    assert beginning("the good film", pieces, positions).split() == ["the", "good", "film"][:words]


@pytest.mark.slow
def test_recordings_that_cannot_be_used_are_all_named(tmp_path, aligner):
    data, out = write_data(tmp_path, count=7), tmp_path / "out"
    clips = tmp_path / "clips"
    clips.joinpath("0.wav").unlink()
    clips.joinpath("1.wav").write_bytes(b"no audio")
    soundfile.write(clips / "2.wav", np.full(8000, np.nan), 16000, subtype="FLOAT")
    soundfile.write(clips / "9.wav", np.zeros(100), 16000)
    soundfile.write(clips / "10.wav", np.zeros(8000 * 61), 8000)
    args = [data, "--out", out, "--model", aligner, "--epochs", 1]
    wanted = (
        f"{data}:2: path: clips/0.wav: missing audio file: no such file",
        f"{data}:3: path: clips/1.wav: not an audio file: ",
        f"{data}:4: path: clips/2.wav: samples that are no numbers: sample 0 is not finite",
        f"{data}:11: path: clips/9.wav: too short: 100 samples at 16000 Hz",
        f"{data}:12: path: clips/10.wav: too long: 61 s, at most 60; cut it into parts",
    )
    status, _, errors = run(*args)
    assert status == 1
    assert all(line in errors for line in wanted), errors
    assert (
        f"error: {data}: recordings that cannot be used: 5; correct them, or leave them out"
        in errors
    )
    status, _, errors = run(*args, "--skip_bad")
    assert status == 0 and all(line in errors for line in wanted)
    assert "Recordings that could not be used: 5" in (out / "report.md").read_text()
    assert len((out / "data" / "skipped").read_text().splitlines()) == 5
    assert len((out / "data" / "split.csv").read_text().splitlines()) == 17  # with the header


@pytest.mark.slow
def test_at_most_ten_recordings_are_named(tmp_path, aligner):
    data = write_data(tmp_path, count=5)
    shutil.rmtree(tmp_path / "clips")
    _, _, errors = run(data, "--out", tmp_path / "out", "--model", aligner)
    assert errors.count("missing audio file") == 10
    assert f"{data}: 5 more" in errors


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_a_seed_that_no_library_takes_is_refused_at_once(tmp_path, seed):
    status, _, errors = run(write_data(tmp_path), "--out", tmp_path / "out", "--seed", seed)
    assert status == 2 and "--seed" in errors and "0<=x<=4294967295" in errors
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_mistakes_are_one_line(tmp_path, aligner):
    data, out = write_data(tmp_path, count=3), tmp_path / "out"
    lines = data.read_text().splitlines()
    for row, message in (
        (f"{lines[3].rsplit(',', 2)[0]},", ":4: text: no words"),
        (
            f'{lines[3].split(",", 2)[0]},very bored,"{"good " * 200}"',
            ":4: text: 202 word pieces, but",
        ),
    ):
        data.write_text("\n".join([*lines[:3], row.replace('"The good film', ""), *lines[4:]]))
        status, _, errors = run(data, "--out", out, "--model", aligner)
        assert status == 1 and f"error: {data}{message}" in errors, errors
    data.write_text("\n".join(lines))
    classifier = save(arguments("wabert_sentiment"), tmp_path / "classifier")
    _, _, errors = run(data, "--out", out, "--model", classifier)
    assert "a 'wabert_sentiment' model; fine-tuning starts from an aligned one" in errors
    without = write_model(tmp_path / "without", teacher=False)
    _, _, errors = run(data, "--out", out, "--model", without)
    assert "lacks" in errors and "transcripts needs a model packed with --with_teacher" in errors
    assert not out.exists()
    _, _, errors = run(data, "--out", out, "--train_args", "--max_epohc 3")
    assert errors.endswith("error: --train_args: unrecognized arguments: --max_epohc 3\n")
    _, _, errors = run(data, "--out", out, "--train_args", "--frontend_conf normalize=false")
    assert "--train_args: --frontend_conf: the features are computed before" in errors
    for words in ("--help", "--best_model_criterion valid,acc,max"):
        _, _, errors = run(data, "--out", out, "--train_args", words)
        assert errors.endswith(f"error: --train_args: {words.split()[0]}: not an option here\n")
    _, _, errors = run(data, "--out", tmp_path / "a,b")
    assert errors.endswith("a,b: ESPnet splits paths at commas; choose another one\n")
    args = [data, "--out", out, "--model", aligner]
    _, _, errors = run(*args, "--train_args", "--optim_conf rate=0.1")
    assert "error: --train_args: AdamW.__init__() got an unexpected keyword" in errors
    _, _, errors = run(*args, "--epochs", 1)  # nothing was trained there
    assert "error" not in errors and (out / "model.zip").is_file()
    _, _, errors = run(data, "--out", tmp_path / "data.csv" / "out", "--model", aligner)
    assert "data.csv/out: cannot be written: Not a directory" in errors
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").touch()
    _, _, errors = run(data, "--out", tmp_path / "other", "--model", aligner)
    assert "other: has other files (notes.txt); choose another --out" in errors
