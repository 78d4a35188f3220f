"""Every kind of row of Table 3 by the real run.sh --system, with tiny models."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
import torch
from recipe_runner import ROOT, environment, run_recipe
from tiny import VOCABULARY, arguments, speech_config, text_conf
from tiny_sources import ARPA, write_tiny_recognizer, write_tiny_sources

from espnet_wabert.inference.api import WaBERTInference
from espnet_wabert.models.builder import build_model
from espnet_wabert.models.checkpoint import pack
from espnet_wabert.recipes.systems import read_systems
from espnet_wabert.training.task import WaBERTTask

pytestmark = pytest.mark.slow

TABLES = ROOT / "egs2/slue_sa/systems"
TINY = ROOT / "tests/recipes/systems.yaml"


def run(work: Path, *options: str, fails: bool = False, script: str = "run_systems.sh") -> str:
    """Run the table of tiny systems in `work`; return what it printed."""
    models = ["--speech_model", str(work / "data2vec"), "--text_model", str(work / "bert")]
    align = [f"--{name}dir {work}/align/{name}" for name in ("dump", "data")]
    align += ["--skip_done true", *models]  # --corpora is that of the systems
    # Its path names the folder of its transcripts, which a test compares.
    table = ["--systems", str(TINY), "--recognizer", str((work / "ctc").resolve())]
    table += ["--aligner_expdir", str(work / "align/exp"), "--aligner_opts", " ".join(align)]
    return run_recipe("slue_sa", work, work, *table, *options, fails=fails, script=script)


@pytest.fixture(scope="module")
def work(tiny_corpus, tmp_path_factory):
    """Sources, a corpus, and the whole table."""
    work = tmp_path_factory.mktemp("systems")
    shutil.copytree(tiny_corpus, work / "corpora")
    write_tiny_sources(work)
    write_tiny_recognizer(work / "ctc")
    (work / "corpora/ngrams").mkdir()
    (work / "corpora/ngrams/tiny.arpa").write_text(ARPA)
    (work / "all.log").write_text(run(work, "--seeds", "0"))
    return work


def test_one_switch_makes_the_whole_table(work):
    results = json.loads((work / "exp/results.json").read_text())
    rows = read_systems(TINY)
    for key in ("sentiment", "sentiment_text_part", "sentiment_voice_part"):
        assert set(results[key]) == {"majority", *rows}
        for system in rows:
            scores = results[key][system]
            assert {"weighted_recall", "weighted_f1", "macro_f1"} <= scores.keys()
            assert ("wer" in scores) == system.startswith("pipeline")
    assert (work / "all.log").read_text().rstrip().count("voice part (%)") >= 2 * len(rows)


def test_rows_share_what_they_can(work):
    """One text model for topline and pipeline; an aligner for a depth of its own, once."""
    assert (work / "all.log").read_text().count("training its aligner") == 1
    assert not (work / "exp/pipeline_seed0/valid.acc.ave.pth").exists()
    assert (work / "exp/nlp_seed0/valid.acc.ave.pth").exists()
    heard, true = (
        (work / f"exp/{row}_seed0/decode/test/sentiment").read_text()
        for row in ("wabert_i2", "true_text")
    )
    assert heard != true
    assert (work / "align/exp/align_drop2_more/valid.loss.ave.pth").exists()


def test_the_training_of_an_aligner_has_the_options_of_the_run(tmp_path):
    """What fits on the GPU, and what may be left out; those of --aligner_opts are the last."""
    command = ["bash", "-x", "local/train_aligner.sh", "--systems", "systems/table3.yaml"]
    command += ["--system", "wabert_i3", "--aligner", str(tmp_path / "none.pth"), "--ngpu", "1"]
    command += ["--expdir", str(tmp_path), "--corpora", str(tmp_path), "--gpu_seconds", "100"]
    command += ["--batch_seconds", "30", "--skip_bad", "true", "--remove_archives", "true"]
    done = subprocess.run(
        [*command, "--aligner_opts", "--dry_run true --batch_seconds 20"], text=True, check=True,
        cwd=ROOT / "egs2/slue_sa", env=environment(), capture_output=True,
    )  # fmt: skip
    assert "accum_grad 16;" in done.stdout  # 8 with the default of 200 seconds
    call = next(line for line in done.stderr.splitlines() if "+ ../librispeech_wabert" in line)
    assert "--batch_seconds 30 --skip_bad true --remove_archives true" in call
    assert call.index("--batch_seconds 30") < call.index("--batch_seconds 20")


def test_a_row_may_have_arguments_of_its_own(work):
    assert "focal_gamma: 2" in (work / "exp/e2e_seed0/config.yaml").read_text()
    assert "focal_gamma" not in (work / "exp/wabert_i2_seed0/config.yaml").read_text()


def test_an_aligner_can_be_trained_on_the_transcripts_too(work):
    """A + before the aligner's yaml: both corpora, and the dev set as before."""
    own, librispeech, both = (
        (work / path / "text").read_text().splitlines()
        for path in ("dump/raw/fine_tune", "align/data/train_960", "align/dump/raw/train_more")
    )
    assert sorted(own + librispeech) == both
    log = (work / "align/exp/align_drop2_more/train.log").read_text()
    assert "train_more/text" in log and "raw/dev/text" in log


def test_seeds_are_averaged_with_their_deviation(work):
    before = (work / "exp/nlp_seed0/valid.acc.ave.pth").read_bytes()
    options = ("--system", "nlp", "--seeds", "0 1", "--stage", "10", "--skip_done", "true")
    log = run(work, *options)
    assert log.count("done before") == 3  # of the first seed
    assert (work / "exp/nlp_seed0/valid.acc.ave.pth").read_bytes() == before
    config = (work / "exp/nlp_seed1/config.yaml").read_text()
    assert "\nseed: 1\n" in config
    results = json.loads((work / "exp/results.json").read_text())
    for key in ("sentiment", "sentiment_voice_part"):
        assert "macro_f1_sd" in results[key]["nlp"]


def test_a_packed_text_model_classifies_from_its_zip_alone(work, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    pack(work / "exp/nlp_seed0/valid.acc.ave.pth", tmp_path / "nlp.zip")
    (work / "bert").rename(work / "bert.moved")
    try:
        model = WaBERTInference.from_pretrained(tmp_path / "nlp.zip")
    finally:
        (work / "bert.moved").rename(work / "bert")
    text = dict(
        line.split(" ", 1) for line in (work / "dump/raw/test/text").read_text().splitlines()
    )
    said = (work / "exp/nlp_seed0/decode/test/sentiment").read_text().splitlines()
    assert len(said) == len(text)
    for line in said:
        utterance, label, *scores = line.split()
        found = model.classify([text[utterance]])[0]
        assert found.label == label
        assert found.scores == pytest.approx([float(s) for s in scores], abs=1e-4)


@pytest.mark.rehearsal
def test_a_dask_cluster_writes_the_same_files(work, tmp_path):
    """All stages of both recipes, as the aligner of the system is trained too."""
    for name in ("corpora", "data2vec", "bert", "ctc"):
        (tmp_path / name).symlink_to(work / name)
    dask = str(ROOT / "egs2/dask/local.yaml")
    run(tmp_path, "--system", "nlp pipeline wabert_i2", "--seeds", "0", "--dask", dask)
    own = [path for path in tmp_path.rglob("*") if path.name in ("sentiment", "text", "words.ctm")]
    own = [path.relative_to(tmp_path) for path in own]
    assert any("transcribe" in path.parts for path in own), own
    assert any("decode" in path.parts for path in own), own
    for path in own:
        assert (tmp_path / path).read_bytes() == (work / path).read_bytes(), path


@pytest.mark.parametrize("script", ["run.sh", "run_systems.sh"])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--system", "nobody"), "--system nobody: no such row in"),
        (("--system", "nlp", "--systems", "nowhere.yaml"), "nowhere.yaml: no such configuration"),
        (("--system", "nlp", "--stage", "abc"), "option --stage abc: not an integer"),
        (("--system", "nlp", "--stagee", "1"), "unknown option --stagee"),
    ],
)
def test_a_mistake_ends_with_one_line(tmp_path, options, message, script):
    output = run(tmp_path, *options, fails=True, script=script)
    assert message in output and "Traceback" not in output
    assert len(output.splitlines()) == 1


SPEECH_KINDS = {"wav2vec2-large": "wav2vec2-large", "wav2vec2": "wav2vec2", "hubert": "hubert"}


def tiny_of(name: str | None) -> dict:
    """Return the frontend_conf of a tiny model with the architecture that a hub's name tells."""
    name = name or ""
    if "deberta" in name or ("bert-base" in name and "hubert" not in name):
        return text_conf("deberta" if "deberta" in name else "bert")
    kind = next((k for word, k in SPEECH_KINDS.items() if word in name), "data2vec-audio")
    return dict(model_name_or_path=None, config=speech_config(kind))


TRAINED = {
    name: row for name, row in read_systems(TABLES / "table3.yaml").items() if not row.model_of
}


@pytest.mark.parametrize("name", TRAINED)
def test_every_row_of_the_paper_trains_with_tiny_models_of_its_architecture(name):
    row = TRAINED[name]
    args = WaBERTTask.get_parser().parse_args(
        ["--config", str(row.slu_config), "--output_dir", "x", "--token_list", "x"]
    )
    text = args.frontend == "text"
    source = row.text_model if text else row.speech_model
    args.frontend_conf = {**args.frontend_conf, **tiny_of(source)}
    if "spec_augment" in args.frontend_conf:  # a tiny model has 32 channels, not 768
        args.frontend_conf["spec_augment"] |= {"mask_feature_length": 3}
    if args.postencoder is not None:
        drop = args.postencoder_conf["drop_layers"] // 4  # of 3 layers, not of 12
        trained = min(3 - drop, args.postencoder_conf.get("train_layers", 0))
        conf = {**args.postencoder_conf, **arguments().postencoder_conf}
        args.postencoder_conf = {**conf, "drop_layers": drop, "train_layers": trained}
    args.token_list = list(VOCABULARY)
    if args.model_conf.get("class_weights") == "balanced":  # counted from the data when training
        args.model_conf["class_weights"] = [1.0, 1.0, 1.0]
    model = build_model(args)
    labels = torch.tensor([[0], [2]])
    inputs = torch.randint(5, 60, (2, 6)) if text else torch.randn(2, 8000) * 0.1
    lengths = torch.tensor([6, 4]) if text else torch.tensor([8000, 5000])
    said = dict(text=torch.tensor([[2, 60, 3], [2, 61, 3]]), text_lengths=torch.tensor([3, 3]))
    loss, stats, _ = model(inputs, lengths, labels, **({} if text else said))
    loss.backward()
    assert stats["loss"].isfinite()
    assert any(p.grad is not None for p in model.classifier.parameters())


def test_the_real_table_has_every_row_of_the_papers():
    rows = read_systems(TABLES / "table3.yaml")
    kinds = [name.split("_")[0] for name in rows]
    counts = {kind: kinds.count(kind) for kind in kinds}
    # The paper has five end-to-end rows; data2vec after CTC fine-tuning is not one of them.
    assert counts == {"nlp": 3, "pipeline": 8, "e2e": 5 + 1, "wabert": 5}
    mini = read_systems(TABLES / "mini.yaml")
    assert {"nlp", "pipeline", "e2e", "wabert"} < mini.keys()
