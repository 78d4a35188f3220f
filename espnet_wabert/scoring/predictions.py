"""Top-k subword predictions of each aligned token: the paper's Table 4."""

from collections.abc import Mapping, Sequence
from itertools import zip_longest

from espnet_wabert.errors import UserError
from espnet_wabert.formats.lines import name_some
from espnet_wabert.scoring.table import Table
from espnet_wabert.scoring.tokens import SPECIAL, Decoded, word_error_rate

HIT = "{} ✓"  # marks a prediction that equals the label


def predictions_table(decoded: Decoded, most: int = 5) -> Table:
    """Return the table of one utterance: per token its label and its top predictions.

    Correct predictions are marked. [CLS] and [SEP] are left out.
    """
    if not decoded.top:
        raise UserError(
            f"utterance {decoded.utt_id}: was decoded without candidates: the model has no subword"
            " head (L_subword was off)"
        )
    rows, ranks = [], []
    for token, candidates in zip(decoded.tokens, decoded.top, strict=True):
        if token in SPECIAL:
            continue
        shown = candidates[:most]
        ranks.append(shown.index(token) if token in shown else most)
        cells = (HIT.format(name) if name == token else name for name in shown)
        rows.append((token, *cells, *[""] * (most - len(shown))))
    heads = ("label", *(f"top-{place}" for place in range(1, most + 1)))
    first = sum(rank == 0 for rank in ranks)
    listed = sum(rank < most for rank in ranks)
    note = f"{first} of {len(ranks)} labels come first, {listed} are among the first {most}"
    return Table(decoded.utt_id, heads, tuple(rows), names=len(heads), note=note)


def typical(decoding: Mapping[str, Decoded], count: int = 3) -> list[str]:
    """Return `count` utterances at evenly spaced quantiles of top-1 accuracy.

    With 3 they are the quartiles. Ties: longer ones first, then by name.
    """
    if count < 1:
        raise UserError(f"count is {count}; at least 1 utterance must be shown")

    def key(utt_id: str) -> tuple[float, int, str]:
        found = decoding[utt_id]
        hits = [token in top[:1] for token, top in zip(found.tokens, found.top, strict=True)]
        return sum(hits) / max(len(hits), 1), -found.length, utt_id

    order = sorted(decoding, key=key)
    places = [(place + 1) * len(order) // (count + 1) for place in range(count)]
    return [order[place] for place in dict.fromkeys(places)]


def chosen(decoding: Mapping[str, Decoded], names: Sequence[str]) -> list[Decoded]:
    """Return the utterances of these names; raise a `UserError` that names missing ones."""
    unknown = [name for name in names if name not in decoding]
    if unknown:
        raise UserError(f"not among the {len(decoding)} decoded utterances: {name_some(unknown)}")
    return [decoding[name] for name in names]


def recognizer_line(decoding: Mapping[str, Decoded], texts: Mapping[str, str]) -> str:
    """Return a line with the word error rate of the model as a recognizer."""
    hypotheses = {name: found.hypothesis for name, found in decoding.items()}
    rate, strict = (word_error_rate(texts, hypotheses, apostrophes=a) for a in (False, True))
    return (
        f"word error rate as a recognizer: {rate:.1%} over {len(decoding)} utterances;"
        f" {strict:.1%} with apostrophes"
    )


def recognizer_table(decoded: Decoded, most: int = 5) -> Table | None:
    """Return the predictions for the tokens that were found without the transcript.

    The paper's Table 4 reads the model as a recognizer; `predictions_table` gives it the true
    number of tokens. The pieces of the transcript are aligned with the first predictions by the
    fewest errors. None for a decoding without such predictions.
    """
    import jiwer

    labels = [token for token in decoded.tokens if token not in SPECIAL]
    found = [shown[:most] for shown in decoded.recognized if shown[0] not in SPECIAL]
    if not labels or not found:
        return None
    best = " ".join(shown[0] for shown in found)
    rows = []
    for part in jiwer.process_words(" ".join(labels), best).alignments[0]:
        ours = labels[part.ref_start_idx : part.ref_end_idx]
        theirs = found[part.hyp_start_idx : part.hyp_end_idx]
        for label, shown in zip_longest(ours, theirs):
            cells = [HIT.format(name) if name == label else name for name in shown or ()]
            rows.append((label or "-", *cells, *[""] * (most - len(cells))))
    heads = ("label", *(f"top-{place}" for place in range(1, most + 1)))
    note = f"decoded: {decoded.hypothesis or '(nothing)'}"
    return Table(f"{decoded.utt_id}, as a recognizer", heads, tuple(rows), len(heads), note)
