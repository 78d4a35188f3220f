"""Speech recognizers, the first stage of the pipelines (Table 3).

CTC models, Whisper, and an aligned model that reads letters, such as that in the box.

Shapes: B utterances, S samples, T frames, V output symbols.
"""

import zlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import nn
from transformers import AutoFeatureExtractor, AutoModelForCTC, AutoTokenizer
from transformers import WhisperForConditionalGeneration as WhisperModel

from espnet_wabert.alignment.chunking import chunks
from espnet_wabert.constants import BOX, SAMPLE_RATE
from espnet_wabert.errors import UserError, first_line
from espnet_wabert.inference.api import WaBERTInference
from espnet_wabert.modules.batching import pad, to_tensors
from espnet_wabert.modules.frontend import needs_normalization
from espnet_wabert.modules.precision import arithmetic
from espnet_wabert.modules.pretrained import load_source_config, quiet_loading
from espnet_wabert.modules.speech_encoders import build_speech_encoder
from espnet_wabert.text.beam_search import load_beam_search
from espnet_wabert.text.normalization import plain_text

CTC_TYPES = ("wav2vec2", "hubert", "wavlm", "data2vec-audio")
WINDOW = 30 * SAMPLE_RATE  # samples per window of Whisper
WINDOWS = 8  # per batch: 32 are 1.25 times as slow on 2 cores, and more of them slower still
# Largest number of Whisper's tokens: per second, where fast speech has 5 or 6, and in addition.
TOKENS_PER_SECOND, TOKENS_MORE = 8, 8
PROMPT = 4  # largest number of Whisper's prompt tokens
REPETITIVE = 2.4  # compression ratio above which Whisper's text is a loop (Radford et al. 2022)


class Recognizer(ABC):
    """Reads waveforms; called, it gives texts in the form of SLUE's transcripts."""

    @abstractmethod
    def write(self, speech: Sequence[np.ndarray]) -> list[str]:
        """Return the texts of waveforms (S,) at 16 kHz, as the model writes them."""

    def draft(self, speech: Sequence[np.ndarray]) -> list[str]:
        """Return the texts of waveforms (S,) of at most 30 s, which `revise` may change."""
        return self.write(speech)

    def revise(self, speech: Sequence[np.ndarray], texts: Sequence[str]) -> list[str]:
        """Return the texts of `draft`, those that look wrong written again."""
        return list(texts)

    def __call__(self, speech: Sequence[np.ndarray]) -> list[str]:
        """Return the plain texts of waveforms (S,) at 16 kHz."""
        return [plain_text(text) for text in self.write(speech)]


class CTCRecognizer(Recognizer):
    """A wav2vec 2.0 (HuBERT, ...) with a CTC head.

    Greedy decoding without an n-gram, beam search with one. (pyctcdecode does not support numpy 2,
    which ESPnet needs; ctc-beam-decoder has the same interface and includes KenLM.)

    Args:
        source: name on the Hub or folder.
        ngram: an ARPA file of words, or None.
        device: "cpu" or "cuda".
        precision: of the speech encoder, one of `PRECISIONS`.
    """

    def __init__(
        self,
        source: str,
        ngram: str | None = None,
        device: str = "cpu",
        precision: str = "float32",
    ):
        with quiet_loading():
            model = AutoModelForCTC.from_pretrained(source, dtype=torch.float32)
            tokenizer = AutoTokenizer.from_pretrained(source)
        self.device, self.precision = device, precision
        # With the masks of speech_encoders.py a hypothesis does not depend on its batch.
        backbone = getattr(model, model.base_model_prefix)
        encoder = build_speech_encoder(model.config, backbone, needs_normalization(source, True))
        self.encoder = encoder.to(device).eval()
        self.head: nn.Linear = model.lm_head.to(device).eval()
        self.labels = read_labels(tokenizer, model.config.vocab_size)
        self.blank = model.config.pad_token_id
        self.decoder = load_beam_search(self.labels, self.blank, ngram) if ngram else None

    @torch.inference_mode()
    def write(self, speech: Sequence[np.ndarray]) -> list[str]:
        """Return the texts of waveforms (S,) at 16 kHz, as the model spells them."""
        with arithmetic(self.precision, self.device):
            frames = self.encoder(*pad(to_tensors(speech, self.device)))
        scores = self.head(frames.features.float()).log_softmax(-1).cpu()  # (B, T, V)
        decode = self._greedy if self.decoder is None else self._search
        return [decode(s[:n]) for s, n in zip(scores, frames.lengths.tolist(), strict=True)]

    def _greedy(self, scores: torch.Tensor) -> str:
        best = scores.argmax(-1).unique_consecutive().tolist()
        return "".join(self.labels[i] for i in best if i != self.blank)

    def _search(self, scores: torch.Tensor) -> str:
        assert self.decoder is not None
        return self.decoder.decode(scores.numpy())


class WhisperRecognizer(Recognizer):
    """Whisper; audio longer than 30 s is decoded in equal windows of at most 30 s.

    Whisper can repeat itself in a loop, mostly on voices that it does not recognize. Therefore the
    number of tokens is limited by the duration, and a text with a high compression ratio (Radford
    et al. 2022, section 4.5) is decoded again without repeated trigrams.

    Args:
        source: name on the Hub or folder.
        device: "cpu" or "cuda".
        precision: of the speech encoder, one of `PRECISIONS`. The decoder, which gets one token
            after the other, would not be faster in bfloat16.
    """

    def __init__(self, source: str, device: str = "cpu", precision: str = "float32"):
        with quiet_loading():
            model = WhisperModel.from_pretrained(source, dtype=torch.float32)
            self.tokenizer = AutoTokenizer.from_pretrained(source)
            self.features = AutoFeatureExtractor.from_pretrained(source)
        self.model: Any = cast(Any, model).to(device).eval()
        self.device, self.precision = device, precision
        multilingual = getattr(self.model.generation_config, "is_multilingual", False)
        self.options = {"language": "en", "task": "transcribe"} if multilingual else {}

    @torch.inference_mode()
    def write(self, speech: Sequence[np.ndarray]) -> list[str]:
        """Return the texts of waveforms (S,) at 16 kHz, with capitals, punctuation and digits."""
        # Windows of equal length: of the few samples of a last one Whisper would invent a word.
        pieces = [(b, x[window.start : window.stop]) for b, x in enumerate(speech) if len(x)
                  for window in chunks(len(x), WINDOW, 0)]  # fmt: skip
        windows = [x for _, x in pieces]
        written = self.revise(windows, self.draft(windows))
        texts: list[list[str]] = [[] for _ in speech]
        for (b, _), text in zip(pieces, written, strict=True):
            texts[b].append(text)
        return [" ".join(parts) for parts in texts]

    def draft(self, speech: Sequence[np.ndarray]) -> list[str]:
        """Return the texts of waveforms (S,) of at most 30 s; some may be loops."""
        return self._write_all(speech)

    def revise(self, speech: Sequence[np.ndarray], texts: Sequence[str]) -> list[str]:
        """Return the texts of `draft`, loops written again without repeated trigrams."""
        written = list(texts)
        loops = [i for i, text in enumerate(written) if repeats_itself(text)]
        again = self._write_all([speech[i] for i in loops], no_repeat_ngram_size=3)
        for i, text in zip(loops, again, strict=True):
            written[i] = text
        return written

    def _write_all(self, pieces: Sequence[np.ndarray], **options) -> list[str]:
        """Return the texts of windows, in batches."""
        groups = [pieces[first : first + WINDOWS] for first in range(0, len(pieces), WINDOWS)]
        return [text for group in groups for text in self._write(group, **options)]

    def _write(self, pieces: Sequence[np.ndarray], **options) -> list[str]:
        """Return the texts of windows, each with its own limit of tokens."""
        mel = self.features(
            pieces, sampling_rate=SAMPLE_RATE, return_tensors="pt", return_attention_mask=True
        ).to(self.device)
        room = self.model.config.max_target_positions - PROMPT
        longest = [
            min(room, TOKENS_MORE + TOKENS_PER_SECOND * len(x) // SAMPLE_RATE) for x in pieces
        ]
        with arithmetic(self.precision, self.device):
            encoded = self.model.get_encoder()(mel.input_features)
        with quiet_loading():
            ids = self.model.generate(
                encoder_outputs=encoded, attention_mask=mel.attention_mask,
                max_new_tokens=max(longest), **self.options, **options,  # type: ignore[arg-type]
            )  # fmt: skip
        # Cut each at its own limit: a text must not depend on its batch.
        kept = [row[:n] for row, n in zip(ids.tolist(), longest, strict=True)]
        return self.tokenizer.batch_decode(kept, skip_special_tokens=True)


def repeats_itself(text: str) -> bool:
    """Return whether a text is a loop, by its compression ratio."""
    data = text.encode()
    return len(data) > REPETITIVE * len(zlib.compress(data))


def load_recognizer(source: str, ngram: str | None = None, device: str = "cpu"):
    """Return a recognizer: waveforms (S,) at 16 kHz to their texts.

    Args:
        source: `box`, or name or folder of a Hugging Face model.
        ngram: of a CTC model: an ARPA file.
        device: "cpu" or "cuda".
    """
    if source == BOX:
        if ngram:
            raise UserError(f"{source}: has an n-gram of its own: no other one with it")
        return WaBERTInference.from_pretrained(source, device).read
    return load_network(source, ngram, device)


def load_network(
    source: str, ngram: str | None = None, device: str = "cpu", precision: str = "float32"
) -> Recognizer:
    """Return the recognizer of a Hugging Face model.

    The arguments are those of `load_recognizer`, and the precision of the speech encoder.

    Raises:
        UserError: there is no such model, or it is no recognizer.
    """
    config = load_source_config("--recognizer", source)
    if ngram and not Path(ngram).is_file():
        raise UserError(f"{ngram}: no such n-gram; stage 9 downloads it")
    try:
        if config.model_type == "whisper":
            if ngram:
                raise UserError(f"{source}: Whisper is its own language model: no n-gram with it")
            return WhisperRecognizer(source, device, precision)
        if config.model_type in CTC_TYPES:
            return CTCRecognizer(source, ngram, device, precision)
    except OSError as error:
        reason = first_line(error)
        raise UserError(f"{source}: no recognizer: {reason}") from error
    raise UserError(
        f"{source} is a {config.model_type!r} model; recognizers: whisper, {', '.join(CTC_TYPES)}"
    )


def read_labels(tokenizer, size: int) -> list[str]:
    """Return the text of each symbol of a CTC model; special symbols have none."""
    special, space = set(tokenizer.all_special_tokens), tokenizer.word_delimiter_token
    labels = [""] * size
    for symbol, index in tokenizer.get_vocab().items():
        if index < size:
            labels[index] = " " if symbol == space else "" if symbol in special else symbol
    if " " not in labels:
        raise UserError("the recognizer's tokenizer has no word delimiter: it writes no words")
    return labels
