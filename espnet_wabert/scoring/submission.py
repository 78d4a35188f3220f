"""SLUE's submission file, for those without the labels of the test set.

Its format (the page "How to submit" of SLUE's toolkit): tab-separated, the header
`id pred_text pred_ner pred_sentiment`, one line per utterance, `None` for no prediction. It is
sent by mail to slue-committee at googlegroups.com; whether it is still scored is not known. Since
2024 the labels are in the gated dataset asapp/slue on the Hub.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

from espnet_wabert.formats.labels import require_same_ids
from espnet_wabert.formats.lines import write_lines

COLUMNS = ("id", "pred_text", "pred_ner", "pred_sentiment")


def write_submission(
    path: str | Path, sentiment: Mapping[str, str], utterances: Iterable[str] | None = None
) -> None:
    """Write predicted labels by id for SLUE's blind test.

    `utterances` are the ids of the test set; a missing or additional prediction is a `UserError`.
    """
    ids = list(sentiment if utterances is None else utterances)
    require_same_ids(ids, sentiment)
    rows = [COLUMNS, *((utt_id, "None", "None", sentiment[utt_id]) for utt_id in ids)]
    write_lines(path, map("\t".join, rows))
