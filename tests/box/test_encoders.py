"""The models that packages ship, as Hugging Face folders that load with every key."""

import csv
import struct

import numpy as np
import pytest
import torch

from espnet_wabert.box.ct2 import read_container
from espnet_wabert.box.encoders import MINILM, WHISPER, make_encoders
from espnet_wabert.errors import UserError
from espnet_wabert.mini.real_speech import (
    an4,
    librivox,
    parse_transcription,
    sentences,
    write_recordings,
)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    make_encoders(folder)
    return folder


@pytest.mark.parametrize("name, kind", [(WHISPER, "WhisperModel"), (MINILM, "BertModel")])
def test_every_key_is_loaded(models, name, kind):
    import transformers

    load = getattr(transformers, kind).from_pretrained
    model, told = load(models / name, output_loading_info=True)
    assert not told["missing_keys"] and not told["unexpected_keys"] and not told["mismatched_keys"]
    assert all(parameter.dtype == torch.float32 for parameter in model.parameters())


def test_whisper_transcribes_real_speech(models):
    import jiwer
    from transformers import WhisperForConditionalGeneration, WhisperProcessor

    processor = WhisperProcessor.from_pretrained(models / WHISPER)
    model = WhisperForConditionalGeneration.from_pretrained(models / WHISPER)
    recording = next(librivox())
    inputs = processor(recording.audio / 2**15, sampling_rate=16000, return_tensors="pt")
    with torch.no_grad():
        tokens = model.generate(inputs.input_features)
    (heard,) = processor.batch_decode(tokens, skip_special_tokens=True)
    heard = heard.upper().replace("MR.", "MISTER").strip(" .").replace(".", "")
    assert jiwer.wer(recording.text, heard) < 0.1


def test_minilm_tokenizes_and_knows_similar_words(models):
    from transformers import AutoTokenizer, BertModel

    tokenizer = AutoTokenizer.from_pretrained(models / MINILM)
    model = BertModel.from_pretrained(models / MINILM).eval()
    batch = tokenizer(["a good film", "a great movie", "the tax law"], return_tensors="pt")
    assert tokenizer.unk_token_id not in batch.input_ids
    with torch.no_grad():
        vectors = model(**batch).last_hidden_state.mean(1)
    near = torch.cosine_similarity(vectors[0], vectors[1], 0)
    assert near > torch.cosine_similarity(vectors[0], vectors[2], 0) + 0.3


def container(tensors, version=6, extra=b""):
    def string(text):
        return struct.pack("<H", len(text) + 1) + text.encode() + b"\0"

    data = struct.pack("<I", version) + string("WhisperSpec") + struct.pack("<I", 3)
    data += struct.pack("<I", len(tensors))
    for name, array in tensors.items():
        data += string(name) + struct.pack(f"<B{array.ndim}I", array.ndim, *array.shape)
        data += struct.pack("<BI", 4, array.nbytes) + array.tobytes()
    return data + struct.pack("<I", 1) + string("alias") + string(next(iter(tensors))) + extra


def test_container_is_read_with_its_aliases(tmp_path):
    array = np.arange(6, dtype=np.float16).reshape(2, 3)
    (tmp_path / "model.bin").write_bytes(container({"a/b": array}))
    found = read_container(tmp_path / "model.bin")
    assert found.spec == "WhisperSpec" and list(found.tensors) == ["a/b", "alias"]
    np.testing.assert_array_equal(found.tensors["alias"], array)


@pytest.mark.parametrize("change", ["truncated", "version", "longer", "other"])
def test_a_bad_container_is_one_clear_error(tmp_path, change):
    array = {"a": np.zeros(4, np.float16)}
    data = {
        "truncated": container(array)[:-9],
        "version": container(array, version=5),
        "longer": container(array, extra=b"!"),
        "other": b"\x06\x00\x00\x00PK",
    }[change]
    path = tmp_path / "model.bin"
    path.write_bytes(data)
    with pytest.raises(UserError, match="model.bin"):
        read_container(path)


def test_an4_and_librivox_become_kaldi_folders(tmp_path):
    assert write_recordings(an4(), tmp_path / "an4") == 7
    assert write_recordings(librivox(), tmp_path / "librivox") == 5
    assert not (tmp_path / "an4" / "words.ctm").exists()
    text = dict(line.split(" ", 1) for line in (tmp_path / "an4" / "text").open())
    assert text["fash-an251-fash-b"] == "yes\n"
    ids = [line.split()[0] for line in (tmp_path / "librivox" / "wav.scp").open()]
    assert ids == sorted(ids) and len(ids) == 5
    rows = list(csv.reader((tmp_path / "librivox" / "words.ctm").open(), delimiter=" "))
    spoken = {row[0]: [] for row in rows}
    for name, _, start, length, word in rows:
        assert float(length) > 0
        spoken[name].append((float(start), word))
    for line in (tmp_path / "librivox" / "text").open():
        name, *words = line.split()
        assert [word for _, word in sorted(spoken[name])] == words


def test_sentences_have_the_word_times_of_their_packages(tmp_path):
    assert write_recordings(sentences(), tmp_path) == 7
    text = dict(line.rstrip().split(" ", 1) for line in (tmp_path / "text").open())
    assert text["praatio-bobby"] == "bobby ripped the ledger"
    rows = list(csv.reader((tmp_path / "words.ctm").open(), delimiter=" "))
    assert len(rows) == sum(len(line.split()) for line in text.values()) == 38
    first = next(row for row in rows if row[0] == "praatio-bobby")
    assert first[4] == "bobby" and float(first[2]) == pytest.approx(0.065, abs=1e-3)
    for recording in sentences():  # from 44.1 and 48 kHz to the length that their words have
        assert recording.words[-1][2] <= len(recording.audio) / 16000 + 0.001
        assert np.abs(recording.audio).max() > 1000


def test_transcription_without_an_id_is_refused():
    assert parse_transcription("<s> GO </s> (an253-fash-b)") == ("an253-fash-b", "GO")
    with pytest.raises(UserError, match="no id"):
        parse_transcription("<s> GO </s>")
