"""Word pieces are BERT's own, and know which word they belong to."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import VOCABULARY
from transformers import BertTokenizer

from espnet_wabert.errors import UserError
from espnet_wabert.text.wordpiece import (
    WordPieceTokenizer,
    check_vocabulary,
    read_vocabulary,
    write_vocabulary,
)
from espnet_wabert.training.preprocessor import WaBERTPreprocessor


@pytest.fixture(scope="module")
def bert_tokenizer(tmp_path_factory):
    path = tmp_path_factory.mktemp("vocabulary") / "vocab.txt"
    path.write_text("".join(f"{piece}\n" for piece in VOCABULARY))
    return BertTokenizer(str(path))


TEXT = st.text(alphabet="abcxyzABCÉ'é-.,?ñ東 \t", max_size=30)


@settings(max_examples=200, deadline=None)
@given(text=TEXT)
def test_pieces_are_berts(bert_tokenizer, text):
    encoded = WordPieceTokenizer(VOCABULARY).encode(text)
    assert encoded.ids == bert_tokenizer(text)["input_ids"]
    assert len(encoded.ids) == len(encoded.pieces) == len(encoded.word_index)
    assert encoded.words == text.split()
    indices = [index for index in encoded.word_index if index is not None]
    assert indices == sorted(indices) and all(0 <= i < len(encoded.words) for i in indices)


def test_an_empty_text_is_cls_and_sep():
    assert WordPieceTokenizer(VOCABULARY).encode("").pieces == ["[CLS]", "[SEP]"]


def test_words_keep_their_pieces():
    encoded = WordPieceTokenizer(VOCABULARY).encode("the don't FILM")
    assert encoded.pieces[1:5] == ["the", "d", "##o", "##n"]
    assert encoded.word_index == [None, 0, 1, 1, 1, 1, 1, 2, None]


def test_a_cased_vocabulary_keeps_case():
    pieces = WordPieceTokenizer([*VOCABULARY, "The"])
    assert pieces.encode("The the").pieces == ["[CLS]", "The", "the", "[SEP]"]


def test_decode_joins_pieces():
    pieces = WordPieceTokenizer(VOCABULARY)
    assert pieces.decode(pieces.encode("the good abc").ids) == "the good abc"


@pytest.mark.parametrize(
    ("vocabulary", "message"),
    [(["a", "b"], r"\[PAD\], \[UNK\]"), ([*VOCABULARY, "a"], "more than once")],
)
def test_what_is_no_vocabulary_is_refused(vocabulary, message):
    with pytest.raises(UserError, match=message):
        WordPieceTokenizer(vocabulary)


def test_a_vocabulary_file_keeps_white_space_pieces(tmp_path):
    path = tmp_path / "vocab.txt"
    path.write_bytes("[PAD]\n\u00a0\nx \n\u2028\ny\r\n".encode())
    assert read_vocabulary(path) == ["[PAD]", "\u00a0", "x ", "\u2028", "y"]
    with pytest.raises(UserError, match="no such vocabulary"):
        read_vocabulary(tmp_path / "none")


def test_the_vocabulary_is_that_of_the_model(tmp_path):
    """A BERT of another vocabulary would read other words than those that were said."""
    folders = []
    for name, pieces in (("bert", VOCABULARY), ("other", [*VOCABULARY, "more"]), ("none", [])):
        folders.append(tmp_path / name)
        folders[-1].mkdir()
        (folders[-1] / "config.json").write_text('{"model_type": "bert"}')
        if pieces:
            (folders[-1] / "vocab.txt").write_text("".join(f"{piece}\n" for piece in pieces))
    bert, other, none = map(str, folders)
    write_vocabulary(bert, tmp_path / "list.txt")
    check_vocabulary(tmp_path / "list.txt", bert)
    with pytest.raises(
        UserError, match=r"list.txt: not the vocabulary of .*/other: run the stages"
    ):
        check_vocabulary(tmp_path / "list.txt", other)
    with pytest.raises(UserError, match=r"/none: its tokenizer has special tokens only"):
        write_vocabulary(none, tmp_path / "list.txt")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("café\n".encode("latin-1"), "not text in UTF-8: byte 3"),
        ("[PAD]\n".encode("utf-16"), "not text in UTF-8: byte 0"),
        (b"", "an empty vocabulary"),
    ],
)
def test_a_file_that_is_no_vocabulary(tmp_path, content, message):
    (tmp_path / "vocab.txt").write_bytes(content)
    with pytest.raises(UserError, match=f"vocab.txt: {message}"):
        read_vocabulary(tmp_path / "vocab.txt")


def test_preprocessing_names_the_utterance_with_an_unknown_label():
    preprocess = WaBERTPreprocessor(False, VOCABULARY, ("Negative", "Neutral", "Positive"))
    speech = np.zeros(800, dtype=np.float32)
    data = preprocess("u1", {"speech": speech, "text": "the film", "sentiment": "Neutral"})
    assert data["text"].tolist() == WordPieceTokenizer(VOCABULARY).encode("the film").ids
    assert data["sentiment"].tolist() == [1] and data["speech"].shape == (800,)
    with pytest.raises(UserError, match="utterance u2: sentiment 'Angry' is not one of Negative"):
        preprocess("u2", {"speech": speech, "sentiment": "Angry"})
