"""SLUE's submission file, for those without the labels of the test set.

Its format (the page "How to submit" of SLUE's toolkit): tab-separated, the header
`id pred_text pred_ner pred_sentiment`, one line per utterance, `None` for no prediction. It is
sent by mail to slue-committee at googlegroups.com; whether it is still scored is not known. Since
2024 the labels are in the gated dataset asapp/slue on the Hub.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

from espnet_wabert.errors import UserError
from espnet_wabert.formats.labels import require_same_ids
from espnet_wabert.formats.lines import write_atomically

COLUMNS = ("id", "pred_text", "pred_ner", "pred_sentiment")


def write_submission(
    path: str | Path,
    sentiment: Mapping[str, str],
    utterances: Iterable[str] | None = None,
    transcripts: Mapping[str, str] | None = None,
) -> None:
    """Write predicted labels (and recognized words) by id for SLUE's blind test.

    `utterances` are the ids of the test set; a missing or additional prediction is a `UserError`.
    """
    ids = list(sentiment if utterances is None else utterances)
    require_same_ids(ids, sentiment)
    lines = ["\t".join(COLUMNS)]
    for utt_id in ids:
        text = (transcripts or {}).get(utt_id) or "None"
        if "\t" in text or "\n" in text:
            raise UserError(f"{path}: the transcript of {utt_id} holds a tab or a line break")
        lines.append("\t".join((utt_id, text, "None", sentiment[utt_id])))
    write_atomically(path, "".join(f"{line}\n" for line in lines))
