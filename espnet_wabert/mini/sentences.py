"""The rated sentences of the embedded corpus, read from vaderSentiment's source package.

Snippets of film reviews, product reviews and newspaper editorials, each with the mean of 20 human
ratings from -4 to 4 (Hutto and Gilbert, ICWSM 2014), and a lexicon of words rated the same way.
"""

import io
import re
import tarfile
from pathlib import Path
from typing import NamedTuple

from espnet_wabert.errors import UserError

FILES = {
    "movie": "movieReviewSnippets_GroundTruth.txt",
    "amazon": "amazonReviewSnippets_GroundTruth.txt",
    "nyt": "nytEditorialSnippets_GroundTruth.txt",
}
SHORTEST, LONGEST = 4, 14  # limits of the number of words of a sentence
NEUTRAL, RATED = 0.5, 1.0  # neutral within 0.5 of 0; negative or positive from 1

# Chunks that are not spoken as they are written are left out.
UNSPEAKABLE = re.compile(
    r"[0-9$%&@#+=*/\\<>_]|[^\x00-\x7f]|(?<!')\b[b-hj-z]\b(?!')"
    r"|\b(?:mr|mrs|ms|dr|st|jr|sr|vs|etc|gov|sen|rep|lt|lieut|gen|inc|co)\b",
    re.IGNORECASE,
)
BREAK = re.compile(r"[.;:!?()\[\]{}\"|]|--| - |(?<!\w)'|'(?!\w)")
WORD = re.compile(r"(?:a|i|(?=[a-z']*[aeiouy])[a-z'][a-z']+)\Z")


class Snippet(NamedTuple):
    """One rated text."""

    source: str  # a key of `FILES`
    rating: float  # -4 (most negative) to 4
    chunks: list[list[list[str]]]  # chunks between full stops, of pieces between commas
    complete: bool  # whether the chunks are all of the text

    @property
    def label(self) -> str | None:
        """Return the sentiment; None if the rating is not clear."""
        if abs(self.rating) <= NEUTRAL:
            return "Neutral"
        if abs(self.rating) < RATED:
            return None
        return "Positive" if self.rating > 0 else "Negative"

    @property
    def whole(self) -> str | None:
        """Return the whole text as one sentence, if its length is within the limits."""
        return sentence(self.chunks[0]) if self.complete and len(self.chunks) == 1 else None


def sentence(pieces: list[list[str]]) -> str | None:
    """Join pieces with commas; None if the length is out of bounds."""
    if not SHORTEST <= sum(map(len, pieces)) <= LONGEST:
        return None
    return ", ".join(" ".join(piece) for piece in pieces)


def words(text: str) -> list[str]:
    """The words of a sentence, without its commas."""
    return text.replace(",", "").split()


def parse_text(text: str) -> tuple[list[list[list[str]]], bool]:
    """Cut a text into chunks, pieces and lower-case words; return whether all of it is kept."""
    chunks, complete = [], True
    for chunk in BREAK.split(text.replace("''", '"').replace("`", "'")):
        pieces = [re.sub(r"[^a-z' ]", " ", piece).split() for piece in chunk.lower().split(",")]
        pieces = [piece for piece in pieces if piece]
        speakable = not UNSPEAKABLE.search(chunk) and all(
            WORD.match(word) for piece in pieces for word in piece
        )
        if pieces and speakable:
            chunks.append(pieces)
        complete = complete and speakable
    return chunks, complete


def read_snippets(folder: Path) -> list[Snippet]:
    """Read all snippets, in the order of their files."""
    archive = Path(folder) / "hutto_ICWSM_2014.tar.gz"
    snippets = []
    try:
        with tarfile.open(archive) as tar:
            members = {Path(m.name).name: m for m in tar.getmembers() if m.isfile()}
            for source, name in FILES.items():
                content = tar.extractfile(members[name])
                assert content is not None  # it is a file
                lines = io.TextIOWrapper(content, encoding="latin-1")
                snippets += _parse_lines(lines, source, f"{archive}:{name}")
    except (OSError, KeyError, tarfile.TarError) as error:
        raise UserError(f"{archive}: the rated sentences cannot be read ({error})") from error
    return snippets


def _parse_lines(lines, source: str, name: str) -> list[Snippet]:
    found = []
    for number, line in enumerate(lines, 1):
        fields = line.rstrip("\r\n").split("\t")
        try:
            _, rating, text = fields
            rating = float(rating)
        except ValueError:
            raise UserError(f"{name}, line {number}: not id, rating and text") from None
        found.append(Snippet(source, rating, *parse_text(text)))
    return found


def read_lexicon(folder: Path) -> dict[str, float]:
    """Mean human rating (-4 to 4) of about 7,500 words that carry sentiment."""
    path = Path(folder) / "vader_lexicon.txt"
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        return {word.lower(): float(rating) for word, rating, *_ in map(_tabs, lines)}
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: the lexicon cannot be read ({error})") from error


def _tabs(line: str) -> list[str]:
    return line.split("\t")


def spans(snippet: Snippet) -> list[str]:
    """All sentences between two punctuation marks of a snippet; marks within become commas."""
    if not snippet.complete:
        groups = snippet.chunks  # text between two chunks may be missing
    else:
        groups = [[piece for chunk in snippet.chunks for piece in chunk]]
    found = []
    for pieces in groups:
        for first in range(len(pieces)):
            for last in range(first, len(pieces)):
                text = sentence(pieces[first : last + 1])
                if text:
                    found.append(text)
    return found


def runs(snippet: Snippet, vocabulary: set[str]) -> list[str]:
    """Return the longest sequences of a snippet's pieces within a vocabulary."""
    found = []
    for pieces in snippet.chunks:
        for piece in pieces:
            run = []
            for word in [*piece, ""]:
                if word in vocabulary:
                    run.append(word)
                    continue
                text = sentence([run]) if run else None
                if text:
                    found.append(text)
                run = []
    return found
