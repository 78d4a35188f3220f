"""The words of what is written without spaces: addresses of the Web and of mail, and AT&T."""

import re

SIGNS = {".": " dot ", "/": " slash ", "@": " at ", "_": " underscore ", "-": " "}
_ADDRESS = re.compile(
    r"(?:https?://)?(?P<said>(?:[\w.+-]{1,64}@)?[\w-]{1,63}(?:\.[\w-]{1,63}){0,5}"
    r"\.(?:com|org|net|edu|gov|info|io|ai|tv|fm|uk|eu|de)\b(?:/[\w./-]*\w)?)",
    re.IGNORECASE,
)
_AND = re.compile(r"(?<=\w)&(?=\w)")
_AT = re.compile(r"(?<![\w.])@(?=\w)|(?<=\w)@(?=\w+\.\w)")  # @name, name@host.other


def spelled_out(word: str) -> str:
    """Return a word with spaces, and with the words of the signs of an address."""
    if "." in word:
        word = _ADDRESS.sub(_said, word)
    return _AT.sub(" at ", _AND.sub(" and ", word))


def _said(found: re.Match) -> str:
    return re.sub(r"[./@_-]", lambda sign: SIGNS[sign[0]], found["said"])
