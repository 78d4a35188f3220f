"""Hypotheses of clips without transcripts: text for training."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from espnet_wabert.inference.api import WaBERTInference
from espnet_wabert.inference.decoding import SpeechSource, transcribe
from espnet_wabert.modules.frontend import HuggingFaceFrontend
from espnet_wabert.text.wordpiece import WordPieceTokenizer
from espnet_wabert.workers.workers import made_once

BATCH_SECONDS = 60.0  # of padded audio
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
    make = partial(made_once, WaBERTInference.from_pretrained, model, device)

    def read(speech: Sequence[np.ndarray]) -> list[str]:
        inference = make()
        pieces, positions = inference.aligner.tokenizer, inference.model.teacher.positions
        return [beginning(line, pieces, positions) or NOTHING for line in inference.read(speech)]

    for name in ("train", "valid"):
        text = data / name / "text"
        if text.is_file():
            continue
        frontend = make().model.frontend
        same = isinstance(frontend, HuggingFaceFrontend) and frontend.conv_size > 0
        source = SpeechSource(data / name, data / "feats" / name if same else None)
        transcribe(lambda: read, source, text, BATCH_SECONDS)
