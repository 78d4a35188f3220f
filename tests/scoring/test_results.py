"""results.json: merged by many, never half written; and the tables made of it."""

import json
import multiprocessing
import os
import stat

import numpy as np
import pytest

from espnet_wabert.errors import UserError
from espnet_wabert.scoring import report
from espnet_wabert.scoring.results import mean_and_sd, read_results, update_results
from espnet_wabert.scoring.table import Table, markdown, print_tables


def _figures(mean, spread=None):
    row = {"mean_ms": mean, "median_ms": mean / 2, "words": 12345, "failed": 12}
    row |= {f"within_{tolerance}ms": 0.9 for tolerance in (20, 50, 100, 500)}
    row |= {"within_1000ms": 1.0}
    return row if spread is None else row | {"mean_ms_sd": spread, "median_ms_sd": spread}


SYSTEM = {"weighted_recall": 0.85, "weighted_f1": 0.84, "macro_f1": 0.7}
FULL = {
    "alignment": {
        "cosine": {"cif": _figures(426.4, 12.3), "diagonal_accuracy": 0.84},
        "infonce": {
            "cif": _figures(126.0, 12.3),
            "dp_durations_long": _figures(44.4, 1.2),
            "diagonal_accuracy": 0.92,
            "diagonal_accuracy_sd": 0.012,
        },
        "best": "infonce.dp_durations_long",
    },
    "sentiment": {
        "wabert": SYSTEM | {"macro_f1_sd": 0.012, "weighted_f1_sd": 0.1},
        "pipeline": SYSTEM | {"wer": 0.123, "macro_f1_low": 0.61, "macro_f1_high": 0.79},
        "majority": {"weighted_recall": 0.822, "weighted_f1": 0.741, "macro_f1": 0.301},
    },
    "sentiment_voice_part": {"wabert": SYSTEM},
    "tokens": {"count_error": 0.8125, "top1": 0.25, "top5": None},
    "seconds": {f"librispeech_wabert.stage{stage}": 12.34 * stage for stage in range(1, 15)},
    "versions": {"torch": "2.14.1", "espnet": "202611"},
    "seed": 7,
    "packed": {"wabert": "exp/mini/wabert.zip"},
}


def test_nested_and_dotted_keys_are_merged(tmp_path):
    path = tmp_path / "exp" / "results.json"
    update_results(path, {"alignment.infonce.cif": {"mean_ms": 96.123456789}})
    update_results(path, {"alignment": {"infonce": {"diagonal_accuracy": 0.92}}})
    update_results(path, {"alignment.infonce.cif.words": 12, "versions": {"torch.audio": "2"}})
    assert read_results(path) == {
        "alignment": {
            "infonce": {"cif": {"mean_ms": 96.1235, "words": 12}, "diagonal_accuracy": 0.92}
        },
        "versions": {"torch.audio": "2"},  # only the outermost keys are taken apart
    }
    update_results(path, {"alignment.infonce.cif.words": 13})
    assert read_results(path)["alignment"]["infonce"]["cif"]["words"] == 13


def test_a_row_can_be_replaced_whole(tmp_path):
    path = tmp_path / "results.json"
    update_results(path, {"tokens": {"top1": 1, "top5": 2}, "seed": 3})
    update_results(path, {("tokens",): {"top1": 4}, "a.b": {"c": 5}}, whole=True)
    assert read_results(path) == {"tokens": {"top1": 4}, "seed": 3, "a": {"b": {"c": 5}}}
    update_results(path, {("a", "x.y"): 6, "a.b": {"d": 7}}, whole=True)
    assert read_results(path)["a"] == {"b": {"d": 7}, "x.y": 6}


def test_null_may_become_anything(tmp_path):
    path = tmp_path / "results.json"
    update_results(path, {"alignment.infonce.cif": None})
    update_results(path, {"alignment.infonce.cif": {"words": 3}})
    assert read_results(path)["alignment"]["infonce"]["cif"] == {"words": 3}


def test_values_become_what_json_can_hold(tmp_path):
    path = tmp_path / "results.json"
    values = {
        "numpy": np.float32(1 / 3),
        "count": np.int64(3),
        "nan": float("nan"),
        "list": np.array([1.0, np.inf]),
        "small": 1.23456789e-7,
        "flag": True,
        "path": path,
    }
    update_results(path, values)
    assert json.loads(path.read_text()) == {
        "numpy": 0.333333,
        "count": 3,
        "nan": None,
        "list": [1.0, None],
        "small": 1.23457e-7,
        "flag": True,
        "path": str(path),
    }


def _write_stage(path, number):
    update_results(path, {f"seconds.stage{number}": number})


def test_stages_may_write_at_once(tmp_path):
    path = tmp_path / "results.json"
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=_write_stage, args=(path, n)) for n in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert len(read_results(path)["seconds"]) == 8
    assert [name for name in os.listdir(tmp_path) if "lock" not in name] == ["results.json"]
    assert stat.S_IMODE(path.stat().st_mode) & 0o400


def test_bad_results_are_named(tmp_path):
    path = tmp_path / "results.json"
    path.write_text('{"seed": 1,\n oops}')
    with pytest.raises(UserError, match=r"results\.json:2: is not JSON"):
        update_results(path, {"seed": 2})
    assert "oops" in path.read_text()  # and left as it was
    path.write_text("[]")
    with pytest.raises(UserError, match=r"results\.json:1: is not a JSON object of results"):
        read_results(path)
    path.write_text('{"seed": 1, "tokens": {"top1": 1}}')
    with pytest.raises(UserError, match="seed is a value there and cannot become an object"):
        update_results(path, {"seed.first": 2})
    with pytest.raises(UserError, match="tokens is an object there and cannot become a value"):
        update_results(path, {"tokens": 2})
    with pytest.raises(UserError, match="no such file"):
        read_results(tmp_path / "nothing.json")


def test_mean_and_deviation_over_seeds():
    runs = [{"macro_f1": 0.6, "top5": None, "name": "a"}, {"macro_f1": 0.8, "top5": 1, "name": "b"}]
    assert mean_and_sd(runs) == pytest.approx(
        {"macro_f1": 0.7, "macro_f1_sd": 0.2 / 2**0.5, "top5": None}
    )
    assert mean_and_sd([{"macro_f1": 0.6}]) == {"macro_f1": 0.6}
    with pytest.raises(UserError, match="run 2 lacks the figure a"):
        mean_and_sd([{"a": 1}, {"b": 1}])
    with pytest.raises(UserError, match="no run to average"):
        mean_and_sd([])


def test_the_whole_table_fits_100_columns_and_loses_nothing(tmp_path):
    text = _printed(tmp_path, report.tables(FULL))
    assert max(map(len, text.splitlines())) <= 100
    lines = [line.split() for line in text.splitlines()]
    within = ["90.0"] * 4 + ["100.0"]
    assert [
        "infonce",
        "cif",
        "126.0±12.3",
        "63.0±12.3",
        *within,
        "92.0±1.2",
        "12345",
        "12",
    ] in lines
    assert ["cosine", "cif", "426.4±12.3", "213.2±12.3", *within, "84.0", "12345", "12"] in lines
    assert ["majority", "82.2", "74.1", "30.1", "-", "-"] in lines
    assert ["wabert", "85.0", "84.0±10.0", "70.0±1.2", "-", "-"] in lines
    assert ["pipeline", "85.0", "84.0", "70.0", "12.3", "61.0-79.0"] in lines
    assert ["0.81", "25.0"] in lines  # a figure that is null has no column
    for word in ("voice part", "stage14", "172.8", "torch", "2.14.1", "packed.wabert", "seed"):
        assert word in text
    assert "the best method is infonce.dp_durations_long" in " ".join(text.split())


def test_rows_come_in_the_papers_order():
    alignment = report.tables(FULL)[0]
    assert [row[0] for row in alignment.rows] == ["infonce", "infonce", "cosine"]
    assert alignment.marked == 1
    assert report.tables(FULL)[1].rows[0][0] == "majority"


@pytest.mark.parametrize("section", FULL)
def test_any_part_may_stand_alone(tmp_path, section):
    assert _printed(tmp_path, report.tables({section: FULL[section]}))


def test_missing_figures_are_dashes_and_empty_results_no_tables():
    only = {"alignment": {"infonce": {"diagonal_accuracy": 0.9}, "cosine": {"cif": {"words": 3}}}}
    assert report.tables(only)[0].rows == (
        ("infonce", "-", "90.0", "-"),
        ("cosine", "cif", "-", "3"),
    )
    assert report.tables({}) == []
    assert report.tables({"alignment": {}, "sentiment": {"e2e": {}}, "tokens": {}}) == []
    with pytest.raises(UserError, match="alignment is 3; it must be an object"):
        report.tables({"alignment": 3})


def test_rows_of_other_utterances_are_told():
    """Such as those from before the labels of the test set were there."""
    rows = {"majority": SYSTEM | {"utterances": 9}, "old": SYSTEM, "new": SYSTEM}
    assert report.sentiment_table(rows).note == ""
    rows["new"] = SYSTEM | {"utterances": 8}
    note = "the rows were not scored on the same utterances"
    assert report.sentiment_table(rows).note == note


def test_markdown_has_the_same_cells_and_the_commands():
    results = {"tokens": {"top1": 0.5}}
    results["sentiment"] = {"majority": SYSTEM, "a|b": SYSTEM | {"command": "./run.sh --x | y"}}
    text = markdown(report.tables(results, commands=True))
    assert "| system | weighted recall | weighted F1 | macro F1 | command |" in text
    assert "| a\\|b | 85.0 | 84.0 | 70.0 | `./run.sh --x \\| y` |" in text
    assert "| majority | 85.0 | 84.0 | 70.0 | - |" in text
    assert "### Tokens (count" in text and "| 50.0 |" in text
    assert "**44.4±1.2**" in markdown(report.tables(FULL))


def test_a_terminal_gets_lines_and_a_pipe_does_not(tmp_path, monkeypatch):
    table = Table("Title", ("name", "figure"), (("[bold]x", "1.0"),), note="a note")
    plain = _printed(tmp_path, [table])
    assert plain.splitlines() == ["Title", "name    figure", "[bold]x    1.0", "a note", ""]
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    assert "─" in _printed(tmp_path, [table])


def _printed(folder, tables):
    path = folder / "printed"
    with path.open("w") as stream:
        print_tables(tables, stream)
    return path.read_text()


def test_the_confusion_is_in_the_table_of_classes_if_it_fits():
    few = report.class_table(np.eye(2, dtype=int), ["a|b", "c"])
    assert few.columns[-2:] == ("as a|b", "as c") and few.rows[0][-2:] == ("1", "0")
    assert r"| class | precision | recall | F1 | support | as a\|b | as c |" in markdown([few])
    many = report.class_table(np.eye(12, dtype=int), [f"class {n}" for n in range(12)])
    assert many.columns == ("class", "precision", "recall", "F1", "support")
    assert {len(row) for row in many.rows} == {5}


def test_a_folder_is_no_results_file(tmp_path):
    with pytest.raises(UserError, match=r"is a folder, not a results.json"):
        update_results(tmp_path, {"seed": 1})
