"""Use a trained model: align speech with its transcript, read it without one, classify it."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from espnet_wabert.alignment.aligner import Aligner, Alignment
from espnet_wabert.errors import UserError
from espnet_wabert.models.checkpoint import Files, find_files, load_model
from espnet_wabert.modules.batching import pad, to_tensors
from espnet_wabert.modules.text_encoder import build_tokenizer
from espnet_wabert.text.wordpiece import WordPieces


class Transcription(NamedTuple):
    """An utterance read without a transcript."""

    text: str
    predicted_length: int


class Classification(NamedTuple):
    """The sentiment of an utterance."""

    label: str
    scores: list[float]  # a probability for each label


class WaBERTInference:
    """A trained model in use.

    Args:
        slu_train_config: its config.yaml.
        slu_model_file: its .pth.
        device: "cpu" or "cuda".
    """

    def __init__(self, slu_train_config: str, slu_model_file: str, device: str = "cpu"):
        self.device = device
        self.model, self.args = load_model(
            Files(Path(slu_train_config), Path(slu_model_file)), device
        )
        self.pieces = WordPieces(self.args.token_list) if self.args.token_list else None
        self.aligner = None
        if hasattr(self.model, "graft"):
            self.aligner = Aligner(self.model, self.pieces, device)
        self.reads_text = self.args.frontend == "text"
        self.tokenizer = build_tokenizer(self.args.frontend_conf) if self.reads_text else None

    @classmethod
    def from_pretrained(cls, model: str | Path, device: str = "cpu") -> "WaBERTInference":
        """Load a packed .zip, a .pth with its config.yaml, a folder, or a hub's tag."""
        files = find_files(model)
        return cls(str(files.config), str(files.weights), device)

    def _need(self, attribute: str, what: str) -> None:
        if not hasattr(self.model, attribute):
            raise UserError(f"a {self.args.model!r} model cannot {what}")

    def align(self, speech: Sequence[np.ndarray], texts: Sequence[str]) -> list[Alignment]:
        """Align utterances with their transcripts.

        Args:
            speech: waveforms (S,) at 16 kHz, or features (T, D) cached from the same frontend.
            texts: their transcripts.
        """
        self._need("graft", "align speech with text")
        return self.aligner(speech, [self.pieces.encode(text) for text in texts])

    @torch.inference_mode()
    def read(self, speech: Sequence[np.ndarray]) -> list[Transcription]:
        """Read utterances as a recognizer would: the predicted count, the first candidates."""
        self._need("graft", "read speech")
        grafted = self.model.graft(*self.aligner.encode_frames(speech))
        lengths = grafted.lengths.tolist()
        if self.model.subword_head is None:
            return [Transcription("", n) for n in lengths]
        best = self.model.subword_head(grafted.hidden).argmax(-1).tolist()
        return [Transcription(self.pieces.decode(ids[:n]), n) for ids, n in zip(best, lengths)]

    def _ids(self, tokenizer, texts: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor]:
        ids = [torch.tensor(tokenizer.encode(line).ids, device=self.device) for line in texts]
        return pad(ids)

    @torch.inference_mode()
    def classify(
        self,
        inputs: Sequence[np.ndarray] | Sequence[str],
        names: Sequence[str] | None = None,
        texts: Sequence[str] | None = None,
    ) -> list[Classification]:
        """Tell the sentiment of utterances.

        Args:
            inputs: waveforms, or features of the same frontend; transcripts for a text model.
            names: the utterances' ids, for error messages; None counts them.
            texts: transcripts to take BERT's own states of, in the place of the aligner's tokens;
                for a model trained with transcripts (text_weight) and not packed.
        """
        self._need("classify", "tell sentiment")
        text = bool(inputs) and isinstance(inputs[0], str)
        if text != self.reads_text:
            wanted = "transcripts (str)" if self.reads_text else "waveforms, not transcripts"
            raise UserError(f"a {self.args.model!r} model takes {wanted}")
        if texts is not None and getattr(self.model, "teacher", None) is None:
            raise UserError(
                f"this {self.args.model!r} model reads no transcripts beside speech; one trained"
                " with model_conf.text_weight and not packed does"
            )
        batch = self._ids(self.tokenizer, inputs) if text else pad(to_tensors(inputs, self.device))
        beside = self._ids(self.pieces, texts) if texts is not None else ()
        scores = self.model.classify(*batch, *beside).float()
        broken = (~scores.isfinite()).any(dim=-1).nonzero().flatten().tolist()
        if broken:
            raise UserError(
                f"utterance {names[broken[0]] if names else broken[0]}: the model's scores are"
                f" {', '.join(f'{s:g}' for s in scores[broken[0]].tolist())}:"
                " its training has diverged, or the input is broken"
            )
        labels = self.model.labels
        return [
            Classification(labels[int(s.argmax())], s.tolist()) for s in scores.softmax(-1).cpu()
        ]
