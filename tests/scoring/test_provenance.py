"""Where the rows of a table come from: a line beside it, or a remark."""

import json

import pytest

from espnet_wabert.errors import UserError
from espnet_wabert.scoring.provenance import provenance_line, read_provenance
from espnet_wabert.scoring.report import tables
from espnet_wabert.scoring.table import markdown

TRAINED = {"commit": "1a2b3c4d", "threads": 2, "machine": "EPYC", "corpus": "c", "seed": 0}


def decoded(folder, **changes):
    folder.mkdir()
    content = {"trained": {**TRAINED, **changes}, "decoded": {"threads": 1}}
    (folder / "provenance.json").write_text(json.dumps(content))
    return folder


def test_of_one_run_it_is_the_file(tmp_path):
    assert read_provenance([decoded(tmp_path / "a")])["trained"] == TRAINED
    assert read_provenance([tmp_path]) == {}


def test_of_seeds_it_is_what_they_share_and_a_list_of_the_rest(tmp_path):
    runs = [decoded(tmp_path / str(seed), seed=seed) for seed in (0, 1, 2)]
    found = read_provenance(runs)
    assert found["trained"] == {**TRAINED, "seed": [0, 1, 2]}
    assert found["decoded"] == {"threads": 1}


@pytest.mark.parametrize("content", ["[1]", "{", "1"])
def test_a_damaged_file_is_named(tmp_path, content):
    (tmp_path / "provenance.json").write_text(content)
    with pytest.raises(UserError, match=r"provenance.json:1: is not"):
        read_provenance([tmp_path])


def row(**changes) -> dict:
    return {"trained": {**TRAINED, **changes}, "scored": "x"}


@pytest.mark.parametrize(
    ("rows", "line"),
    [
        ({}, ""),
        ({"majority": {"scored": "x"}}, ""),
        (
            {"a": row(), "b": row(seed=1)},
            "trained with commit: 1a2b3c4d, threads: 2, machine: EPYC",
        ),
        (
            {"a": row(), "b": row(threads=1), "c": row()},
            "the rows were not trained alike: threads (2: a, c; 1: b)",
        ),
        (
            {"a": row(), "b": row(corpus="d", commit=None)},
            "the rows were not trained alike: commit (1a2b3c4d: a; None: b), corpus (a; b)",
        ),
        (
            {"a": row(threads=[1, 2])},
            "trained with commit: 1a2b3c4d, threads: 1 and 2, machine: EPYC",
        ),
    ],
)
def test_the_line_beside_a_table(rows, line):
    assert provenance_line(rows) == line


def test_tables_have_the_line_and_no_block():
    systems = {"a": {"macro_f1": 0.5}, "b": {"macro_f1": 0.4}}
    results = {"sentiment": systems, "provenance": {"sentiment": {"a": row(), "b": row(threads=1)}}}
    text = markdown(tables(results))
    assert "the rows were not trained alike: threads (2: a; 1: b)" in text
    assert "EPYC" not in text and "provenance" not in text
