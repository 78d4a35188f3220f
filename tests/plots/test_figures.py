"""The pictures: the numbers behind them are right, and the files are what a README can show."""

import numpy as np
import pytest
import soundfile
import torch
from click.testing import CliRunner
from PIL import Image
from tiny import arguments, save

from espnet_wabert.bin import figures as command
from espnet_wabert.errors import UserError
from espnet_wabert.formats.kaldi import DataFolder, write_folder
from espnet_wabert.formats.word import Word
from espnet_wabert.inference.api import WaBERTInference
from espnet_wabert.plots.drawing import DPI, WIDTH, draw_alignment, draw_similarity
from espnet_wabert.plots.figures import (
    KINDS,
    Firing,
    Projections,
    clouds_of,
    diagonal_accuracy,
    distances,
    principal_components,
    project,
    representative,
    similarity,
    untrained_model,
)
from espnet_wabert.training.feature_cache import STAMP

TEXTS = {"u1": "the good film", "u2": "not a bad film and good to the end", "u3": "the end"}
RNG = np.random.default_rng(0)


def made(tokens: int, frames: int, wrong: int = 0) -> Projections:
    """What a perfect model would project, but for some tokens, whose vector is the next one's."""
    targets = np.eye(32)[:tokens]
    aligned = targets.copy()
    aligned[:wrong] = targets[1 : wrong + 1]
    edges = np.arange(frames + 1) * 0.02
    fires = np.linspace(0, edges[-1], tokens + 1)[1:]
    names = ["[CLS]", *"abcdefghijklmnop"[: tokens - 2], "[SEP]"]
    frame_vectors = np.repeat(targets, -(-frames // tokens), axis=0)[:frames]
    firing = Firing(np.full(frames, tokens / frames), edges, fires)
    return Projections(names, frame_vectors, aligned, targets, firing)


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """A data folder of noise and a tiny model of each loss."""
    work = tmp_path_factory.mktemp("figures")
    size = {u: 8000 + 400 * len(text) for u, text in TEXTS.items()}
    wav = {u: str(work / f"{u}.wav") for u in TEXTS}
    for u, path in wav.items():
        soundfile.write(path, RNG.normal(size=size[u]) * 0.1, 16000)
    words = {"u1": (Word("the", 0.1, 0.2), Word("good", 0.2, 0.4), Word("film", 0.5, 0.7))}
    folder = DataFolder(wav, dict.fromkeys(wav, "u"), TEXTS, words=words, samples=size)
    write_folder(folder, work / "data")
    save(arguments(), work / "infonce", seed=0)
    save(arguments(model_conf=dict(align_loss="cosine")), work / "cosine", seed=0)
    return work


def test_similar_vectors_stand_on_the_diagonal():
    vectors = RNG.normal(size=(7, 5))
    matrix = similarity(vectors, 3 * vectors)
    assert matrix.shape == (7, 7) and np.allclose(np.diag(matrix), 1) and matrix.max() <= 1 + 1e-9
    assert diagonal_accuracy(matrix) == 1
    assert diagonal_accuracy(similarity(vectors, np.roll(vectors, 1, axis=0))) == 0
    one, other = RNG.normal(size=(2, 5)), RNG.normal(size=(3, 5))
    expected = one[1] @ other[2] / np.linalg.norm(one[1]) / np.linalg.norm(other[2])
    assert similarity(one, other)[1, 2] == pytest.approx(expected)
    assert np.all(similarity(np.zeros((1, 5)), other) == 0)


def test_the_representative_utterance_is_neither_best_nor_worst():
    seen = {"best": made(12, 40), "typical": made(13, 40, wrong=3), "worst": made(12, 40, wrong=8)}
    assert representative(seen) == "typical"
    assert representative(dict(reversed(seen.items()))) == "typical"
    assert representative(seen | {"short": made(4, 20, wrong=1)}) == "typical"
    assert representative({"b": made(4, 20), "a": made(4, 20)}) == "a"
    with pytest.raises(UserError, match="no utterance to draw"):
        representative({})


def test_clouds_have_as_many_points_and_common_axes():
    sets = {"one": [made(12, 90), made(14, 70)], "other": [made(12, 90, wrong=2), made(14, 70)]}
    clouds, shares = principal_components(clouds_of(sets))
    for parts in clouds.values():
        assert [parts[kind].shape for kind in KINDS] == [(10 + 12, 2)] * 3
    # The targets are the same for both models, and so is their place in the picture.
    np.testing.assert_allclose(clouds["one"]["linguistic"], clouds["other"]["linguistic"])
    assert not np.allclose(clouds["one"]["aligned"], clouds["other"]["aligned"])
    assert 0 < shares[1] <= shares[0] < 1
    with pytest.raises(UserError, match="too few words"):
        clouds_of({"one": [made(2, 20)]})


def test_distances_between_the_clouds():
    points = RNG.normal(size=(200, 4))
    parts = {"acoustic": points + 50.0, "aligned": points[::-1], "linguistic": points}
    found = {pair: (centroids, energy) for _, pair, centroids, energy in distances({"x": parts})}
    assert found["aligned - linguistic"] == pytest.approx((0.0, 0.0), abs=1e-9)
    unit = np.linalg.norm(points - points.mean(axis=0), axis=1).mean()
    assert found["acoustic - linguistic"][0] == pytest.approx(100.0 / unit)
    assert 0.9 < found["acoustic - linguistic"][1] < 1.0
    assert found["acoustic - aligned"] == pytest.approx(found["acoustic - linguistic"])


def test_the_frames_of_figure_4_are_those_before_the_training(work):
    inference = WaBERTInference.from_pretrained(work / "infonce/model.pth")
    speech, _ = soundfile.read(work / "u1.wav", dtype="float32")
    untrained = untrained_model(inference)
    with torch.no_grad():  # as training would
        inference.model.encoder.projection.weight.add_(0.1)
    seen = project(inference, speech, TEXTS["u1"], untrained)
    trained = project(inference, speech, TEXTS["u1"])
    np.testing.assert_array_equal(seen.aligned, trained.aligned)
    features, lengths = untrained.features(torch.tensor(speech[None]), torch.tensor([len(speech)]))
    expected = untrained.encoder.project(untrained.encoder.adapt(features, lengths))
    np.testing.assert_allclose(seen.acoustic, expected[0].detach().numpy(), atol=1e-5)
    assert not np.allclose(seen.acoustic, trained.acoustic)


def test_what_a_model_sees_fits_together(work):
    inference = WaBERTInference.from_pretrained(work / "infonce/model.pth")
    speech, _ = soundfile.read(work / "u1.wav", dtype="float32")
    seen = project(inference, speech, TEXTS["u1"])
    assert seen.tokens[0] == "[CLS]" and seen.tokens[-1] == "[SEP]"
    count, width = len(seen.tokens), seen.aligned.shape[1]
    assert seen.aligned.shape == seen.linguistic.shape == (count, width)
    weights, edges, fires = seen.firing
    assert seen.acoustic.shape == (len(weights), width)
    assert weights.sum() == pytest.approx(count, rel=1e-4)
    assert len(edges) == len(weights) + 1 and np.all(np.diff(edges) > 0)
    assert np.all(np.diff(fires) > 0) and fires[-1] <= edges[-1] + 0.02
    aligned = inference.align([speech], [TEXTS["u1"]])[0]
    ends = [word.end for word in aligned.words_by_method["cif"]]
    assert ends[-1] == pytest.approx(fires[-2], abs=1e-6)
    hits = similarity(seen.aligned, seen.linguistic).argmax(axis=1) == np.arange(count)
    assert hits.tolist() == aligned.nearest


def run(work, *more):
    arguments = ["--model", work / "infonce/model.pth", "--data", work / "data", *more]
    return CliRunner().invoke(command.main, [str(argument) for argument in arguments])


@pytest.mark.parametrize("both", [True, False])
def test_the_command_draws_three_pictures(work, tmp_path, both):
    more = ["--baseline", work / "cosine/model.pth"] if both else ["--utterance", "u1"]
    done = run(work, "--out", tmp_path, *more)
    assert done.exit_code == 0, done.output
    assert "u1" in done.stdout or both
    for name in ("similarity", "components", "alignment"):
        with Image.open(tmp_path / f"{name}.png") as image:
            assert image.format == "PNG" and image.width == WIDTH * DPI
            assert 0.4 < image.height / image.width < 1.0
            assert len(image.convert("RGB").getcolors(1 << 24)) > 20  # something is drawn
        assert (tmp_path / f"{name}.png").stat().st_size < 200_000


def test_the_same_input_gives_the_same_picture(tmp_path):
    for name in ("a", "b"):
        draw_similarity(tmp_path / f"{name}.png", {"x": np.eye(3)}, ["[CLS]", "a", "[SEP]"])
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_silence_and_lanes_without_words_can_be_drawn(tmp_path):
    draw_alignment(tmp_path / "x.png", np.zeros(8000), made(2, 25).firing, {"cif": []})
    with Image.open(tmp_path / "x.png") as image:
        assert image.format == "PNG"


def test_mistakes_end_with_one_line(work, tmp_path):
    model = work / "infonce/model.pth"
    for more, message in (
        (["--baseline", model], "both trained with the loss infonce"),
        (["--utterance", "nobody"], "wav.scp: no utterance nobody"),
        (["--feats", tmp_path], "feats.scp: no such features"),
    ):
        done = run(work, "--out", tmp_path, *more)
        assert done.exit_code == 1 and message in done.stderr and done.stderr.count("\n") == 1
    (tmp_path / "feats.scp").write_text("".join(f"{u} feats.ark:3\n" for u in TEXTS))
    (tmp_path / STAMP).write_text('{"frontend": {"weights": "of another one"}}')
    done = run(work, "--out", tmp_path, "--feats", tmp_path)
    assert done.exit_code == 1 and "another speech encoder than the model's" in done.stderr
    judge = save(arguments("wabert_sentiment"), tmp_path / "judge", seed=0)
    done = run(work, "--out", tmp_path, "--baseline", judge)
    assert done.exit_code == 1 and "not of a sentiment model" in done.stderr
