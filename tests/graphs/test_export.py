"""Exported models against torch: lengths, batches, padding, every part, and what is refused."""

import functools
import shutil
import tempfile
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import VOCABULARY, arguments, save, speech_config, text_conf

from espnet_wabert.errors import UserError
from espnet_wabert.graphs import export as export_module
from espnet_wabert.graphs.comparison import TOLERANCE, compare, outputs
from espnet_wabert.graphs.export import export_onnx, write_graph
from espnet_wabert.graphs.folder import GRAPHS, own_files
from espnet_wabert.graphs.model import GraphModule
from espnet_wabert.inference.api import WaBERTInference
from espnet_wabert.models.checkpoint import pack

SETTINGS = settings(max_examples=25, deadline=None)
HEADS = dict(grapheme_weight=1.0, grapheme_input="both", grapheme_tolerance=0.01, ctc_weight=1.0)
MODELS = {  # name: the changes of tiny.arguments, and whether the model was packed, without teacher
    "whisper": (dict(frontend_conf=dict(config=speech_config("whisper"), convolutions=True),
                     model_conf=HEADS), False),
    "data2vec": (dict(model_conf=dict(subword_weight=0.0)), True),
    "wav2vec2": (dict(frontend_conf=dict(  # a tiny model has little to quantize
        config=speech_config("wav2vec2") | dict(hidden_size=96, intermediate_size=384),
        freeze="convolutions", spec_augment=dict(mask_time_prob=0.1),
    )), False),
}  # fmt: skip


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A function that returns the file of a model and the folder of its export, made once."""

    @functools.cache
    def exported(name: str) -> tuple[Path, Path]:
        changes, packed = MODELS[name]
        folder = tmp_path_factory.mktemp(name)
        model = save(arguments(**changes), folder)
        model = pack(model, folder / "model.zip") if packed else model
        export_onnx(model, folder / "out")
        files = ["config.yaml", "model.pth", *(["model.zip"] if packed else []), "out"]
        assert sorted(p.name for p in folder.iterdir()) == files
        return model, folder / "out"

    return exported


@pytest.fixture(scope="module", params=MODELS)
def both(request, exported):
    """A tiny model of torch and the same one exported, ready for use."""
    return [WaBERTInference.from_pretrained(m) for m in exported(request.param)]


def noise(size: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (rng.normal(size=size) * np.linspace(0.02, 0.2, size)).astype(np.float32)


def assert_close(found: dict, wanted: dict) -> None:
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        assert found[name].dtype == value.dtype, name
        torch.testing.assert_close(found[name], value, atol=TOLERANCE, rtol=TOLERANCE, msg=name)


@pytest.mark.slow
@SETTINGS
@given(st.lists(st.integers(800, 16000), min_size=1, max_size=4), st.integers(0, 99))
def test_each_part_equals_torch_for_any_batch(both, sizes, seed):
    waveforms = torch.nn.utils.rnn.pad_sequence(
        [torch.from_numpy(noise(size, seed + at)) for at, size in enumerate(sizes)], True
    )
    lengths = torch.tensor(sizes)
    torch_model, exported = (one.model for one in both)
    assert_close(*(outputs(m, waveforms, lengths) for m in (exported, torch_model)))


@pytest.mark.slow
@SETTINGS
@given(st.integers(800, 9000), st.integers(9000, 20000))
def test_padding_changes_nothing(both, short, long):
    model = both[1].model
    speech = torch.from_numpy(noise(short))
    padded = torch.zeros(2, long)
    padded[0, :short], padded[1] = speech, torch.from_numpy(noise(long, 1))
    alone = outputs(model, speech[None], torch.tensor([short]))
    batch = outputs(model, padded, torch.tensor([short, long]))
    for name, value in alone.items():
        own = batch[name][0]
        if own.dim():
            own = own[: value.shape[1]]
        torch.testing.assert_close(own, value[0], atol=TOLERANCE, rtol=TOLERANCE, msg=name)


@pytest.mark.slow
def test_the_users_calls_give_what_torch_gives(both):
    wanted, found = both
    texts = ["the good film", "not bad and good"]
    speech = [noise(20000), noise(31000, 1)]
    assert list(found.aligner.methods) == list(wanted.aligner.methods)
    pairs = zip(wanted.align(speech, texts), found.align(speech, texts), strict=True)
    for one, other in pairs:
        for method, timed in other.by_method.items():
            same = one.by_method[method]
            np.testing.assert_allclose(timed.starts, same.starts, atol=1e-3)
            if same.confidences is None:  # cif has none without a teacher
                assert timed.confidences is None
            else:
                np.testing.assert_allclose(timed.confidences, same.confidences, atol=1e-2)
        assert one.predicted_length == other.predicted_length and one.top == other.top
    assert [t.text for t in found.transcribe(speech)] == [t.text for t in wanted.transcribe(speech)]
    assert found.read(speech) == wanted.read(speech)


@pytest.mark.slow
def test_audio_longer_than_a_window(both):
    """Windows of 30 s of Whisper within one graph, as those of torch one after another."""
    waveforms, lengths = torch.from_numpy(noise(700_000))[None], torch.tensor([700_000])
    features = [one.model.features(waveforms, lengths)[0] for one in both]
    torch.testing.assert_close(*features, atol=TOLERANCE, rtol=TOLERANCE)


@pytest.mark.slow
def test_a_recording_without_one_frame_is_named(both):
    for one in both:
        with pytest.raises(UserError, match="utterance 1 of the batch has 100 samples"):
            one.read([noise(5000), noise(100)])


@pytest.mark.slow
def test_what_differs_from_torch_is_refused(both):
    wanted, found = both
    assert compare(wanted.model, found.model) < TOLERANCE
    with torch.no_grad():
        weight = wanted.model.encoder.projection.weight
        before = weight.clone()
        weight.mul_(1.5)
        with pytest.raises(
            UserError, match=r"aligned .*: differs from PyTorch by .*more than 0.001"
        ):
            compare(wanted.model, found.model)
        weight.copy_(before)


@pytest.mark.slow
@pytest.mark.parametrize("reads", ["nothing", "subwords", "letters"])
def test_sentiment(reads, tmp_path):
    alone = reads == "nothing"
    changes = dict(encoder=None, postencoder=None) if alone else dict(
        model_conf=dict(
            prosody_pooling="statistics", text_weight=1.0, self_transcript_weight=0.4,
            self_transcript=reads,
        )
    )  # fmt: skip
    conf = dict(config=speech_config("wav2vec2"), convolutions=not alone, all_layers=True)
    weights = save(arguments("wabert_sentiment", frontend_conf=conf, **changes), tmp_path)
    export_onnx(weights, tmp_path / "out")
    wanted, found = (WaBERTInference.from_pretrained(m) for m in (weights, tmp_path / "out"))
    speech = [noise(9000), noise(16000, 1), noise(6000, 2)]
    alone_in_batch = [found.classify([one])[0] for one in speech]
    for one, two, three in zip(
        wanted.classify(speech), found.classify(speech), alone_in_batch, strict=True
    ):
        np.testing.assert_allclose(two.scores, one.scores, atol=TOLERANCE)
        np.testing.assert_allclose(three.scores, one.scores, atol=TOLERANCE)
        assert one.labels == two.labels
    with pytest.raises(UserError, match="'wabert_sentiment' model cannot align"):
        found.align(speech, [""] * 3)


@pytest.fixture
def plain(exported):
    """A .pth and the folder of its export."""
    return exported("wav2vec2")


@pytest.mark.slow
def test_int8_replaces_an_earlier_export(plain, tmp_path):
    weights, float32 = plain
    int8 = shutil.copytree(float32, tmp_path / "int8")
    (int8 / "letters.onnx").write_bytes(b"of an earlier model")
    lines: list[str] = []
    export_onnx(weights, int8, True, lines.append)
    assert not (int8 / "letters.onnx").exists()
    assert "largest difference of int8 from PyTorch: " in "\n".join(lines)
    sizes = [(folder / "frontend.onnx").stat().st_size for folder in (float32, int8)]
    assert sizes[1] < 0.8 * sizes[0]  # convolutions stay float32
    models = [WaBERTInference.from_pretrained(folder) for folder in (float32, int8)]
    assert models[1].describe()["exported"] == "ONNX graphs, int8"
    one, other = (model.aligner.encode([noise(30000)]).features for model in models)
    assert 0 < (one - other).abs().max() < 0.5
    assert len(models[1].align([noise(30000)], ["the good film"])[0].words) == 3


def test_files_of_others_are_kept(tmp_path):
    weights = save(arguments(), tmp_path)
    out = tmp_path / "out"
    out.mkdir()
    (out / "notes.txt").write_text("mine")
    assert "adapter.onnx.data" in own_files()  # weights of a large model
    with pytest.raises(UserError, match=r"out: is not empty \(notes.txt\)"):
        export_onnx(weights, out)
    (out / "notes.txt").rename(out / "frontend.onnx")  # without graphs.yaml it is not ours
    with pytest.raises(UserError, match=r"out: is not empty \(frontend.onnx\)"):
        export_onnx(weights, out)
    with pytest.raises(UserError, match="model.pth: is a file"):
        export_onnx(weights, weights)


def test_an_export_is_moved_to_another_disk(tmp_path):
    """As into a volume of a container; before, the earlier export was lost there."""
    memory = Path("/dev/shm")
    if not memory.is_dir() or memory.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("one file system")
    folder = tmp_path / "export"
    folder.mkdir()
    for name in ("adapter.onnx", "graphs.yaml"):
        (folder / name).write_text(f"new {name}")
    with tempfile.TemporaryDirectory(dir=memory) as out:
        (Path(out) / "graphs.yaml").write_text("of an earlier export")
        (Path(out) / "letters.onnx").write_text("of an earlier export")
        export_module._move(folder, Path(out))
        found = {path.name: path.read_text() for path in Path(out).iterdir()}
    assert found == {name: f"new {name}" for name in ("adapter.onnx", "graphs.yaml")}


def test_a_graph_that_cannot_be_computed_is_one_line(tmp_path):
    """As for a recording that needs more memory than there is: the others are still used."""
    helper = onnx.helper
    x, y, z = (helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, ["N"]) for n in "xyz")
    graph = helper.make_graph([helper.make_node("Add", ["x", "y"], ["z"])], "sum", [x, y], [z])
    opsets = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=10), tmp_path / "sum.onnx")
    total = GraphModule(tmp_path / "sum.onnx")
    assert total(torch.ones(3), torch.ones(3))[0].tolist() == [2.0, 2.0, 2.0]
    with pytest.raises(UserError, match=r"sum.onnx: [^\n]+$"):
        total(torch.ones(3), torch.ones(2))


def test_what_cannot_be_exported(tmp_path, monkeypatch):
    text = arguments("text_sentiment", frontend="text", encoder=None, postencoder=None)
    text.frontend_conf = text_conf()
    with pytest.raises(UserError, match="text_sentiment model reads text"):
        export_onnx(save(text, tmp_path / "text"), tmp_path / "out")
    speech = save(arguments(), tmp_path / "speech")
    model = WaBERTInference.from_pretrained(speech).model
    with pytest.raises(UserError, match=r"^bert: cannot be exported to ONNX: [^\n]+$"):
        write_graph(  # a branch that depends on values
            "bert", model, lambda x, n: x if bool(x.sum() > 0) else -x, tmp_path / "bert.onnx"
        )
    monkeypatch.setattr(export_module, "NEEDED", ("onnx", "a_package_that_is_missing"))
    with pytest.raises(UserError, match=r"a_package_that_is_missing are not .*\[onnx\]"):
        export_onnx(speech, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_damaged_export(plain, tmp_path):
    out = shutil.copytree(plain[1], tmp_path / "out")
    with pytest.raises(UserError, match="an exported model runs on the CPU"):
        WaBERTInference.from_pretrained(out, "cuda")
    with pytest.raises(UserError, match="an exported model can be used, but not"):
        pack(out, tmp_path / "again.zip")
    content = yaml.safe_load((out / "graphs.yaml").read_text())
    assert content["graphs"].keys() <= GRAPHS.keys()
    assert (out / "vocabulary.txt").read_text().split("\n")[:-1] == VOCABULARY
    (out / "bert.onnx").write_bytes(b"damaged")
    with pytest.raises(UserError, match=r"bert.onnx: cannot be loaded: .+"):
        WaBERTInference.from_pretrained(out).align([noise(9000)], ["good"])
    (out / "bert.onnx").unlink()
    with pytest.raises(UserError, match=r"bert.onnx: no such file; graphs.yaml names it"):
        WaBERTInference.from_pretrained(out)
    wrong = [({"format": 9}, "format 9, but"), ({"hop": None}, "graphs.yaml: hop: missing")]
    for change, message in wrong:
        changed = {k: v for k, v in (content | change).items() if v is not None}
        changed["graphs"].pop("bert", None)
        (out / "graphs.yaml").write_text(yaml.safe_dump(changed))
        with pytest.raises(UserError, match=message):
            WaBERTInference.from_pretrained(out)
    (out / "graphs.yaml").write_text((plain[1] / "graphs.yaml").read_text()[:-60])
    with pytest.raises(UserError, match=r"graphs.yaml"):
        WaBERTInference.from_pretrained(out)
