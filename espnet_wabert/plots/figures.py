"""The data of the figures of an aligned model (the paper's Figures 2 and 4, and an alignment).

`drawing.py` draws it.

Shapes: T frames, N tokens with [CLS] and [SEP], H BERT's width.
"""

import copy
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
import torch
from scipy.spatial.distance import cdist

from espnet_wabert.errors import UserError
from espnet_wabert.inference.api import WaBERTInference
from espnet_wabert.models.builder import build_model
from espnet_wabert.models.wabert import WaBERT
from espnet_wabert.modules.batching import pad, to_tensors

KINDS = ("acoustic", "aligned", "linguistic")  # the clouds of Figure 4
FIGURE_TOKENS = range(12, 19)  # enough to show a diagonal, few enough to label


class Firing(NamedTuple):
    """CIF's weights of one utterance over time."""

    weights: np.ndarray  # (T,) scaled to sum to N
    edges: np.ndarray  # (T + 1,) boundaries of the frames, in seconds
    fires: np.ndarray  # (N,) end of each token, in seconds


class Projections(NamedTuple):
    """Vectors of one utterance and its transcript, all in BERT's space."""

    tokens: list[str]  # N pieces
    acoustic: np.ndarray  # (T, H) the frames before alignment training, projected like the tokens
    aligned: np.ndarray  # (N, H) acoustic vectors after integrate-and-fire
    linguistic: np.ndarray  # (N, H) BERT's layer-i states, the targets
    firing: Firing


def untrained_model(inference: WaBERTInference) -> WaBERT | None:
    """Return the model as it was before alignment training, from its sources and its seed.

    The paper's Figure 4 is about this distribution of acoustic vectors. None for a packed model,
    which has no sources.
    """
    if getattr(inference.args, "packed", False):
        return None
    with torch.random.fork_rng():
        torch.manual_seed(getattr(inference.args, "seed", 0))
        model = build_model(copy.deepcopy(inference.args))
    assert isinstance(model, WaBERT)
    return model.to(inference.device).eval()


@torch.inference_mode()
def project(
    inference: WaBERTInference, speech: np.ndarray, text: str, untrained: WaBERT | None = None
) -> Projections:
    """Encode one utterance, a waveform (S,) or its cached features (T, W), and its transcript.

    The frames are those of `untrained`, or of the trained model without it.
    """
    model = inference.model
    if not isinstance(model, WaBERT) or model.teacher is None:
        raise UserError(
            f"a {inference.args.model!r} model without teacher (BERT's first layers) has no targets"
        )
    encoded = inference.aligner.tokenizer.encode(text)
    count = torch.tensor([len(encoded.ids)], device=inference.device)
    ids = torch.tensor([encoded.ids], device=inference.device)
    batch = pad(to_tensors([speech], inference.device))
    features, lengths = model.features(*batch)
    grafted = model.graft(features, lengths, count)
    path, own = model, features
    if untrained is not None:
        path, (own, _) = untrained, untrained.features(*batch)
    projected = path.encoder.project(path.adapt(own, lengths))
    parts = (projected, grafted.aligned, model.teacher(ids, count))
    acoustic, aligned, linguistic = (part[0].float().cpu().numpy() for part in parts)
    fired = firing(model, grafted.fired.weights[0], grafted.fired.ends[0])
    return Projections(encoded.pieces, acoustic, aligned, linguistic, fired)


def firing(model: WaBERT, weights: torch.Tensor, ends: torch.Tensor, silence: int = 0) -> Firing:
    """Return the weights and the times of one utterance.

    Args:
        model: the aligned model, which knows the times of its frames.
        weights: (T,) of all frames.
        ends: (N,) of the tokens, in frames of the recording itself.
        silence: frames before the recording, whose times are below 0.
    """
    seconds = model.frontend.encoder.seconds
    edges = seconds(torch.arange(len(weights) + 1, dtype=torch.float64) - silence).numpy()
    return Firing(weights.float().cpu().numpy(), edges, seconds(ends).cpu().numpy())


def similarity(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return the cosines (M, N) of vectors (M, H) with vectors (N, H)."""
    one, other = (
        x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12) for x in (one, other)
    )
    return one @ other.T


def diagonal_accuracy(cosines: np.ndarray) -> float:
    """Return the fraction of rows of (N, N) whose largest value is on the diagonal."""
    return float((cosines.argmax(axis=1) == np.arange(len(cosines))).mean())


def representative(seen: Mapping[str, Projections]) -> str:
    """Return a typical utterance.

    It has 12 to 18 tokens (if there is one), and its diagonal accuracy is the closest to that of
    the whole set. Ties go to the longest and then to the first by name.
    """
    if not seen:
        raise UserError("no utterance to draw")
    matrices = {u: similarity(s.aligned, s.linguistic) for u, s in seen.items()}
    sizes = {u: len(matrix) for u, matrix in matrices.items()}
    shares = {u: diagonal_accuracy(matrix) for u, matrix in matrices.items()}
    overall = sum(shares[u] * sizes[u] for u in seen) / sum(sizes.values())
    fitting = [u for u in seen if sizes[u] in FIGURE_TOKENS] or list(seen)
    return min(fitting, key=lambda u: (abs(shares[u] - overall), -sizes[u], u))


def clouds_of(models: Mapping[str, Sequence[Projections]]) -> dict[str, dict[str, np.ndarray]]:
    """Return for each model and each of `KINDS` the vectors (M, H) of all utterances, M tokens.

    [CLS], [SEP] and their silence are left out: they are clusters far from all others and would
    dominate the components. Frames are subsampled evenly to the number of tokens, so that each
    kind has the same weight.
    """
    clouds = {}
    for name, seen in models.items():
        words = [_words_only(s) for s in seen]
        parts = {kind: np.concatenate([w[kind] for w in words]) for kind in KINDS}
        total = min(len(parts["aligned"]), len(parts["acoustic"]))
        chosen = np.linspace(0, len(parts["acoustic"]) - 1, total).round().astype(int)
        clouds[name] = parts | {"acoustic": parts["acoustic"][chosen]}
    if not all(len(points) > 1 for parts in clouds.values() for points in parts.values()):
        raise UserError("too few words for principal components")
    return clouds


def distances(
    clouds: Mapping[str, Mapping[str, np.ndarray]],
) -> list[tuple[str, str, float, float]]:
    """Return how far apart the kinds of vectors are, in all H dimensions.

    Returns:
        For each model and each pair of `KINDS`: the distance of the centroids over the mean
        distance of BERT's vectors from theirs; and the energy coefficient, from 0 (the same
        distribution) to 1 (Szekely and Rizzo 2013, "Energy statistics").
    """
    found = []
    for name, parts in clouds.items():
        linguistic = parts["linguistic"]
        unit = np.linalg.norm(linguistic - linguistic.mean(axis=0), axis=1).mean()
        for one, other in combinations(KINDS, 2):
            x, y = parts[one], parts[other]
            between = np.linalg.norm(x.mean(axis=0) - y.mean(axis=0)) / unit
            across = cdist(x, y).mean()
            energy = (2 * across - cdist(x, x).mean() - cdist(y, y).mean()) / (2 * across)
            found.append((name, f"{one} - {other}", float(between), float(energy)))
    return found


def principal_components(
    clouds: Mapping[str, Mapping[str, np.ndarray]],
) -> tuple[dict[str, dict[str, np.ndarray]], np.ndarray]:
    """Project the vectors of `clouds_of` onto two principal components, common to all models.

    Returns:
        For each model and each of `KINDS` the points (M, 2), M tokens in all; and the explained
        variance ratios (2,).
    """
    from sklearn.decomposition import PCA

    pca = PCA(n_components=2, svd_solver="full")
    pca.fit(np.concatenate([points for parts in clouds.values() for points in parts.values()]))
    projected = {
        name: {kind: pca.transform(points) for kind, points in parts.items()}
        for name, parts in clouds.items()
    }
    return projected, pca.explained_variance_ratio_


def _words_only(seen: Projections) -> dict[str, np.ndarray]:
    """Return the vectors of each of `KINDS` without [CLS], [SEP] and their frames."""
    _, edges, fires = seen.firing
    begin, end = (fires[0], fires[-2]) if len(fires) > 2 else (0.0, 0.0)
    inside = (edges[:-1] >= begin) & (edges[1:] <= end)
    return {
        "acoustic": seen.acoustic[inside],
        "aligned": seen.aligned[1:-1],
        "linguistic": seen.linguistic[1:-1],
    }
