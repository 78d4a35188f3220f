"""The file that SLUE's organisers score for those who have no labels of the test set.

What is known (the page "How to submit" of SLUE's toolkit): a tab-separated file with the
header `id pred_text pred_ner pred_sentiment`, one line an utterance, the word `None` where there is
no prediction, sent by mail to slue-committee at googlegroups.com. Whether submissions are still
answered is not known; the labels themselves are in the gated hub dataset asapp/slue since 2024.
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

    `utterances` are the test set's ids: without a prediction for each the file would be refused,
    so a missing or surplus one is a `UserError` here.
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
