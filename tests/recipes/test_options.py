"""Options of the recipes: mistakes end with one line, before anything is done."""

import subprocess

import pytest
import torch
from recipe_runner import ROOT, run, run_script

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("recipe", ["librispeech_wabert", "slue_sa"])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--stagee", "1"), "unknown option --stagee"),
        (("--stage",), "option --stage needs a value"),
        (("--stage", "abc"), "option --stage abc: not an integer"),
        (("--nj", "-1"), "option --nj -1: not an integer"),
        (("--inference_nj", "0"), "option --inference_nj 0: not a positive integer"),
        (("--dask", "nowhere.yaml"), "nowhere.yaml: no such configuration"),
        (("--batch_seconds", "long"), "option --batch_seconds long: not a number"),
        (("--mini", "yes"), "option --mini yes: neither true nor false"),
        (("--mini", "True"), "option --mini True: neither true nor false"),
        (("--skip_data_prep", "True"), "option --skip_data_prep True: neither true nor false"),
        (("--python", "/bin/false"), "unknown option --python"),
        (("--PATH", "/nowhere"), "unknown option --PATH"),
        (("--stage=1",), "unknown option --stage=1"),
        (("--stage", "9" * 30), "not an integer"),
        (("--stage", "5", "--stop_stage", "3"), "--stage 5: comes after --stop_stage 3"),
        (("--stage", "14"), "--stage 14: comes after --stop_stage 13"),
        (("--nj", "0"), "--nj 0: must be above 0"),
        (("--batch_seconds", "0.0"), "--batch_seconds 0.0: must be above 0"),
        (
            ("--expdir", "a\nb"),
            "option --expdir: its value has a line break or a control character",
        ),
        (("exp",), "unexpected argument 'exp'"),
        (("--slu_config", "nowhere.yaml"), "nowhere.yaml: no such configuration"),
        (("--stage", "12", "--download_model", "nowhere.zip"), "nowhere.zip: no such packed model"),
        (("--dumpdir", "a,b"), "a,b: ESPnet splits data arguments at commas"),
        (("--expdir", "a,b"), "a,b/stats/"),
        (("--slu_tag", "a,b"), "a,b: ESPnet splits data arguments at commas: choose another"),
        (("--use_lm", "true"), "--use_lm true: BERT is the language model"),
        (("--seed", "one"), "--seed one: not an integer"),
        (("--score_seeds", "1, 2"), "--score_seeds '1, 2': integers with a space between"),
    ],
)
def test_a_mistake_in_an_option_ends_with_one_line(tmp_path, recipe, options, message):
    output = run(recipe, tmp_path, *options, fails=True)
    assert message in output and "Traceback" not in output
    # One line, from run.sh or from the command of the first stage.
    assert len([line for line in output.splitlines() if not line.startswith("stage")]) == 1
    assert not list(tmp_path.rglob("wav.scp"))


@pytest.mark.parametrize(
    ("recipe", "options", "message"),
    [
        ("librispeech_wabert", ("--timit", "/typo"), "--timit /typo: no such file or folder"),
        ("librispeech_wabert", ("--more_data", "/typo"), "--more_data /typo: no such file or"),
        ("slue_sa", ("--slue_labels", "/typo.tsv"), "--slue_labels /typo.tsv: no such file or"),
        ("slue_sa", ("--aligner", "typo"), "/typo/valid.loss.ave.pth: no such aligner; train it"),
        ("slue_sa", ("--pretrained_model", "a.pth"), "a.pth: no such aligner; train it with"),
        ("slue_sa", ("--pretrained_model", "a.zip"), "a.zip: no such packed model"),
        (
            "librispeech_wabert",
            ("--pretrained_model", "a.pth"),
            "a.pth: no such file; a model is a .pth with its config.yaml",
        ),
        (  # not after the training of the row's own aligner, which is not used
            "slue_sa",
            ("--system", "wabert_i3", "--pretrained_model", "a.pth", "--stage", "10"),
            "a.pth: no such file; a model is a .pth with its config.yaml",
        ),
        (
            "slue_sa",
            ("--system", "pipeline", "--systems", str(ROOT / "tests/recipes/systems.yaml")),
            "--system pipeline: name its recognizer with --recognizer",
        ),
        ("slue_sa", ("--ngram", "5-gram"), "--ngram 5-gram: one of 3-gram.pruned.3e-7, 3-gram.pru"),
        (  # not after stage 1, which downloads
            "librispeech_wabert",
            ("--speed_perturb_factors", "0.9 fast"),
            "--speed_perturb_factors: 'fast' is not a number from 0.5 to 2.0",
        ),
        ("slue_sa", ("--ngpu", "all"), "--ngpu all: not an integer"),
        ("slue_sa", ("--ngpu", "9"), "--ngpu 9: torch sees "),
        ("slue_sa", ("--gpu_inference", "true"), "--gpu_inference true: torch sees no GPU here"),
        ("librispeech_wabert", ("--speech_model", "./typo"), "model_name_or_path: ./typo: no such"),
        (
            "slue_sa",
            ("--recognizer", "/typo", "--stage", "12"),
            "--recognizer: /typo: no such fold",
        ),
        (
            "slue_sa",
            ("--skip_upload_hf", "false", "--stage", "15", "--stop_stage", "15"),
            "--hf_repo '': must be OWNER/NAME",
        ),
        (  # not after stages 1 to 5
            "librispeech_wabert",
            ("--cache_features", "true"),
            "align_bert_i3.yaml: frontend_conf.freeze: 8: only features of a wholly frozen encoder",
        ),
        ("librispeech_wabert", ("--ngpu", ""), "torch sees no GPU; --ngpu 0 trains on the CPU"),
    ],
)
def test_what_a_later_stage_needs_is_checked_first(tmp_path, recipe, options, message):
    if ("no GPU" in message) and torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    output = run(recipe, tmp_path, *options, fails=True)
    assert message in output and len(output.splitlines()) == 1


@pytest.mark.parametrize("script", ["librispeech_wabert/run_seeds.sh", "slue_sa/run_systems.sh"])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--stage", "14", "--stop_stage", "16"), "--stop_stage 16: 13 is the last one here"),
        (("--stop_stage", "15", "--skip_upload_hf", "false"), "--stop_stage 15: 13 is the last"),
        (("--stage", "5", "--stop_stage", "4"), "--stage 5: comes after --stop_stage 4"),
        (("--seeds", ""), "--seeds '': integers with a space between"),
        (("--seeds", "1,2"), "--seeds '1,2': integers with a space between"),
        (("--seeds", "1 2 1"), "--seeds '1 2 1': a seed occurs twice"),
    ],
)
def test_what_a_script_of_seeds_does_not_do_is_refused(tmp_path, script, options, message):
    recipe, name = script.split("/")
    output = run(recipe, tmp_path, *options, fails=True, script=name)
    assert message in output and len(output.splitlines()) == 1


def test_options_with_dashes_are_those_of_the_script_itself():
    output = run_script("librispeech_wabert/run_seeds.sh", "--stop-stage", "x", fails=True)
    assert "run_seeds.sh: option --stop-stage x: not an integer" in output


def test_a_number_with_a_zero_in_front_is_decimal():
    """Where bash computes with options, 08 and 010 would be octal."""
    script = """
        . "$1/egs2/parse_options.sh"
        option_types=([stage]=integer [stop_stage]=integer [ngpu]=string [num_nodes]=integer)
        host="" python=python
        parse_options --stage 08 --stop_stage 010 --ngpu 08 --num_nodes 01
        . "$1/egs2/cmd.sh"
        echo "$((stage)) $((stop_stage < 9 ? stop_stage : 9)) $((ngpu * num_nodes))"
    """
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script, "-", ROOT], capture_output=True, text=True
    )
    assert (done.stdout, done.stderr) == ("8 9 8\n", "")


def test_paths_are_those_of_the_caller_in_a_linked_folder_too(tmp_path):
    """`..` is that of the folder, not of the link to it; a corpus that is a link keeps its name."""
    (tmp_path / "disk/work").mkdir(parents=True)
    (tmp_path / "home").mkdir()
    (tmp_path / "home/link").symlink_to(tmp_path / "disk/work")
    (tmp_path / "disk/a.yaml").touch()
    (tmp_path / "disk/work/corpus").symlink_to(tmp_path)
    script = """
        . "$1/egs2/parse_options.sh"
        cd "$2/home/link" && cd "$1/egs2/slue_sa"
        caller=${OLDPWD} path_options="slu_config slue"
        realpath -s "$(from_here slu_config ../a.yaml)" "$(from_here slue corpus)"
    """
    done = subprocess.run(
        ["bash", "-c", script, "-", ROOT, tmp_path], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == [str(tmp_path / "disk" / p) for p in ("a.yaml", "work/corpus")]


def test_box_is_the_model_beside_a_folder_of_that_name_too(tmp_path):
    (tmp_path / "box").mkdir()
    (tmp_path / "other").mkdir()
    script = """
        . "$1/egs2/parse_options.sh"
        cd "$1/egs2/slue_sa"
        caller=$2 source_options="recognizer"
        from_here recognizer box
        realpath -s "$(from_here recognizer other)"
    """
    done = subprocess.run(
        ["bash", "-c", script, "-", ROOT, tmp_path], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["box", str(tmp_path / "other")]


def test_recognizers_with_the_same_last_name_have_folders_of_their_own():
    script = """
        cd "$1/egs2/slue_sa" && . ../slu.sh
        for name in box a/base b/base ../../exp/a/models/base/ /data/base; do
            file_name_of "${name}"
        done
    """
    done = subprocess.run(
        ["bash", "-c", script, "-", ROOT], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == [
        "box",
        "a--base",
        "b--base",
        "exp--a--models--base",
        "data--base",
    ]


def test_a_path_with_an_ampersand_is_kept():
    """As the recipes put the name of each set behind a folder, and a folder before it."""
    script = """
        . "$1/egs2/parse_options.sh"
        sets=(dev test) dumpdir="R&D/dump"
        printf "%s " "${sets[@]/#/${dumpdir}/raw/}" "${sets[@]/%//${dumpdir}}"
    """
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script, "-", ROOT], capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    before, after = ["R&D/dump/raw/dev", "R&D/dump/raw/test"], ["dev/R&D/dump", "test/R&D/dump"]
    assert done.stdout.split() == [*before, *after]


def test_no_option_is_executed(tmp_path):
    """Values and names of options are data: nothing of them runs."""
    ran = tmp_path / "ran"
    script = tmp_path / "script.sh"
    script.write_text(f"#!/bin/sh\ntouch {ran}\n")
    script.chmod(0o755)
    attempts = [("--skip_done", str(script)), (f"--a[$(touch {ran})]", "1")]
    attempts += [("--slu_config", f"$(touch {ran})"), ("--stage", f"a[$(touch {ran})]")]
    for attempt in attempts:
        run("librispeech_wabert", tmp_path, *attempt, fails=True)
        assert not ran.exists()


def test_a_missing_corpus_is_named(tmp_path):
    output = run("librispeech_wabert", tmp_path, "--librispeech", "/nowhere", fails=True)
    assert "/nowhere" in output and "Traceback" not in output


def test_help_shows_every_option():
    script = ROOT / "egs2/librispeech_wabert/run.sh"
    shown = subprocess.run([script, "--help"], capture_output=True, text=True, check=True).stdout
    assert "stop_stage=13" in shown and "download_model=" in shown
