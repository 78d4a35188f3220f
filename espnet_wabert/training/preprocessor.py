"""Preprocessing of utterances in training."""

import numpy as np
import torch
from espnet2.train.preprocessor import CommonPreprocessor
from tokenizers import Tokenizer

from espnet_wabert.constants import SAMPLE_RATE
from espnet_wabert.errors import UserError
from espnet_wabert.text.wordpiece import Encoded, WordPieceTokenizer


class WaBERTPreprocessor(CommonPreprocessor):
    """ESPnet's speech processing (noise, reverberation), BERT's word pieces, sentiment labels.

    Args:
        train: apply noise, reverberation and augmentation.
        vocabulary: BERT's pieces.
        tokenizer: of a text frontend, instead of the word pieces.
        labels: the classes, or ().
        **speech: ESPnet's options for speech (rir_scp, noise_scp, data_aug_effects, ...).

    Raises:
        UserError: cached features with options that change audio, or an unknown label.
    """

    def __init__(
        self,
        train: bool,
        vocabulary: list[str],
        labels: tuple[str, ...] = (),
        tokenizer: Tokenizer | None = None,
        **speech,
    ):
        super().__init__(train=train, token_type=None, fs=SAMPLE_RATE, **speech)
        self.pieces = tokenizer or (WordPieceTokenizer(vocabulary) if vocabulary else None)
        self.labels = {label: index for index, label in enumerate(labels)}

    def __call__(self, uid: str, data: dict) -> dict[str, np.ndarray]:
        if "speech" in data:
            if not np.isfinite(data["speech"]).all():
                raise UserError(f"utterance {uid}: speech that is not finite (NaN or infinity)")
            if data["speech"].ndim == 1:
                # The trainer's autocast reaches the loader; audio is processed in float32.
                with torch.autocast("cpu", enabled=False):
                    data = self._speech_process(data)
            elif self.train and (self.data_aug or self.noises or self.rirs):
                raise UserError(
                    f"utterance {uid}: noise and augmentation need audio, not cached features;"
                    " use --cache_features false"
                )
        if "text" in data:
            assert self.pieces is not None  # the task gives a tokenizer to models that read text
            encoded = self.pieces.encode(data["text"])
            data["text"] = np.array(encoded.ids, dtype=np.int64)
            if "word_times" in data:
                assert isinstance(encoded, Encoded)  # a model with graphemes reads word pieces
                data["token_times"] = token_times(uid, encoded, data.pop("word_times"))
        if "sentiment" in data:
            label = data["sentiment"].strip()
            if label not in self.labels:
                raise UserError(
                    f"utterance {uid}: sentiment {label!r} is not one of {', '.join(self.labels)}"
                )
            data["sentiment"] = np.array([self.labels[label]], dtype=np.int64)
        return data


def token_times(uid: str, encoded: Encoded, times: np.ndarray) -> np.ndarray:
    """Return start and end of each token's word (N, 2); infinite where they are not known.

    Args:
        uid: utterance id.
        encoded: a transcript of W words.
        times: start and end of each word in seconds (2 W,), or one NaN if they are not known.
    """
    found = np.full((len(encoded.ids), 2), (-np.inf, np.inf), dtype=np.float32)
    if np.isnan(times).all():
        return found
    if len(times) != 2 * len(encoded.words):
        raise UserError(
            f"utterance {uid}: times of {len(times) // 2} words, but {len(encoded.words)} words;"
            " run stage 10 again"
        )
    for token, word in enumerate(encoded.word_index):
        if word is not None:
            found[token] = times[2 * word : 2 * word + 2]
    return found
