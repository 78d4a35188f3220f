"""Use a trained model: align speech with its transcript, transcribe it, classify it."""

from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import torch

from espnet_wabert.alignment.aligner import Aligner, Alignment
from espnet_wabert.constants import SILENT
from espnet_wabert.errors import UserError
from espnet_wabert.graphs.model import ExportedFrontend, ExportedSentiment, load_exported
from espnet_wabert.inference.reading import Reader, Transcription
from espnet_wabert.models.checkpoint import EXPORTED, Files, find_files, load_model
from espnet_wabert.models.origin import SOURCE
from espnet_wabert.models.sentiment import WaBERTSentiment
from espnet_wabert.models.text_sentiment import TextSentiment
from espnet_wabert.models.wabert import WaBERT
from espnet_wabert.modules.batching import pad, to_tensors
from espnet_wabert.modules.frontend import HuggingFaceFrontend
from espnet_wabert.modules.precision import check_precision
from espnet_wabert.modules.text_encoder import build_tokenizer
from espnet_wabert.modules.token_decoder import LetterDecoder
from espnet_wabert.text.wordpiece import WordPieceTokenizer


class Classification(NamedTuple):
    """The sentiment of an utterance, or its class among other labels.

    Attributes:
        label: the most likely one.
        scores: one probability per label.
        labels: of the scores.
    """

    label: str
    scores: list[float]
    labels: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, str | float]:
        """Return the label and, by name, the probabilities."""
        return {"label": self.label, **dict(zip(self.labels, self.scores, strict=True))}

    def __str__(self) -> str:
        pairs = zip(self.labels, self.scores, strict=True)
        return " ".join([self.label, *(f"{label}={score:.3f}" for label, score in pairs)])


class WaBERTInference:
    """A trained model in use.

    Args:
        slu_train_config: its config.yaml; graphs.yaml of an exported model.
        slu_model_file: its .pth.
        device: "cpu" or "cuda".
        ngram: an ARPA file of words, for a model that reads letters.
        precision: of the speech encoder, "float32" or "bfloat16"; the rest is float32.

    Raises:
        UserError: a file cannot be used, or the precision is not there.
    """

    def __init__(
        self,
        slu_train_config: str,
        slu_model_file: str,
        device: str = "cpu",
        ngram: str | Path | None = None,
        precision: str = "float32",
    ):
        check_precision(precision, device)
        self.device, self.precision = device, precision
        files = Files(Path(slu_train_config), Path(slu_model_file))
        load: Callable = load_exported if files.config.name == EXPORTED else load_model
        self.model, self.args = load(files, device)
        self._set_precision(precision)
        token_list = self.args.token_list
        self.tokenizer = WordPieceTokenizer(token_list) if token_list else None
        self.reads_text = self.args.frontend == "text"
        self.text_tokenizer = build_tokenizer(self.args.frontend_conf) if self.reads_text else None
        # Name of the text model that judges what this one reads; that in the box has one.
        self.classifier: str | None = getattr(self.args, "classifier", None)
        # Name of the recognizer whose text the letters of this one check (`joint_reading.py`).
        self.recognizer: str | None = getattr(self.args, "recognizer", None)
        self._aligner = None
        self._ngram = ngram
        decoder = getattr(self.model, "token_decoder", None)
        if isinstance(decoder, LetterDecoder):
            decoder.use(ngram)
        if isinstance(self.model, WaBERT) and self.tokenizer is not None:
            self._aligner = Aligner(self.model, self.tokenizer, device)

    @classmethod
    def from_pretrained(
        cls, model: str | Path = "box", device: str = "cpu", precision: str = "float32"
    ) -> "WaBERTInference":
        """Load the model in the box, a packed .zip, a .pth, a folder (of `export` too) or a tag."""
        files = find_files(model)
        return cls(str(files.config), str(files.weights), device, files.ngram, precision)

    def _set_precision(self, precision: str) -> None:
        frontend = getattr(self.model, "frontend", None)
        if isinstance(frontend, HuggingFaceFrontend) and not isinstance(frontend, ExportedFrontend):
            frontend.precision = precision
        elif precision != "float32":
            raise UserError(f"precision {precision}: only for a speech encoder of PyTorch")

    def describe(self) -> dict[str, str]:
        """Return what the model is and can do, by name."""
        args, count = self.args, sum(p.numel() for p in self.model.parameters())
        found = {"model": args.model}
        if count:
            found["parameters"] = f"{count / 1e6:.1f} million"
        else:
            found["exported"] = f"ONNX graphs, {args.precision}"
        for part in ("frontend", "postencoder"):
            source = (getattr(args, f"{part}_conf", None) or {}).get(SOURCE)
            if getattr(args, part, None):
                found[part] = f"{getattr(args, part)} ({source or 'weights in the file'})"
        if self._aligner is not None:
            found["methods of alignment"] = ", ".join(self._aligner.methods)
            found["reads"] = self._reads(self.spells)
            if self.recognizer:
                found["reads"] += f"; they check the text of {Path(self.recognizer).name}"
            if self.classifier:
                found["classifies"] = f"the sentiment of what it reads ({self.classifier})"
        else:
            found["labels"] = ", ".join(cast(Sequence[str], self.model.labels))
            found["takes"] = "transcripts" if self.reads_text else "recordings"
            decoder = getattr(self.model, "token_decoder", None)
            if decoder is not None:
                found["reads"] = self._reads(isinstance(decoder, LetterDecoder))
        return found

    def _reads(self, letters: bool) -> str:
        search = ", with an n-gram of words" if letters and self._ngram else ""
        return f"letters{search}" if letters else "word pieces"

    @property
    def spells(self) -> bool:
        """Whether this is an aligned model that reads letters."""
        return self._aligner is not None and self._aligner.model.ctc_head is not None

    @property
    def aligner(self) -> Aligner:
        """The aligner of an aligned model.

        Raises:
            UserError: the model has no aligner and subword head: it is a classifier.
        """
        if self._aligner is None:
            raise UserError(f"a {self.args.model!r} model cannot align or transcribe speech")
        return self._aligner

    @cached_property
    def reader(self) -> Reader:
        """The reader of an aligned model; an error as of `aligner` for another one."""
        return Reader(self.aligner, self._ngram)

    def align(self, speech: Sequence[np.ndarray], texts: Sequence[str]) -> list[Alignment]:
        """Align utterances with their transcripts.

        Args:
            speech: waveforms (S,) at 16 kHz, or features (T, W) cached from the same frontend.
            texts: their transcripts.
        """
        if len(speech) != len(texts):
            raise UserError(f"{len(speech)} utterances, but {len(texts)} transcripts")
        transcripts = [self.aligner.tokenizer.encode(text) for text in texts]
        return self.aligner(speech, transcripts) if transcripts else []

    def transcribe(self, speech: Sequence[np.ndarray]) -> list[Transcription]:
        """Transcribe utterances, without a transcript (`reading.py`).

        Args:
            speech: as for `align`.
        """
        return self.reader.read(self.aligner.encode(speech))

    def read(self, speech: Sequence[np.ndarray]) -> list[str]:
        """Return the texts of utterances of any length, without BERT's predictions.

        Args:
            speech: as for `align`. A silent waveform has no words.
        """
        texts = self.reader.texts(self.aligner.encode(speech))
        return ["" if is_silent(x) else text for x, text in zip(speech, texts, strict=True)]

    def align_and_transcribe(
        self, speech: Sequence[np.ndarray], texts: Sequence[str]
    ) -> tuple[list[Alignment], list[Transcription]]:
        """Do what `align` and `transcribe` do; the speech is encoded and adapted once."""
        transcripts = [self.aligner.tokenizer.encode(text) for text in texts]
        encoded = self.aligner.encode(speech)
        return self.aligner.align_encoded(encoded, transcripts), self.reader.read(encoded)

    def _ids(self, tokenizer: Any, texts: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor]:
        ids = [torch.tensor(tokenizer.encode(line).ids, device=self.device) for line in texts]
        return pad(ids)

    @torch.inference_mode()
    def classify(
        self,
        inputs: Sequence[np.ndarray] | Sequence[str],
        names: Sequence[str] | None = None,
        texts: Sequence[str] | None = None,
    ) -> list[Classification]:
        """Classify the sentiment of utterances.

        Args:
            inputs: waveforms, or features of the same frontend; transcripts for a text model.
            names: ids of the utterances, for error messages; None: their numbers.
            texts: transcripts whose BERT states replace the aligner's tokens; for a model that was
                trained with transcripts (text_weight) and not packed.

        Raises:
            UserError: the model cannot classify these inputs, or its scores are not finite.
        """
        if not isinstance(self.model, WaBERTSentiment | TextSentiment | ExportedSentiment):
            raise UserError(f"a {self.args.model!r} model cannot classify sentiment")
        text = bool(inputs) and isinstance(inputs[0], str)
        if text != self.reads_text:
            wanted = "transcripts (str)" if self.reads_text else "waveforms, not transcripts"
            raise UserError(f"a {self.args.model!r} model takes {wanted}")
        if texts is not None and getattr(self.model, "teacher", None) is None:
            raise UserError(
                f"this {self.args.model!r} model takes no transcripts with speech; one that was"
                " trained with model_conf.text_weight and not packed does"
            )
        if text:
            batch = self._ids(self.text_tokenizer, cast(Sequence[str], inputs))
        else:
            batch = pad(to_tensors(cast(Sequence[np.ndarray], inputs), self.device))
        transcripts = self._ids(self.tokenizer, texts) if texts is not None else ()
        scores = self.model.classify(*batch, *transcripts).float()
        broken = (~scores.isfinite()).any(dim=-1).nonzero().flatten().tolist()
        if broken:
            raise UserError(
                f"utterance {names[broken[0]] if names else broken[0]}: the model's scores are"
                f" {', '.join(f'{s:g}' for s in scores[broken[0]].tolist())}:"
                " its training diverged, or the input is damaged"
            )
        labels = self.model.labels
        return [
            Classification(labels[int(s.argmax())], s.tolist(), tuple(labels))
            for s in scores.softmax(-1).cpu()
        ]


def is_silent(speech: np.ndarray) -> bool:
    """Return whether a waveform has nothing but the noise of its 16 bits."""
    (samples,) = to_tensors([speech], "cpu")
    return samples.dim() == 1 and float(samples.abs().max()) < SILENT
