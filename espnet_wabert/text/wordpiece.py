"""BERT's word pieces of a transcript, and the word of each."""

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tokenizers import BertWordPieceTokenizer

from espnet_wabert.errors import UserError, first_line
from espnet_wabert.formats.lines import write_lines
from espnet_wabert.formats.word import Word

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")


class Encoded(NamedTuple):
    """A transcript as N tokens of BERT, with [CLS] and [SEP]."""

    ids: list[int]  # N
    pieces: list[str]  # N
    words: list[str]  # the transcript's words, split at white space
    word_index: list[int | None]  # N: index into `words`; None for [CLS] and [SEP]
    said: list[str]  # what each word is read as: itself, or its spoken form


class WordPieceTokenizer:
    """BERT's tokenizer from its vocabulary alone.

    Args:
        vocabulary: the pieces in the order of their ids. White space is kept, because some
            vocabularies have pieces that differ in it only. A vocabulary without capital letters
            (apart from special tokens) is uncased: text is lower-cased and accents are removed.
    """

    def __init__(self, vocabulary: Iterable[str]):
        self.vocabulary = list(vocabulary)
        known = set(self.vocabulary)
        missing = [token for token in SPECIAL if token not in known]
        if missing:
            raise UserError(f"token_list: not a BERT vocabulary: {', '.join(missing)} missing")
        if len(known) != len(self.vocabulary):
            raise UserError("token_list: pieces stand in it more than once")
        plain = (piece for piece in self.vocabulary if not piece.startswith("["))
        self.uncased = re.search("[A-Z]", " ".join(plain)) is None

    @cached_property
    def tokenizer(self) -> BertWordPieceTokenizer:
        """That of `tokenizers`, which is built when it is needed."""
        ids = {piece: index for index, piece in enumerate(self.vocabulary)}
        return BertWordPieceTokenizer(vocab=ids, lowercase=self.uncased, strip_accents=self.uncased)

    def encode(self, text: str) -> Encoded:
        """Return the pieces of a transcript; an empty one is [CLS] [SEP]."""
        return self.encode_words(text.split())

    def encode_words(self, words: Sequence[str]) -> Encoded:
        """Return the pieces of words that are split already; a word may be empty."""
        encoding = self.tokenizer.encode(words, is_pretokenized=True)
        return Encoded(encoding.ids, encoding.tokens, list(words), encoding.word_ids, list(words))

    def counts(self, texts: Iterable[str]) -> Iterator[int]:
        """Yield the number of tokens of each transcript, as `encode` has them.

        Pieces do not cross white space, so that each word is encoded only when it is new.
        """
        known: dict[str, int] = {}
        for text in texts:
            words = text.split()
            for word in words:
                if word not in known:
                    known[word] = len(self.encode_words([word]).ids) - 2  # [CLS] and [SEP]
            yield sum(map(known.__getitem__, words), 2)

    def decode(self, ids: Iterable[int]) -> str:
        """Return the text of token ids, without the special tokens."""
        text = self.tokenizer.decode([int(i) for i in ids], skip_special_tokens=True)
        return join_apostrophes(text)


def join_apostrophes(text: str) -> str:
    """Join what BERT's tokenizer parts at an apostrophe: "don ' t" is "don't" again.

    A contraction is joined with both sides, o'brien too, and a plural's apostrophe with its word.
    """
    text = re.sub(r" ' (s|t|re|ve|ll|d|m)\b", r"'\1", text)
    text = re.sub(r"\b([odl]|ma) ' (?=\w)", r"\1'", text)
    return re.sub(r"(?<=s) '(?= |$)", "'", text)


def letters_of(encoded: Encoded) -> np.ndarray:
    """Return the number of letters of the spoken form of each token (N,).

    An unknown word has its own letters; a digit counts as four (one, seven, thirty).
    """
    spoken = [
        encoded.words[word] if piece == "[UNK]" and word is not None else piece.removeprefix("##")
        for piece, word in zip(encoded.pieces, encoded.word_index, strict=True)
    ]
    return np.array([len(x) + 3 * sum(map(str.isdigit, x)) for x in spoken], dtype=np.float64)


def word_ends_of(encoded: Encoded) -> list[bool]:
    """Return for each token whether it is the last piece of a word."""
    index = [*encoded.word_index, None]
    return [word is not None and word != index[n + 1] for n, word in enumerate(index[:-1])]


def word_confidences(encoded: Encoded, confidences: Sequence[float]) -> list[float]:
    """Return the mean over the tokens of each word; 0 for a word without tokens."""
    by_word: list[list[float]] = [[] for _ in encoded.words]
    for index, confidence in zip(encoded.word_index, confidences, strict=True):
        if index is not None:
            by_word[index].append(confidence)
    return [sum(values) / max(len(values), 1) for values in by_word]


def words_of(encoded: Encoded, starts: list[float], ends: list[float]) -> list[Word]:
    """Return the words with their times: from the start of the first piece to the last's end.

    A word without tokens (punctuation) starts and ends at the end of the word before it.
    """
    first: dict[int, float] = {}
    last: dict[int, float] = {}
    for index, start, end in zip(encoded.word_index, starts, ends, strict=True):
        if index is not None:
            first.setdefault(index, start)
            last[index] = end
    words, time = [], starts[0] if starts else 0.0
    for index, word in enumerate(encoded.words):
        words.append(Word(word, first.get(index, time), last.get(index, time)))
        time = words[-1].end
    return words


def read_vocabulary(path: str | Path) -> list[str]:
    """Read a vocabulary, one piece per line; only the line end is removed.

    Raises:
        UserError: it is missing, empty or not text in UTF-8.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"{path}: no such vocabulary; stage 5 writes it")
    try:
        with path.open(encoding="utf-8", newline="\n") as lines:
            pieces = [line.rstrip("\n").removesuffix("\r") for line in lines]
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not text in UTF-8: byte {error.start}") from error
    if not pieces:
        raise UserError(f"{path}: an empty vocabulary")
    return pieces


def load_vocabulary(model: str) -> list[str]:
    """Return the word pieces of a BERT (name on the Hub, or folder) in the order of their ids."""
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(model)
    except (OSError, ValueError) as error:
        raise UserError(f"{model}: its tokenizer cannot be loaded: {first_line(error)}") from error
    ids = tokenizer.get_vocab()
    if ids.keys() <= set(tokenizer.all_special_tokens):  # transformers makes one without its file
        raise UserError(f"{model}: its tokenizer has special tokens only; is vocab.txt missing?")
    try:
        return WordPieceTokenizer(sorted(ids, key=ids.__getitem__)).vocabulary
    except UserError as error:
        raise UserError(f"{model}: {error}") from None


def check_vocabulary(path: str | Path, model: str) -> None:
    """Check that a vocabulary file is that of a BERT (name on the Hub, or folder).

    Raises:
        UserError: it is that of another BERT, whose ids mean other pieces.
    """
    if read_vocabulary(path) != load_vocabulary(model):
        raise UserError(
            f"{path}: not the vocabulary of {model}: run the stages from 4 on again with this"
            " --text_model"
        )


def write_vocabulary(model: str, path: str | Path) -> int:
    """Write the vocabulary of a BERT (name on the Hub, or folder); return its size."""
    pieces = load_vocabulary(model)
    write_lines(path, pieces)
    return len(pieces)
