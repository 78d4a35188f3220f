"""The short way to use a model: recordings of any kind in, results that print and save.

from espnet_wabert import WaBERT

model = WaBERT.from_pretrained()
aligned = model.align("talk.mp3", "what was said")
print(aligned)
aligned.save("talk.srt")
"""

import os
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from itertools import repeat
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any, NamedTuple, cast

import numpy as np
import torch

from espnet_wabert.alignment.cif_method import token_edges
from espnet_wabert.constants import OWN, SAMPLE_RATE
from espnet_wabert.errors import UserError
from espnet_wabert.formats.aligned_files import UtteranceAlignment
from espnet_wabert.inference.align_corpus import align_all, choose_method
from espnet_wabert.inference.api import Classification, WaBERTInference
from espnet_wabert.inference.joint_reading import JointReader
from espnet_wabert.inference.loading import process_all
from espnet_wabert.inference.recordings import Recording, from_samples, from_stream, one_file
from espnet_wabert.inference.word_sentiment import WordSentiment
from espnet_wabert.models.checkpoint import pack
from espnet_wabert.models.hub import make_repository, upload
from espnet_wabert.text.transcript import encode_transcript

# A path, an open file, samples (S,) or (channels, S), or a row of `datasets` with both fields.
Audio = str | os.PathLike | IO[bytes] | np.ndarray | torch.Tensor | Mapping[str, Any]


class Encoding(NamedTuple):
    """An utterance as N tokens, with [CLS] and [SEP].

    Attributes:
        tokens: N word pieces; [] without a text and without letters that give one.
        aligned: (N, H) the aligner's vectors, in the place of BERT's layer i.
        hidden: (N, H) BERT's output.
        starts: (N,) seconds, by CIF's cumulative weight.
        ends: (N,) seconds.
    """

    tokens: list[str]
    aligned: np.ndarray
    hidden: np.ndarray
    starts: np.ndarray
    ends: np.ndarray


class WaBERT:
    """A trained model that takes recordings of any format, rate and number of channels.

    Every method takes one recording or a list. A list gives a list of results in the same order;
    it is processed in batches of similar length, with a progress bar.

    Args:
        inference: the loaded model.
        batch_seconds: padded audio per batch.
        source: what `from_pretrained` was given.
        recognizer: as `from_pretrained` takes it.

    Raises:
        UserError: a recognizer that cannot be loaded, or for a model that reads no letters.
    """

    def __init__(
        self,
        inference: WaBERTInference,
        batch_seconds: float = 60.0,
        source: str | Path | None = None,
        recognizer: str | None = OWN,
    ):
        self.inference, self.batch_seconds, self.source = inference, batch_seconds, source
        self.recognizer = inference.recognizer if recognizer == OWN else recognizer
        if recognizer not in (None, OWN):
            if not inference.spells:
                raise UserError(f"recognizer {recognizer}: this model has no letters that check it")
            _ = self.read  # loaded here: one error, not one for each recording

    @classmethod
    def from_pretrained(
        cls,
        model: str | Path = "box",
        device: str = "cpu",
        precision: str = "float32",
        recognizer: str | None = OWN,
    ) -> "WaBERT":
        """Load the model in the box, a packed .zip, a .pth, a folder, or a tag of the Hub.

        Args:
            model: which one.
            device: "cpu" or "cuda".
            precision: of the speech encoders, also the recognizer's: "float32" or, quicker,
                "bfloat16".
            recognizer: reads instead of the model's letters, which check it (`joint_reading.py`): a
                Whisper or CTC model, name or folder; "own": the model's, which that in the box has;
                None: letters alone.
        """
        inference = WaBERTInference.from_pretrained(model, device, precision)
        return cls(inference, source=model, recognizer=recognizer)

    def push_to_hub(self, repo: str, license: str = "apache-2.0") -> str:
        """Upload the model with a model card to the Hugging Face Hub; return its address.

        `from_pretrained(repo)` loads it from there, and ESPnet's model zoo does, too. It needs
        `hf auth login` and, unless the model is a packed .zip, ESPnet.

        Args:
            repo: name such as you/wabert; it is created if it is missing.
            license: of the weights, one of the Hub's identifiers.

        Raises:
            UserError: the model was not loaded by `from_pretrained`, or the Hub refuses it.
        """
        if self.source is None:
            raise UserError("only a model that from_pretrained loaded can be uploaded")
        with TemporaryDirectory() as folder:
            packed = Path(self.source)
            if packed.suffix != ".zip":
                packed = pack(self.source, Path(folder) / "model.zip")
            return upload(make_repository(packed, Path(folder) / "hub", repo, license), repo)

    def align(
        self,
        audio: Audio | Sequence[Audio],
        text: str | Sequence[str],
        rate: int = SAMPLE_RATE,
        method: str | None = None,
    ) -> Any:
        """Return when each word of a transcript is said: one `UtteranceAlignment`, or a list.

        Args:
            audio: a recording or a list of them.
            text: its transcript, or a list of theirs.
            rate: of samples in memory, in Hz.
            method: one of the model's methods; None: the best.

        Raises:
            UserError: a recording cannot be read or aligned.
        """
        texts = [text] if isinstance(text, str) else list(text or ())
        recordings = self._recordings(audio, rate, texts)
        choose_method(self.inference, method)
        found: dict[str, UtteranceAlignment] = {}
        done = align_all(
            self.inference, recordings, found.__setitem__, method, self.batch_seconds,
            bar=len(recordings) > 1,
        )  # fmt: skip
        return self._in_order(audio, recordings, found, done.skipped)

    def transcribe(self, audio: Audio | Sequence[Audio], rate: int = SAMPLE_RATE) -> Any:
        """Return what is said, a text or a list of them; the arguments are those of `align`."""
        return self._all(audio, self._recordings(audio, rate), self.read_batch, "reading")

    def sentiment(self, audio: Audio | Sequence[Audio], rate: int = SAMPLE_RATE) -> Any:
        """Return the label and its probabilities, one `Classification` or a list.

        The model in the box judges the words that it reads, not the voice.
        """
        recordings = self._recordings(audio, rate)
        return self._all(audio, recordings, self.classify_batch, "classifying")

    @property
    def classifies(self) -> bool:
        """Whether the model has sentiment."""
        inference = self.inference
        of_speech = hasattr(inference.model, "classify") and not inference.reads_text
        return inference.classifier is not None or of_speech

    def encode(
        self,
        audio: Audio | Sequence[Audio],
        text: str | Sequence[str] | None = None,
        rate: int = SAMPLE_RATE,
    ) -> Any:
        """Return the aligned vectors, BERT's states and the tokens' times: an `Encoding` or a list.

        Args:
            audio, rate: as for `align`.
            text: transcripts, whose number of tokens is used; None: what the model hears.
        """
        texts = [text] if isinstance(text, str) else text
        return self._all(audio, self._recordings(audio, rate, texts), self.encode_batch, "encoding")

    def _all(self, audio, recordings: Sequence[Recording], function, task: str) -> Any:
        """Return a function's result for each recording; what cannot be read is an error."""
        found: dict[str, Any] = {}
        bar = task if len(recordings) > 1 else ""
        take = found.__setitem__
        skipped = process_all(recordings, function, take, self.batch_seconds, bar)
        return self._in_order(audio, recordings, found, skipped)

    def read_batch(self, recordings, speech) -> list[str]:
        """Return the texts of a batch, as `process_all` asks for them."""
        return self.read(speech)

    @cached_property
    def read(self) -> Callable[[Sequence[np.ndarray]], list[str]]:
        """What reads waveforms (S,) at 16 kHz: the recognizer and the letters, or the model."""
        if self.recognizer is None:
            return self.inference.read
        from espnet_wabert.inference.recognizer import load_network  # imports more transformers

        of = self.inference
        recognizer = load_network(self.recognizer, None, of.device, of.precision)
        return JointReader(of.reader, recognizer)

    def classify_batch(self, recordings, speech) -> Sequence[Classification | UserError]:
        """Return the sentiment of a batch, as `process_all` asks for it."""
        if self.inference.classifier is not None:
            return self.word_sentiment(speech)
        return self.inference.classify(speech, [r.utterance for r in recordings])

    @cached_property
    def word_sentiment(self) -> WordSentiment:
        """The text model that judges what this one reads; it is loaded when it is needed."""
        name, device = str(self.inference.classifier), self.inference.device
        classifier = WaBERTInference.from_pretrained(name, device)
        return WordSentiment(self.read, classifier)

    @torch.inference_mode()
    def encode_batch(self, recordings, speech) -> list[Encoding]:
        """Return the encodings of a batch, as `process_all` asks for them."""
        aligner, reader = self.inference.aligner, self.inference.reader
        encoded = aligner.encode(speech)
        texts = [recording.text for recording in recordings]
        known = all(texts)
        if not known and aligner.model.ctc_head is not None:
            read = reader.spell(encoded)  # a silent one has no letters
            texts, known = [text or own for text, own in zip(texts, read, strict=True)], True
        elif not known and any(texts):  # tokens of some are counted by their texts
            pairs = zip(recordings, speech, strict=True)
            return [self.encode_batch([one], [samples])[0] for one, samples in pairs]
        tokens = [
            encode_transcript(aligner.tokenizer, text).pieces if known else [] for text in texts
        ]
        counts = torch.tensor([len(row) for row in tokens], device=encoded.adapted.device)
        grafted = aligner.model.graft_adapted(*encoded.heard(), counts if known else None)
        edges = token_edges(grafted.fired, encoded.lengths, encoded.silence, encoded.paused)
        starts, ends = (aligner.model.frontend.encoder.seconds(edge) for edge in edges)
        rows = zip(
            tokens, grafted.aligned, grafted.hidden, starts, ends, grafted.lengths.tolist(),
            strict=True,
        )  # fmt: skip
        return [
            Encoding(pieces, *(x[:n].float().cpu().numpy() for x in (a, h, s.clamp(min=0), e)))
            for pieces, a, h, s, e, n in rows
        ]

    def _recordings(
        self, audio: Audio | Sequence[Audio], rate: int, texts: Sequence[str] | None = None
    ) -> list[Recording]:
        """Return recordings whose ids are their places in the list."""
        given: list[Any] = [audio] if _is_one(audio) else list(audio)  # type: ignore[arg-type]
        if texts is not None and len(texts) != len(given):
            raise UserError(f"{len(given)} recordings, but {len(texts)} transcripts")
        rows = zip(given, texts or repeat(None, len(given)), strict=True)
        return [_recording(str(at), one, rate, text) for at, (one, text) in enumerate(rows)]

    def _in_order(self, audio, recordings, found: dict, skipped: dict[str, str]) -> Any:
        """Return the results as the recordings were given; what was skipped is an error."""
        for utterance, reason in skipped.items():
            where = recordings[int(utterance)].path or f"recording {utterance}"
            raise UserError(f"{where}: {reason}")
        results = [found[recording.utterance] for recording in recordings]
        return results[0] if _is_one(audio) else results


def _is_one(audio: Any) -> bool:
    return not isinstance(audio, list | tuple)


def _recording(name: str, audio: Audio, rate: int, text: str | None) -> Recording:
    """Return one recording with its text.

    Raises:
        UserError: it cannot be read, or holds no samples of one recording.
    """
    if isinstance(audio, str | os.PathLike):
        return one_file(name, os.fspath(audio), text)
    if isinstance(audio, Mapping):
        if not {"array", "sampling_rate"} <= audio.keys():
            raise UserError(f"recording {name}: {sorted(audio)}: needs array and sampling_rate")
        return _recording(name, audio["array"], audio["sampling_rate"], text)
    if hasattr(audio, "read"):
        return from_stream(name, cast(IO[bytes], audio), text)
    if isinstance(audio, torch.Tensor):
        audio = audio.detach().cpu()
        audio = (audio.float() if audio.is_floating_point() else audio).numpy()
    if not isinstance(rate, int | float | np.number):
        raise UserError(f"recording {name}: rate {rate!r} is no number of samples per second")
    return from_samples(name, np.asarray(audio), rate, text)
