"""The data folders of `wabert finetune`."""

import numpy as np
import pytest
import soundfile
from tiny import VOCABULARY

from espnet_wabert.errors import UserError
from espnet_wabert.finetuning.data import prepare
from espnet_wabert.finetuning.table import SPLITS, read_clips
from espnet_wabert.text.wordpiece import WordPieceTokenizer


def test_only_transcripts_of_training_must_fit_into_bert(tmp_path):
    """Those of test clips are not read."""
    rows = [(split, label) for split in SPLITS for label in ("calm", "angry")]
    for number in range(len(rows)):
        soundfile.write(tmp_path / f"{number}.wav", np.full(8000, 0.1), 16000)
    path = tmp_path / "data.csv"
    pieces = WordPieceTokenizer(VOCABULARY)

    def prepared(long: str):
        lines = ["path,label,split,text"]
        for number, (split, label) in enumerate(rows):
            text = "good " * 9 if split == long else "good"
            lines.append(f"{number}.wav,{label},{split},{text}")
        path.write_text("\n".join(lines))
        return prepare(path, read_clips(path), tmp_path / "out", 0, pieces, 5, False, print)

    assert [clip.split for clip in prepared("test")] == [split for split, _ in rows]
    with pytest.raises(UserError, match=r"data\.csv:4: text: 11 word pieces, but this BERT has"):
        prepared("valid")
