"""Hypotheses of clips without transcripts: text for training."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from espnet_wabert.finetuning.settings import BATCH_SECONDS
from espnet_wabert.inference.api import WaBERTInference
from espnet_wabert.inference.decoding import SpeechSource, transcribe
from espnet_wabert.modules.frontend import HuggingFaceFrontend
from espnet_wabert.text.wordpiece import WordPieceTokenizer

NOTHING = "."  # what is written of clips without words: a Kaldi text has no empty lines


def beginning(text: str, pieces: WordPieceTokenizer, positions: int) -> str:
    """Return the first words of a text, as many as BERT has positions for."""
    words = text.split()
    while len(pieces.encode(" ".join(words)).ids) > positions:
        words.pop()
    return " ".join(words)


def read_training_clips(data: Path, model: str, device: str) -> None:
    """Write DATA/train/text and DATA/valid/text, what a model reads; existing ones are kept.

    Args:
        data: with the data folders and, in `feats`, the features that training reads.
        model: an aligned model with a CTC head, as `find_files` takes it.
        device: "cpu" or "cuda".
    """
    unread = [name for name in ("train", "valid") if not (data / name / "text").is_file()]
    if not unread:
        return
    inference = WaBERTInference.from_pretrained(model, device)
    frontend, pieces = inference.model.frontend, inference.aligner.tokenizer
    positions = inference.model.teacher.positions

    def read(speech: Sequence[np.ndarray]) -> list[str]:
        return [beginning(line, pieces, positions) or NOTHING for line in inference.read(speech)]

    same = isinstance(frontend, HuggingFaceFrontend) and frontend.conv_size > 0
    for name in unread:
        source = SpeechSource(data / name, data / "feats" / name if same else None)
        transcribe(lambda: read, source, data / name / "text", BATCH_SECONDS)
