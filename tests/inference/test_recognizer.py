"""Recognizers: their batches, their texts, the beam search with an n-gram."""

import gzip

import numpy as np
import pytest
import torch
from tiny_sources import ARPA, write_tiny_recognizer, write_tiny_sources, write_tiny_whisper

from espnet_wabert.errors import UserError
from espnet_wabert.inference.recognizer import (
    load_network,
    load_recognizer,
    plain_text,
    read_labels,
    repeats_itself,
)
from espnet_wabert.text.beam_search import load_beam_search, read_unigrams

LABELS = ["", "", "", "", " ", *"GODFILM"]


@pytest.fixture(scope="module")
def ctc(tmp_path_factory):
    return write_tiny_recognizer(tmp_path_factory.mktemp("ctc"))


@pytest.fixture
def arpa(tmp_path):
    (tmp_path / "tiny.arpa").write_text(ARPA)
    return tmp_path / "tiny.arpa"


def noise(*sizes: int) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.normal(size=size).astype(np.float32) * 0.1 for size in sizes]


def scores_of(text: str, last: dict[str, float]) -> np.ndarray:
    """Log-probabilities (T, V) of a text spelled clearly but for its last letter."""
    spelled = [LABELS.index(c, 4) if c != "_" else 0 for c in text]
    scores = np.full((len(spelled) + 1, len(LABELS)), -8.0, np.float32)
    scores[np.arange(len(spelled)), spelled] = 0.0
    for letter, score in last.items():
        scores[-1, LABELS.index(letter, 4)] = score
    return scores - np.log(np.exp(scores).sum(1, keepdims=True))


@pytest.mark.parametrize(
    ("heard", "plain"),
    [
        (" Don't go; 'out' THERE \u2013 it\u2019s A-OK!", "don't go out there it's a ok"),
        ("...", ""),
        ("'", ""),
    ],
)
def test_texts_have_the_form_of_the_transcripts(heard, plain):
    assert plain_text(heard) == plain


def test_a_ctc_text_does_not_depend_on_its_batch(ctc):
    recognizer = load_recognizer(str(ctc))
    speech = noise(16000, 9000, 4000)
    together = recognizer(speech)
    assert together == [recognizer([x])[0] for x in speech]
    assert all(text == plain_text(text) for text in together)


def test_greedy_decoding_merges_repeats_and_drops_blanks(ctc):
    recognizer = load_recognizer(str(ctc))
    ids = [recognizer.labels.index(c) for c in "GOO"] + [0]
    ids += [recognizer.labels.index(c) for c in "OD F"]
    assert recognizer._greedy(torch.eye(len(recognizer.labels))[ids]) == "GOOD F"


def test_an_n_gram_decides_between_what_sounds_alike(arpa):
    pytest.importorskip("ctc_beam_decoder")
    scores = scores_of("GO_OD FIL", {"L": 0.1, "M": 0.0})
    scores[-1, 0] = -20.0
    decoder = load_beam_search(LABELS, 0, str(arpa))
    assert decoder.decode(scores) == "GOOD FILM"
    lower = arpa.with_name("lower.arpa")
    lower.write_text(ARPA.replace("GOOD", "good").replace("FILM", "film").replace("FILL", "fill"))
    assert load_beam_search(LABELS, 0, str(lower)).decode(scores) == "good film"


def test_a_recognizer_with_an_n_gram(ctc, arpa):
    pytest.importorskip("ctc_beam_decoder")
    recognizer = load_recognizer(str(ctc), str(arpa))
    text = recognizer(noise(8000))[0]
    assert text == plain_text(text)


def test_words_of_an_arpa_file(arpa, tmp_path):
    assert read_unigrams(arpa) == ["GOOD", "FILM", "FILL"]
    packed = tmp_path / "tiny.arpa.gz"
    packed.write_bytes(gzip.compress(ARPA.encode()))
    assert read_unigrams(packed) == ["GOOD", "FILM", "FILL"]
    arpa.write_text("no n-gram")
    with pytest.raises(UserError, match="tiny.arpa: no words under .1-grams"):
        read_unigrams(arpa)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.arpa", bytes(range(256))),
        ("a.arpa", gzip.compress(ARPA.encode())),
        ("a.arpa.gz", ARPA.encode()),
        ("a.arpa.gz", gzip.compress(ARPA.encode())[:-20]),
        ("a.arpa", ARPA.replace("\t", "\n").encode()),
        ("a.arpa", ARPA.replace("ngram 1=", "ngram 1=9").encode()),
    ],
)
def test_a_damaged_arpa_file_is_named(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=f"{name}: not an ARPA file"):
        load_beam_search(LABELS, 0, str(tmp_path / name))


def test_without_the_decoder_the_extra_is_named(arpa, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "ctc_beam_decoder", None)
    with pytest.raises(UserError, match=r"needs the pipeline extra: pip install .espnet_wabert"):
        load_beam_search(LABELS, 0, str(arpa))


def outputs_of(module: torch.nn.Module) -> list[torch.Tensor]:
    """What a module returns from now on."""
    found: list[torch.Tensor] = []
    module.register_forward_hook(lambda *call: found.append(call[2]))
    return found


def test_bfloat16_is_for_the_encoder_of_whisper(tmp_path):
    """The decoder gets float32 states, near those of the encoder in float32."""
    source, states = str(write_tiny_whisper(tmp_path)), {}
    for precision, dtype in (("float32", torch.float32), ("bfloat16", torch.bfloat16)):
        recognizer = load_network(source, precision=precision)
        encoder = recognizer.model.get_encoder()
        inside, after = (outputs_of(m) for m in (encoder.layers[0].fc1, encoder.layer_norm))
        decoded = outputs_of(recognizer.model.get_decoder().layers[0].fc1)
        assert len(recognizer(noise(16000, 8000))) == 2
        assert [x.dtype for x in inside] == [dtype]
        assert decoded and {x.dtype for x in decoded} == {torch.float32}
        states[precision] = after[0]
    difference = (states["bfloat16"] - states["float32"]).norm()
    assert 0 < difference < 0.03 * states["float32"].norm()


def test_bfloat16_is_for_the_encoder_of_a_ctc_model(ctc):
    recognizer = load_network(str(ctc), precision="bfloat16")
    inside = outputs_of(recognizer.encoder.model.encoder.layers[0].feed_forward)
    scores = outputs_of(recognizer.head)
    recognizer(noise(16000, 8000))
    assert inside[0].dtype == torch.bfloat16 and scores[0].dtype == torch.float32


def test_whisper_decodes_equal_windows(tmp_path):
    """Of the few samples after 30 s it would invent a word."""
    recognizer = load_recognizer(str(write_tiny_whisper(tmp_path)))
    speech = noise(16000, 31 * 16000, 0)
    texts = recognizer(speech)
    assert len(texts) == 3 and texts[2] == "" and all(text == plain_text(text) for text in texts)
    parts = [recognizer([part])[0] for part in np.split(speech[1], 2)]
    assert texts[1] == " ".join(filter(None, parts))


def test_whisper_does_not_fall_into_a_loop(tmp_path, monkeypatch):
    """A text that repeats itself is written again without; the others stay as they are."""
    recognizer = load_recognizer(str(write_tiny_whisper(tmp_path)))
    speech = noise(16000, 12000, 8000)
    first = recognizer(speech)
    written, options = [["a b. " * 40, "x", "y"], ["z"]], []

    def write(pieces, **how):
        options.append((len(pieces), how))
        return written[len(options) - 1]

    monkeypatch.setattr(recognizer, "_write", write)
    assert recognizer(speech) == ["z", "x", "y"]
    assert options == [(3, {}), (1, {"no_repeat_ngram_size": 3})]
    monkeypatch.undo()
    assert recognizer(speech) == first
    assert repeats_itself("i don't know " * 9) and not repeats_itself("very very good")


def test_a_whisper_text_does_not_depend_on_its_batch(tmp_path):
    """Nor on how long the longest of the batch may become."""
    recognizer = load_recognizer(str(write_tiny_whisper(tmp_path)))
    speech = noise(30 * 16000, 1600)
    assert recognizer(speech) == [recognizer([x])[0] for x in speech]


def test_what_is_no_recognizer_is_refused(ctc, arpa, tmp_path):
    _, bert = write_tiny_sources(tmp_path)
    with pytest.raises(UserError, match="is a 'bert' model; recognizers: whisper, wav2vec2"):
        load_recognizer(str(bert))
    with pytest.raises(UserError, match="nowhere.arpa: no such n-gram; stage 9"):
        load_recognizer(str(ctc), str(tmp_path / "nowhere.arpa"))
    with pytest.raises(UserError, match="^--recognizer: ./nowhere: no such folder"):
        load_recognizer("./nowhere")
    whisper = write_tiny_whisper(tmp_path / "whisper")
    with pytest.raises(UserError, match="Whisper is its own language model"):
        load_recognizer(str(whisper), str(arpa))


def test_symbols_without_a_word_delimiter_are_refused():
    class Letters:
        all_special_tokens, word_delimiter_token = ["<pad>"], "|"

        def get_vocab(self):
            return {"<pad>": 0, "A": 1}

    with pytest.raises(UserError, match="no word delimiter"):
        read_labels(Letters(), 2)
