"""What the pictures of an aligned model show (the paper's Figures 2 and 4, and an alignment).

Only numbers are made here; `drawing.py` draws them.

Shapes: T frames, N tokens with [CLS] and [SEP], H BERT's width.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch

from espnet_wabert.errors import UserError
from espnet_wabert.inference.api import WaBERTInference
from espnet_wabert.modules.batching import pad, to_tensors

KINDS = ("acoustic", "aligned", "linguistic")  # the clouds of Figure 4
TOKENS_OF_A_PICTURE = range(12, 19)  # that fit on a heat map's axis and still show a line


class Seen(NamedTuple):
    """What a model makes of one utterance and its transcript, all in BERT's space."""

    tokens: list[str]  # N pieces
    acoustic: np.ndarray  # (T, H) the frames, projected like the tokens
    aligned: np.ndarray  # (N, H) acoustic vectors after integrate-and-fire
    linguistic: np.ndarray  # (N, H) BERT's layer-i states, the targets
    weights: np.ndarray  # (T,) CIF's weights, scaled to sum to N
    edges: np.ndarray  # (T + 1,) where each frame begins and the last one ends, in seconds
    fires: np.ndarray  # (N,) where each token ends, in seconds


@torch.inference_mode()
def see(inference: WaBERTInference, speech: np.ndarray, text: str) -> Seen:
    """Send one utterance, a waveform (S,) or its cached features (T, D), through a model."""
    model = inference.model
    if getattr(model, "teacher", None) is None:
        raise UserError(
            f"a {inference.args.model!r} model without BERT's first layers has no target"
        )
    encoded = inference.pieces.encode(text)
    count = torch.tensor([len(encoded.ids)], device=inference.device)
    ids = torch.tensor([encoded.ids], device=inference.device)
    frames, lengths = model.frames(*pad(to_tensors([speech], inference.device)))
    aligned, _, fired = model.encoder(frames, lengths, target_lengths=count)
    acoustic = model.encoder.project(model.encoder.adapt(frames, lengths))
    seconds = model.frontend.encoder.seconds
    edges = seconds(torch.arange(int(lengths) + 1, dtype=torch.float64))
    parts = (acoustic, aligned, model.teacher(ids, count), fired.weights)
    vectors = [part[0].float().cpu().numpy() for part in parts]
    return Seen(encoded.pieces, *vectors, edges.numpy(), seconds(fired.ends[0]).cpu().numpy())


def similarity(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return the cosines (M, N) of vectors (M, H) with vectors (N, H)."""
    one, other = (
        x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12) for x in (one, other)
    )
    return one @ other.T


def diagonal_accuracy(cosines: np.ndarray) -> float:
    """Return the share of rows of (N, N) whose largest value stands on the diagonal."""
    return float((cosines.argmax(axis=1) == np.arange(len(cosines))).mean())


def representative(seen: Mapping[str, Seen]) -> str:
    """Return the utterance that is neither one of the best nor of the worst.

    Of those with 12 to 18 tokens (of all, if there are none) it is the one whose diagonal accuracy
    is closest to the whole set's; of several, the longest and then the first by name.
    """
    if not seen:
        raise UserError("there is no utterance to draw")
    matrices = {u: similarity(s.aligned, s.linguistic) for u, s in seen.items()}
    sizes = {u: len(matrix) for u, matrix in matrices.items()}
    shares = {u: diagonal_accuracy(matrix) for u, matrix in matrices.items()}
    overall = sum(shares[u] * sizes[u] for u in seen) / sum(sizes.values())
    fitting = [u for u in seen if sizes[u] in TOKENS_OF_A_PICTURE] or list(seen)
    return min(fitting, key=lambda u: (abs(shares[u] - overall), -sizes[u], u))


def principal_components(
    models: Mapping[str, Sequence[Seen]],
) -> tuple[dict[str, dict[str, np.ndarray]], np.ndarray]:
    """Project the vectors of all utterances onto two axes, common to all models.

    [CLS], [SEP] and the silence they stand for are left out: clusters far from all else, they
    would take the axes for themselves. There are many more frames than tokens: as many are taken,
    evenly over the utterances, as there are tokens, so that each cloud has the same say.

    Returns:
        Of each model and each of `KINDS` the points (M, 2), M tokens in all; and the shares (2,)
        of the variance that the two axes hold.
    """
    from sklearn.decomposition import PCA

    clouds = {}
    for name, seen in models.items():
        words = [_words_only(s) for s in seen]
        parts = {kind: np.concatenate([w[kind] for w in words]) for kind in KINDS}
        total = min(len(parts["aligned"]), len(parts["acoustic"]))
        chosen = np.linspace(0, len(parts["acoustic"]) - 1, total).round().astype(int)
        clouds[name] = parts | {"acoustic": parts["acoustic"][chosen]}
    if not all(len(points) > 1 for parts in clouds.values() for points in parts.values()):
        raise UserError("there are too few words to find principal components")
    pca = PCA(n_components=2, svd_solver="full")
    pca.fit(np.concatenate([points for parts in clouds.values() for points in parts.values()]))
    projected = {
        name: {kind: pca.transform(points) for kind, points in parts.items()}
        for name, parts in clouds.items()
    }
    return projected, pca.explained_variance_ratio_


def _words_only(seen: Seen) -> dict[str, np.ndarray]:
    """Return the vectors of each of `KINDS` without [CLS], [SEP] and their frames."""
    begin, end = (seen.fires[0], seen.fires[-2]) if len(seen.fires) > 2 else (0.0, 0.0)
    inside = (seen.edges[:-1] >= begin) & (seen.edges[1:] <= end)
    return {
        "acoustic": seen.acoustic[inside],
        "aligned": seen.aligned[1:-1],
        "linguistic": seen.linguistic[1:-1],
    }
