"""The model in the box: export, its configuration without folders, and its encoders."""

import csv
import io
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
import yaml
from click.testing import CliRunner

from espnet_wabert import WaBERT
from espnet_wabert.box import files
from espnet_wabert.box.encoders import MINILM, WHISPER, bert_vocabulary
from espnet_wabert.cli.main import main
from espnet_wabert.config import read_yaml
from espnet_wabert.errors import UserError
from espnet_wabert.inference.api import WaBERTInference
from espnet_wabert.inference.recognizer import load_recognizer, plain_text
from espnet_wabert.mini.espeak import EspeakVoice
from espnet_wabert.mini.real_speech import librivox
from espnet_wabert.mini.speech import Manner
from espnet_wabert.models import checkpoint
from espnet_wabert.models.builder import build_model
from espnet_wabert.models.download import Files
from espnet_wabert.models.export import export
from espnet_wabert.modules.frozen import full_state_dict
from espnet_wabert.recipes.systems import read_systems
from espnet_wabert.recipes.training_args import read_config
from espnet_wabert.scoring.tokens import word_error_rate
from espnet_wabert.text.ngram import estimate, write_arpa

ROOT = Path(__file__).parent.parent.parent
PARTS = ("frontend", "frontend_conf", "encoder", "encoder_conf", "postencoder",
         "postencoder_conf", "model", "model_conf")  # fmt: skip


@pytest.fixture(scope="module")
def cache(own_cache):
    return files.cache_folder()


@pytest.fixture(scope="module")
def trained(cache, tmp_path_factory):
    """An untrained model of conf/box/align.yaml, as training writes it."""
    folder = tmp_path_factory.mktemp("trained")
    conf = read_yaml(ROOT / "conf/box/align.yaml")
    args = Namespace(**{name: conf[name] for name in PARTS}, token_list=bert_vocabulary())
    args.frontend_conf["model_name_or_path"] = str(files.encoder_folder(WHISPER))
    args.postencoder_conf["model_name_or_path"] = str(files.encoder_folder(MINILM))
    torch.manual_seed(3)
    model = build_model(args)
    (folder / "config.yaml").write_text(yaml.safe_dump(vars(args)))
    torch.save(model.state_dict(), folder / "model.pth")
    write_arpa(estimate(["the good film"], []), folder / checkpoint.NGRAM)
    return folder / "model.pth"


def test_encoders_are_written_once(cache, trained):
    folder = files.encoder_folder(WHISPER)
    before = {path: path.stat().st_mtime_ns for path in cache.rglob("*")}
    assert files.encoder_folder(WHISPER) == folder and folder.parent.parent == cache
    assert before == {path: path.stat().st_mtime_ns for path in cache.rglob("*")}
    assert sorted(path.name for path in folder.parent.iterdir()) == sorted([WHISPER, MINILM])


def test_each_loading_gives_the_weights_of_the_files(trained, tmp_path):
    export(trained, tmp_path / "aligner")
    of_file = checkpoint.read_state(tmp_path / "aligner" / files.WEIGHTS)
    config = tmp_path / "aligner" / files.CONFIG
    first, second = (
        full_state_dict(checkpoint.load_model(Files(config, config.with_name(files.WEIGHTS)))[0])
        for _ in range(2)
    )
    assert of_file and first.keys() == second.keys()
    for key, value in first.items():
        assert torch.equal(value, second[key]) and torch.equal(value, of_file.get(key, value)), key


def test_an_exported_model_is_small_names_no_folder_and_says_the_same(
    trained, tmp_path, monkeypatch
):
    size = export(trained, tmp_path / "aligner")
    assert size < 20e6
    config = (tmp_path / "aligner" / files.CONFIG).read_text()
    assert "/" not in config and len(config) < 5000
    monkeypatch.setattr(checkpoint, "box_folder", lambda model: tmp_path / "aligner")
    boxed = WaBERTInference.from_pretrained()
    original = WaBERTInference.from_pretrained(trained)
    assert boxed.reader.speller.search is not None
    speech = [np.random.default_rng(0).standard_normal(16000).astype(np.float32) * 0.1]
    one, other = (model.align(speech, ["the good film"])[0] for model in (original, boxed))
    np.testing.assert_allclose(one.starts, other.starts, atol=0.02)
    assert one.words[0].start == pytest.approx(other.words[0].start, abs=0.02)
    state, again = original.model.state_dict(), boxed.model.state_dict()
    assert state.keys() == again.keys()
    for key, value in state.items():
        torch.testing.assert_close(again[key], value, rtol=1e-3, atol=1e-3)


def test_a_box_without_a_model_says_what_trains_it(monkeypatch):
    monkeypatch.setitem(files.NAMES, "box:nothing", "nothing")
    with pytest.raises(UserError, match="box:nothing: .*`make box` trains it"):
        checkpoint.find_files("box:nothing")


def test_names_of_packages_become_folders(cache, trained):
    args = Namespace(
        frontend_conf={"model_name_or_path": f"package:{WHISPER}"},
        postencoder_conf={"model_name_or_path": "bert-base-cased"},
        token_list=f"package:{MINILM}",
    )
    files.resolve_encoders(args)
    assert Path(args.frontend_conf["model_name_or_path"]).is_dir()
    assert args.postencoder_conf["model_name_or_path"] == "bert-base-cased"
    assert len(args.token_list) == 30522


def test_the_shipped_model_aligns_reads_and_doubts_recordings_of_people(cache):
    """LibriVox, one reader who is in no training data; the card has the figures."""
    inference = WaBERTInference.from_pretrained()
    recordings = list(librivox())
    speech = [r.audio.astype(np.float32) / 2**15 for r in recordings]
    texts = [r.text.lower() for r in recordings]
    aligned, read = inference.align_and_transcribe(speech, texts)
    errors = [
        abs(edge - true)
        for found, r in zip(aligned, recordings, strict=True)
        for word, (_, start, end) in zip(found.words, r.words or [], strict=True)
        for edge, true in ((word.start, start), (word.end, end))
    ]
    assert np.mean(errors) < 0.035 and np.median(errors) < 0.025
    names = [r.utterance for r in recordings]
    hypotheses = dict(zip(names, [found.text for found in read], strict=True))
    assert word_error_rate(dict(zip(names, texts, strict=True)), hypotheses) < 0.35
    other = inference.align(speech, texts[1:] + texts[:1])
    limit = inference.aligner.min_confidence("grapheme")
    confident = [found.by_method["cif"].confidence > limit for found in aligned + other]
    assert sum(confident[:5]) >= 4 and sum(confident[5:]) == 0


def test_a_recording_without_letters_changes_no_other_one_of_its_batch(cache, monkeypatch):
    model = WaBERT.from_pretrained()
    said = next(iter(librivox())).audio
    alone = model.encode(said)
    spell = model.inference.reader.spell
    monkeypatch.setattr(model.inference.reader, "spell", lambda *batch: ["", *spell(*batch)[1:]])
    empty, beside = model.encode([np.zeros(len(said), np.float32), said])
    assert beside.tokens == alone.tokens and len(alone.tokens) > 10
    np.testing.assert_allclose(beside.aligned, alone.aligned, atol=1e-3)
    assert empty.tokens == ["[CLS]", "[SEP]"] and len(empty.aligned) == 2


def test_the_shipped_model_judges_what_is_said(cache, tmp_path):
    """Spoken by espeak-ng, which no training data has; silence is an error beside them."""
    said = {
        "Positive": "a wonderful film with a great story and excellent actors",
        "Negative": "the worst and most boring movie that i have ever seen",
    }
    model, voice = WaBERT.from_pretrained(), EspeakVoice("gmw/en-US")
    for label, text in said.items():
        speech = voice.speak(text, Manner(), 0)
        assert speech is not None
        soundfile.write(tmp_path / f"{label}.wav", speech.samples, speech.rate)
    found = model.sentiment([tmp_path / f"{label}.wav" for label in said])
    assert [one.label for one in found] == list(said)
    soundfile.write(tmp_path / "silent.wav", np.zeros(16000, np.float32), 16000)
    done = CliRunner().invoke(main, ["sentiment", str(tmp_path), "--format", "csv"])
    assert done.exit_code == 1 and "silent: no words are heard in it" in done.stderr
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [row["label"] for row in rows] == ["Negative", "Positive"]
    for row in rows:
        assert sum(float(row[label]) for label in found[0].labels) == pytest.approx(1, abs=1e-4)


def sentiment_config() -> Namespace:
    """The `wabert` row of egs2/slue_sa/systems/box.yaml."""
    row = read_systems(ROOT / "egs2/slue_sa/systems/box.yaml")["wabert"]
    conf = read_config(str(row.slu_config), row.slu_args)
    args = Namespace(**{name: conf[name] for name in PARTS}, token_list=bert_vocabulary())
    args.frontend_conf["model_name_or_path"] = str(files.encoder_folder(WHISPER))
    args.postencoder_conf["model_name_or_path"] = str(files.encoder_folder(MINILM))
    return args


def test_fine_tuning_starts_from_the_box(cache):
    args = sentiment_config()
    model = build_model(args)
    checkpoint.init_from(model, "box", args)
    shipped = checkpoint.read_state(checkpoint.find_files("box").weights)
    loaded = {key: value for key, value in shipped.items() if key.startswith("encoder.")}
    state = full_state_dict(model)
    assert loaded and all(torch.equal(state[key], value.float()) for key, value in loaded.items())
    args.encoder_conf["adapter_size"] = 192
    with pytest.raises(UserError, match=r"encoder_conf.adapter_size: 320 there, 192 here"):
        checkpoint.init_from(build_model(args), "box", args)


def test_the_box_is_a_recognizer_of_the_pipelines(cache):
    recordings = list(librivox())
    recognizer = load_recognizer("box")
    read = recognizer([one.audio.astype(np.float32) / 2**15 for one in recordings])
    assert read == [plain_text(text) for text in read]
    names = [one.utterance for one in recordings]
    said = dict(zip(names, [one.text.lower() for one in recordings], strict=True))
    assert word_error_rate(said, dict(zip(names, read, strict=True))) < 0.3
    with pytest.raises(UserError, match="box: has an n-gram of its own"):
        load_recognizer("box", "4-gram.arpa")
