"""Sentiment labels by utterance: references, hypotheses and parts of a set."""

from collections.abc import Collection, Mapping
from pathlib import Path

from espnet_wabert.constants import LABELS
from espnet_wabert.errors import UserError
from espnet_wabert.formats.lines import (
    fields_of,
    name_some,
    numbered_lines,
    parse_number,
    refuse_second,
)


def read_labels(path: str | Path, classes: Collection[str] = LABELS) -> dict[str, str]:
    """Read a Kaldi file `utterance label`, without SLUE's `<mixed>` and `Disagreement`."""
    labels: dict[str, str] = {}
    for number, line in numbered_lines(path):
        where, fields = f"{path}:{number}", fields_of(line, 1)
        if len(fields) != 2:
            raise UserError(f"{where}: {len(fields)} fields, not 'utterance label'")
        _check(fields[0], fields[1], labels, classes, where)
        labels[fields[0]] = fields[1]
    return _not_empty(labels, path)


def read_predictions(path: str | Path) -> dict[str, str]:
    """Read the labels of a file `utterance label [score score score]`; the scores are checked."""
    labels: dict[str, str] = {}
    for number, line in numbered_lines(path):
        where, (utt_id, *fields) = f"{path}:{number}", fields_of(line)
        if len(fields) not in (1, 1 + len(LABELS)):
            raise UserError(
                f"{where}: {len(fields) + 1} fields, not 'utterance label' with nothing or "
                f"{len(LABELS)} scores after it ({', '.join(LABELS)})"
            )
        _check(utt_id, fields[0], labels, LABELS, where)
        for name, score in zip(LABELS, fields[1:], strict=False):
            parse_number(score, f"score of {name}", where)
        labels[utt_id] = fields[0]
    return _not_empty(labels, path)


def read_parts(path: str | Path) -> dict[str, str]:
    """Read a file `utterance part`: the part of the set of each utterance."""
    parts: dict[str, str] = {}
    for number, line in numbered_lines(path):
        where, fields = f"{path}:{number}", fields_of(line)
        if len(fields) != 2:
            raise UserError(f"{where}: {len(fields)} fields, not 'utterance part'")
        refuse_second(fields[0], parts, where)
        parts[fields[0]] = fields[1]
    return _not_empty(parts, path)


def require_same_ids(
    reference: Collection[str], other: Collection[str], what: str = "the hypothesis"
) -> None:
    """Raise a `UserError` that names the ids that only one of the two has."""
    missing, extra = set(reference) - set(other), set(other) - set(reference)
    complaints = []
    if missing:
        complaints.append(f"lacks {len(missing)} utterances of the reference: {name_some(missing)}")
    if extra:
        complaints.append(f"has {len(extra)} that are not in the reference: {name_some(extra)}")
    if complaints:
        raise UserError(f"{what} {' and '.join(complaints)}")


def _check(
    utt_id: str, label: str, seen: Mapping[str, object], classes: Collection[str], where: str
) -> None:
    refuse_second(utt_id, seen, where)
    if label not in classes:
        raise UserError(f"{where}: label '{label}' of {utt_id} is not one of {', '.join(classes)}")


def _not_empty[Table: Mapping](table: Table, path: str | Path) -> Table:
    if not table:
        raise UserError(f"{path}:1: is empty; it must have one utterance per line")
    return table
