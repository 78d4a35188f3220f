"""Scores of aligned tokens: their number, nearest targets and subword predictions."""

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from espnet_wabert.errors import UserError
from espnet_wabert.formats.lines import name_some, numbered_lines, parse_json, refuse_second
from espnet_wabert.formats.word import normalize_word
from espnet_wabert.text.transcript import APOSTROPHES

SPECIAL = ("[CLS]", "[SEP]")
FIELDS = ("utt_id", "tokens", "nearest", "top", "predicted_length", "length", "hypothesis")
CANDIDATES = ("top", "recognized")  # lists of lists of pieces


class Decoded(NamedTuple):
    """The decoder's output for one utterance."""

    utt_id: str
    tokens: tuple[str, ...]  # the transcript's subword tokens
    nearest: tuple[bool, ...]  # per token: is its own target the nearest of the utterance?
    top: tuple[tuple[str, ...], ...]  # per token: top-k subword predictions
    predicted_length: float  # number of tokens without the transcript
    length: int  # number of tokens of the transcript
    hypothesis: str  # text that was decoded without the transcript
    recognized: tuple[tuple[str, ...], ...] = ()  # top-k predictions of the tokens of `hypothesis`


class TokenScores(NamedTuple):
    """Scores over all tokens of all utterances; NaN if there are none.

    [CLS] and [SEP], which are at the same place in every utterance, are left out; scores that
    include them are named so.
    """

    count_error: float  # mean absolute difference of predicted and true tokens, per utterance
    top1: float  # fraction of correct top-1 predictions
    top5: float  # fraction of tokens in their top 5; NaN if fewer are listed
    diagonal_accuracy: float  # fraction of aligned vectors nearest to their own target
    top1_with_cls_sep: float
    top5_with_cls_sep: float
    diagonal_accuracy_with_cls_sep: float
    tokens: int  # with [CLS] and [SEP]
    utterances: int

    def as_dict(self) -> dict[str, float | int | None]:
        """Return numbers for a JSON file; NaN becomes None."""
        pairs = self._asdict().items()
        return {key: None if math.isnan(value) else value for key, value in pairs}


def read_decoding(path: str | Path) -> dict[str, Decoded]:
    """Read the decoder's JSON lines: one object with the fields of `FIELDS` per utterance."""
    decoding: dict[str, Decoded] = {}
    for number, line in numbered_lines(path):
        where = f"{path}:{number}"
        # One object per line: show the line of the file, not that of the object (always 1).
        try:
            entry = parse_json(line, where)
        except UserError as error:
            raise UserError(str(error).replace(f"{where}:1:", f"{where}:")) from None
        utterance = _decoded(entry, where)
        refuse_second(utterance.utt_id, decoding, where)
        decoding[utterance.utt_id] = utterance
    if not decoding:
        raise UserError(f"{path}:1: is empty; it must have one utterance per line")
    _check_uniform(decoding, path)
    return decoding


def score_tokens(decoding: Mapping[str, Decoded]) -> TokenScores:
    """Score the decoder's output over all utterances."""
    utterances = decoding.values()
    errors = [abs(utterance.predicted_length - utterance.length) for utterance in utterances]
    words = [_accuracies(utterances, SPECIAL), _accuracies(utterances, ())]
    return TokenScores(
        _mean(errors),
        *words[0],
        *words[1],
        tokens=sum(utterance.length for utterance in utterances),
        utterances=len(decoding),
    )


def _accuracies(
    utterances: Iterable[Decoded], without: Sequence[str]
) -> tuple[float, float, float]:
    """Return top-1, top-5 and diagonal accuracy over the tokens that are not in `without`."""
    nearest, ranks = [], []
    for utterance in utterances:
        for place, token in enumerate(utterance.tokens):
            if token in without:
                continue
            if utterance.nearest:
                nearest.append(utterance.nearest[place])
            if utterance.top:
                candidates = utterance.top[place]
                rank = candidates.index(token) if token in candidates else math.inf
                ranks.append((rank, len(candidates)))
    five = all(listed >= 5 for _, listed in ranks)
    top5 = _mean([rank < 5 for rank, _ in ranks]) if five else math.nan
    return _mean([rank < 1 for rank, _ in ranks]), top5, _mean(nearest)


def word_error_rate(
    reference: Mapping[str, str], hypothesis: Mapping[str, str], apostrophes: bool = False
) -> float:
    """Word error rate (errors over words of the reference) of transcripts joined by id.

    Case and punctuation are ignored (`normalize_word`).

    Args:
        reference, hypothesis: transcripts by utterance.
        apostrophes: count them: "well" is not "we'll". Otherwise they are ignored too.
    """
    import jiwer

    from espnet_wabert.formats.labels import require_same_ids

    require_same_ids(reference, hypothesis)
    references = [_normalized(reference[utt_id], apostrophes) for utt_id in reference]
    hypotheses = [_normalized(hypothesis[utt_id], apostrophes) for utt_id in reference]
    if not any(references):
        raise UserError("the word error rate needs a reference with words in it")
    # jiwer rejects an empty reference: all words of its hypothesis are insertions.
    inserted = sum(
        len(found.split()) for words, found in zip(references, hypotheses, strict=True) if not words
    )
    pairs = [pair for pair in zip(references, hypotheses, strict=True) if pair[0]]
    found = jiwer.process_words([one for one, _ in pairs], [other for _, other in pairs])
    errors = found.substitutions + found.deletions + found.insertions + inserted
    return errors / (found.hits + found.substitutions + found.deletions)


def _normalized(text: str, apostrophes: bool) -> str:
    """Return the words in the form in which they are compared."""
    words = text.translate(APOSTROPHES).split()
    if not apostrophes:
        return " ".join(filter(None, map(normalize_word, words)))
    kept = ("'".join(map(normalize_word, word.split("'"))).strip("'") for word in words)
    return " ".join(filter(None, kept))


def _mean(values: Sequence[float]) -> float:
    return float(sum(values) / len(values)) if values else math.nan


def _decoded(entry: Any, where: str) -> Decoded:
    """Check one JSON object field by field."""
    if not isinstance(entry, dict):
        raise UserError(f"{where}: is not a JSON object")
    lacking = [field for field in FIELDS if field not in entry]
    if lacking:
        raise UserError(f"{where}: lacks {', '.join(lacking)}")
    rules = {
        "utt_id": (isinstance(entry["utt_id"], str) and entry["utt_id"], "a name"),
        "tokens": (_is_list(entry["tokens"], str), "a list of strings"),
        "nearest": (_is_list(entry["nearest"], bool), "a list of true and false"),
        "predicted_length": (_is_count(entry["predicted_length"], whole=False), "0 or more"),
        "length": (_is_count(entry["length"]), "a whole number, 0 or more"),
        "hypothesis": (isinstance(entry["hypothesis"], str), "a string"),
    }
    entry = {"recognized": []} | entry
    for field in CANDIDATES:
        lists_of = _is_list(entry[field], list) and all(_is_list(row, str) for row in entry[field])
        rules[field] = lists_of, "a list of lists of strings"
    for field, (fits, rule) in rules.items():
        if not fits:
            raise UserError(f"{where}: {field} is {entry[field]!r}; it must be {rule}")
    count = entry["length"]
    if len(entry["tokens"]) != count:
        raise UserError(f"{where}: length is {count} but there are {len(entry['tokens'])} tokens")
    for field in ("nearest", "top"):
        if len(entry[field]) not in (0, count):
            raise UserError(f"{where}: {field} has {len(entry[field])} entries for {count} tokens")
    lists = {field: tuple(entry[field]) for field in ("tokens", "nearest")}
    candidates = {field: tuple(tuple(row) for row in entry[field]) for field in CANDIDATES}
    return Decoded(**{field: entry[field] for field in FIELDS} | lists | candidates)


def _check_uniform(decoding: Mapping[str, Decoded], path: str | Path) -> None:
    """Check that a field is in all utterances or in none: else its score would be of some only."""
    wordy = [utterance for utterance in decoding.values() if utterance.length]
    for field in ("nearest", "top"):
        without = [utterance.utt_id for utterance in wordy if not getattr(utterance, field)]
        if 0 < len(without) < len(wordy):
            raise UserError(
                f"{path}: {field} is empty in {len(without)} of {len(wordy)} utterances "
                f"({name_some(without)}); all or none must have it"
            )


def _is_list(value: Any, kind: type) -> bool:
    return isinstance(value, list) and all(isinstance(item, kind) for item in value)


def _is_count(value: Any, whole: bool = True) -> bool:
    number = isinstance(value, int if whole else (int, float)) and not isinstance(value, bool)
    return number and math.isfinite(value) and value >= 0
