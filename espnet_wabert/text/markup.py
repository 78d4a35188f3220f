"""What stands in transcripts but is not said: HTML, and notes on sounds such as "[laughs]"."""

import html
import itertools
import re
from collections.abc import Sequence

SOUNDS = frozenset(
    """applause cheering chuckle chuckles chuckling clapping cough coughing coughs crosstalk gasps
    giggles giggling inaudible indiscernible laugh laughing laughs laughter music noise noises pause
    sigh sighing sighs silence sniffs sobbing unintelligible""".split()
)
LONGEST = 6  # words of a note
_ESCAPED = re.compile(r"&(?:#\d{1,7}|#x[\da-f]{1,6}|[a-z]+\d*);", re.IGNORECASE)
_TAG = re.compile(r"</?[a-z][\w.:-]*/?>", re.IGNORECASE)  # <i>, </i>, <br/>, <unk>
_CLOSED = re.compile(r"[\])][.,;:!?]*\Z")
_CLOCK = re.compile(r"(?:\d+:)?\d{1,2}:\d\d(?:\.\d+)?\Z")


def without_markup(words: Sequence[str]) -> list[str]:
    """Return as many words, without HTML; those of notes on sounds and of their times are empty."""
    plain = [_TAG.sub(" ", _ESCAPED.sub(_unescaped, word)).strip() for word in words]
    for start, word in enumerate(plain):
        if word.startswith(("[", "(")):
            stop = _stop(plain, start)
            if _is_note(word[0], plain[start:stop]):
                plain[start:stop] = [""] * (stop - start)
    return plain


def _unescaped(found: re.Match) -> str:
    return html.unescape(found[0])


def _stop(words: Sequence[str], start: int) -> int:
    """Return the index after the word that closes a bracket; `start` if none is near."""
    for at, word in enumerate(itertools.islice(words, start, start + LONGEST), start):
        if _CLOSED.search(word):
            return at + 1
    return start


def _is_note(bracket: str, words: Sequence[str]) -> bool:
    """Return whether words in brackets are a note; in round ones, "the music" may be said."""
    bare = [word.strip("[]().,;:!?*").lower() for word in words]
    sounds = [word in SOUNDS for word in bare]
    times = [_CLOCK.match(word) is not None for word in bare]
    if bracket == "[":
        return any(sounds) or any(times)
    return any(sounds) and all(s or t for s, t in zip(sounds, times, strict=True))
