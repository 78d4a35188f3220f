"""Hypothesis strategies: a valid file with some damage, as disks, editors and users make it."""

import json

from hypothesis import strategies as st

# Fields that a user, a program or an attacker may have written.
FIELDS = (
    b"nan", b"NaN", b"inf", b"-inf", b"1e999", b"-1", b"-0.0", b"1e-320", b"1_000", b"0x10", b"",
    b"99999.5", b"9" * 400, b"9" * 5000, "١٢".encode(), b"0,5", b"1e5", b"true", b"null", b"[]",
    b"../../etc/passwd", b"/etc/passwd", b"a|", b"$(true)", b"\\", b'"', b"'", b"%s", b"{}",
    b"<eps>", "é".encode(), "日本".encode(), "\u202e".encode(), "\u00a0".encode(),
    "\u2028".encode(), b"\x1b[2J",
    b"\x00", b"\x85", b"\xff", b"\xed\xa0\x80", b"\xc3", b"x" * 3000, b"!!python/object:os.system",
)  # fmt: skip
LINE_ENDS = (b"\r\n", b"\r", b"\n\n", b"\n \n", b"\x0b\n", b"\x00\n", b"")
ENCODINGS = ("utf-16", "utf-16-le", "utf-8-sig", "latin-1", "utf-32")


@st.composite
def _cut(draw, content: bytes) -> bytes:
    return content[: draw(st.integers(0, max(0, len(content) - 1)))]


@st.composite
def _flip(draw, content: bytes) -> bytes:
    changed = bytearray(content)
    for _ in range(draw(st.integers(1, 4))):
        if changed:
            changed[draw(st.integers(0, len(changed) - 1))] ^= 1 << draw(st.integers(0, 7))
    return bytes(changed)


@st.composite
def _splice(draw, content: bytes) -> bytes:
    """Remove, repeat or insert some bytes."""
    start = draw(st.integers(0, len(content)))
    end = min(len(content), start + draw(st.integers(0, 40)))
    middle = draw(st.sampled_from([b"", content[start:end] * 2, b"\x00" * 9, b"\n", b" ", b"\t"]))
    return content[:start] + middle + content[end:]


@st.composite
def _lines(draw, content: bytes) -> bytes:
    """Drop, repeat or swap lines."""
    lines = content.split(b"\n")
    one, other = (draw(st.integers(0, len(lines) - 1)) for _ in range(2))
    how = draw(st.sampled_from(["drop", "repeat", "swap", "reverse", "only"]))
    if how == "drop":
        del lines[one]
    elif how == "repeat":
        lines.insert(other, lines[one])
    elif how == "swap":
        lines[one], lines[other] = lines[other], lines[one]
    elif how == "reverse":
        lines.reverse()
    else:
        lines = [lines[one]]
    return b"\n".join(lines)


@st.composite
def _field(draw, content: bytes) -> bytes:
    """Replace a field, which ends at white space, a comma, a quote or a colon."""
    ends = [at for at, byte in enumerate(content) if byte in b' \t\n,":=']
    if len(ends) < 2:
        return content
    at = draw(st.integers(0, len(ends) - 2))
    return content[: ends[at] + 1] + draw(st.sampled_from(FIELDS)) + content[ends[at + 1] :]


@st.composite
def _line_ends(draw, content: bytes) -> bytes:
    return content.replace(b"\n", draw(st.sampled_from(LINE_ENDS)))


@st.composite
def _encoding(draw, content: bytes) -> bytes:
    return content.decode("utf-8", "replace").encode(draw(st.sampled_from(ENCODINGS)), "replace")


@st.composite
def _nest(draw, content: bytes) -> bytes:
    """Deep nesting, which recursive parsers do not survive."""
    deep = draw(st.sampled_from([100, 5000, 200_000]))
    opening = draw(st.sampled_from([b"[", b'{"a":', b"- ", b"(", b'"']))
    return draw(st.sampled_from([b"", content])) + opening * deep


def other_files() -> st.SearchStrategy[bytes]:
    """Whole files of other kinds."""
    some = [b"", b"\n", b" ", b"\x00", b"\x00" * 10_000, b"\xff\xfe", b"\xef\xbb\xbf",
            b"PK\x03\x04",
            b"fLaC", b"RIFF\x00\x00\x00\x00WAVE", b"%PDF-1.7", b"\x1f\x8b\x08", b"<html></html>",
            b"version https://git-lfs.github.com/spec/v1\n", b"[" * 100_000, b"{", b"null", b"[]",
            b"{}", json.dumps({"a": {"words": None}}).encode(), b"a" * 1_000_000]  # fmt: skip
    return st.one_of(st.sampled_from(some), st.binary(max_size=300))


def cuts(content: bytes) -> st.SearchStrategy[bytes]:
    """The beginning of a file."""
    return _cut(content)


def flips(content: bytes) -> st.SearchStrategy[bytes]:
    """Some other bits."""
    return _flip(content)


def of_bytes(content: bytes) -> st.SearchStrategy[bytes]:
    """Damage of a binary file."""
    once = st.one_of(_cut(content), _flip(content), _flip(content), _splice(content))
    return st.one_of(once, once, once, once.flatmap(_flip), other_files())


def of_text(content: bytes) -> st.SearchStrategy[bytes]:
    """Damage of a text file."""
    kinds = (_cut, _flip, _splice, _lines, _field, _field, _field, _line_ends, _encoding)
    once = st.one_of(*(kind(content) for kind in kinds))
    twice = once.flatmap(lambda text: st.one_of(_lines(text), _field(text), _flip(text)))
    return st.one_of(once, once, twice, _nest(content), other_files())
