"""The losses of the paper, equations 1 to 5, and the boundary loss.

Every loss takes the tokens of a whole batch with their lengths and returns one number: the mean
over the batch's tokens (similarity, subword), utterances (quantity) or edges of words (boundary).
The paper's equation 2 sums over an utterance's tokens where equation 3 averages. `cosine` takes the
mean, so that the two losses have the same weight against L_quantity; `cosine_sum` is equation 2 as
printed.

In a distributed training the batch is that of all processes (global_batch.py).

All losses are computed in float32, under autocast too. Shapes: B utterances, T frames, N tokens, H
width, V pieces.
"""

from collections.abc import Callable

import torch
from torch.nn import functional as F

from espnet_wabert.errors import UserError
from espnet_wabert.modules.global_batch import gather, is_shared, weighted_mean
from espnet_wabert.modules.masking import valid_mask

NEGATIVES = ("utterance", "batch")


def cosine_loss(
    aligned: torch.Tensor, targets: torch.Tensor, lengths: torch.Tensor, summed: bool = False
) -> torch.Tensor:
    """Return the baseline L_cos: 1 - cos(a, l), equations 1 and 2.

    Args:
        aligned: acoustic vectors after the aligner (B, N, H).
        targets: BERT's layer-i states (B, N, H).
        lengths: (B,) in tokens.
        summed: sum over the tokens of an utterance and average over utterances, as equation 2
            does; False: average over the tokens of the batch.
    """
    mask = valid_mask(lengths, aligned.shape[1])
    losses = 1.0 - F.cosine_similarity(aligned[mask].float(), targets[mask].float(), dim=-1)
    if summed:
        return losses.sum() / len(lengths)
    return weighted_mean(losses.mean(), len(losses), len(lengths))


class InfoNCE:
    """The symmetric L_InfoNCE, equations 3 and 4.

    Args:
        temperature: tau of equation 3; the paper gives no value.
        negatives: "utterance", the other tokens of the same utterance, as in equation 3; or
            "batch", those of the whole batch (of all processes), where a token of another
            utterance with the same id is not a negative: its vector is nearly the same.
    """

    def __init__(self, temperature: float = 0.07, negatives: str = "utterance"):
        if not temperature > 0:
            raise UserError(f"model_conf.temperature: {temperature}: must be above 0")
        if negatives not in NEGATIVES:
            raise UserError(f"model_conf.negatives: {negatives!r}: one of {', '.join(NEGATIVES)}")
        self.temperature = temperature
        self.negatives = negatives

    def __call__(
        self,
        aligned: torch.Tensor,
        targets: torch.Tensor,
        lengths: torch.Tensor,
        tokens: torch.Tensor,
    ) -> torch.Tensor:
        """Return the loss of vectors (B, N, H) whose token ids are `tokens` (B, N)."""
        # Autocast would multiply the matrices in half precision, whatever their own type is.
        with torch.autocast(aligned.device.type, enabled=False):
            return self._loss(aligned, targets, lengths, tokens)

    def _loss(self, aligned, targets, lengths, tokens) -> torch.Tensor:
        mask = valid_mask(lengths, aligned.shape[1])
        a = F.normalize(aligned.float(), dim=-1)
        b = F.normalize(targets.float(), dim=-1)
        if self.negatives == "utterance":
            loss = self._within_utterances(a, b, mask)
        else:
            rows = torch.arange(len(lengths), device=mask.device)
            utterance = rows[:, None].expand_as(mask)[mask]
            ids = tokens[:, : mask.shape[1]][mask]
            loss = self._within_batch(a[mask], b[mask], ids, utterance)
        return weighted_mean(loss, mask.sum(), len(lengths))

    def _within_utterances(self, a, b, mask) -> torch.Tensor:
        """Return the mean loss of vectors (B, N, H) within mask (B, N)."""
        own = torch.arange(mask.shape[1], device=mask.device).expand_as(mask)
        own = own.masked_fill(~mask, -100)  # cross_entropy ignores -100
        hidden = ~(mask[:, None, :] & mask[:, :, None])
        scores = self._scores(a, b, hidden)  # (B, N, N)
        return 0.5 * (F.cross_entropy(scores.transpose(1, 2), own) + F.cross_entropy(scores, own))

    def _within_batch(self, a, b, ids, utterance) -> torch.Tensor:
        """Return the mean loss of this process's vectors (M, H) among those of all (A, H).

        Args:
            a, b: aligned and target vectors (M, H).
            ids: of the tokens (M,).
            utterance: of each token (M,).
        """
        all_b, begin = gather(b)
        all_ids, _ = gather(ids)
        utterance = utterance + begin  # no process has more utterances than tokens
        all_utterances, _ = gather(utterance)
        own = torch.arange(begin, begin + len(ids), device=ids.device)[None]
        same = ids[:, None] == all_ids[None, :]
        hidden = (same & (utterance[:, None] != all_utterances[None, :]))[None]
        scores = self._scores(a, all_b, hidden)  # (1, M, A)
        # The other direction: each target among all aligned vectors.
        back = self._scores(b, gather(a)[0], hidden) if is_shared() else scores.transpose(1, 2)
        return 0.5 * (
            F.cross_entropy(back.transpose(1, 2), own)
            + F.cross_entropy(scores.transpose(1, 2), own)
        )

    def _scores(self, a, b, hidden) -> torch.Tensor:
        """Return the similarities of all pairs, those of `hidden` pairs very small."""
        # A large finite number: a padded row of nothing but -inf would give NaN gradients.
        return (a @ b.transpose(-2, -1) / self.temperature).masked_fill(hidden, -1e4)


def quantity_loss(predicted: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """Return L_quantity, equation 5, as the mean absolute difference per utterance.

    As printed, N_predicted - N has no lower bound; CIF's own loss (arXiv 1905.11235) is absolute.
    """
    return (predicted - lengths).abs().mean()


def boundary_loss(
    weights: torch.Tensor, edges: torch.Tensor, lengths: torch.Tensor
) -> torch.Tensor:
    """Return how many tokens CIF's cumulative weight is away from the known edges of words.

    This is equation 5 for each part of an utterance that ends at an edge: the weights before the
    start of token n's word must sum to n, those before the end of its last token to n + 1. It is
    not in the paper. A pause gets no weight. Within a word, edges of tokens are not known.

    Args:
        weights: (B, T) of frames, scaled to the number of tokens.
        edges: start and end of each token's word (B, N, 2), between frames; infinite where they
            are not known, as those of [CLS] and [SEP].
        lengths: (B,) in tokens.
    """
    frames = weights.shape[1]
    mask = valid_mask(lengths, edges.shape[1])
    differ = (edges[:, 1:] != edges[:, :-1]).any(dim=-1)  # the next token is of another word
    known = torch.stack([F.pad(differ, (1, 0), value=True), F.pad(differ, (0, 1), value=True)], -1)
    known = known & edges.isfinite() & mask[..., None]
    places = edges.clamp(0, frames)[known]
    before = places.long().clamp(max=frames - 1)
    utterance, token, side = known.nonzero(as_tuple=True)
    sums = F.pad(weights.float().cumsum(dim=1), (1, 0))  # (B, T + 1), at the frames' edges
    low, high = sums[utterance, before], sums[utterance, before + 1]
    reached = torch.lerp(low, high, places - before)
    loss = (reached - (token + side)).abs().sum() / max(len(token), 1)
    return weighted_mean(loss, len(token), len(lengths))


def subword_loss(
    head: Callable[[torch.Tensor], torch.Tensor],
    hidden: torch.Tensor,
    tokens: torch.Tensor,
    lengths: torch.Tensor,
    sample: int | None = None,
) -> torch.Tensor:
    """Return L_subword: the cross entropy of each token's own id (paper, section 3.2).

    Args:
        head: gives the scores (M, V) of M states.
        hidden: states of BERT's last layer (B, N, H).
        tokens: ids (B, N).
        lengths: (B,) in tokens.
        sample: number of tokens of the batch to draw at random; None: all. Each process draws as
            many of its own.
    """
    mask = valid_mask(lengths, hidden.shape[1])
    hidden, ids = hidden[mask], tokens[:, : mask.shape[1]][mask]
    count = len(ids)
    if sample is not None and sample < len(ids):
        drawn = torch.randperm(len(ids), device=ids.device)[:sample]
        hidden, ids = hidden[drawn], ids[drawn]
    return weighted_mean(F.cross_entropy(head(hidden).float(), ids), count, len(lengths))


def similarity_loss(name: str, temperature: float, negatives: str) -> Callable[..., torch.Tensor]:
    """Return the aligned token similarity loss called `name`: infonce, cosine or cosine_sum."""
    losses: dict[str, Callable[..., torch.Tensor]] = {
        "infonce": InfoNCE(temperature, negatives),
        "cosine": lambda aligned, targets, lengths, tokens: cosine_loss(aligned, targets, lengths),
        "cosine_sum": lambda aligned, targets, lengths, tokens: cosine_loss(
            aligned, targets, lengths, summed=True
        ),
    }
    if name not in losses:
        raise UserError(f"model_conf.align_loss: {name!r}: one of {', '.join(losses)}")
    return losses[name]
