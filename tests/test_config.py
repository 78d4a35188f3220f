"""yaml files: what is refused, in one line with the place."""

import pytest

from espnet_wabert.config import parse_yaml, read_yaml
from espnet_wabert.errors import UserError

LAUGHS = "\n".join(
    ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 8)]
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3", "x.yaml:3: field 'a' is there twice"),
        ("a: {b: 1, b: 2}", "x.yaml:1: field 'b' is there twice"),
        ("[" * 100_000, "x.yaml: not a configuration: nested too deeply"),
        ("a: &a [*a]", "x.yaml:1: contains itself"),
        (LAUGHS, r"x.yaml:\d: stands for more than 10000000 values"),
        ("a: 2026-13-45", "x.yaml: month must be in 1..12"),
        (f"a: {'9' * 5000}", "x.yaml: Exceeds the limit"),
        ("a: [1", "x.yaml:1: expected ',' or ']'"),
        (b"\xff", "x.yaml: not text in UTF-8: byte 0"),
    ],
)
def test_what_is_no_configuration(text, message):
    with pytest.raises(UserError, match=message):
        parse_yaml(text, "x.yaml")


def test_aliases_and_merged_fields_are_read():
    text = "a: &a {b: 1, c: 2}\nd: {<<: *a, b: 3}\ne: [*a, *a]"
    assert parse_yaml(text, "")["d"] == {"b": 3, "c": 2}


def test_fields_have_names(tmp_path):
    (tmp_path / "c.yaml").write_text("1: x\n")
    with pytest.raises(UserError, match="c.yaml: field 1: must be a name"):
        read_yaml(tmp_path / "c.yaml")
