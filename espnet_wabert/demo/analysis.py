"""What the page shows of a recording: alignments by all methods, weights, candidates, sentiment."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from espnet_wabert.alignment.aligner import Alignment, EncodedSpeech
from espnet_wabert.alignment.cif_method import token_edges
from espnet_wabert.constants import SAMPLE_RATE, SILENT
from espnet_wabert.errors import UserError
from espnet_wabert.formats.aligned_files import UtteranceAlignment
from espnet_wabert.inference.align_corpus import choose_method, of_method
from espnet_wabert.inference.api import Classification
from espnet_wabert.inference.pipeline import WaBERT
from espnet_wabert.inference.recordings import Recording, load, one_file
from espnet_wabert.plots.figures import Firing, firing
from espnet_wabert.text.transcript import encode_transcript
from espnet_wabert.text.wordpiece import Encoded

# Bounds on what one visitor can ask for. Fast speech has 20 letters per second.
LETTERS_PER_SECOND, SOME_LETTERS = 40, 100
MOST_SAMPLES = 2 * 192_000  # per second, of all channels


class Analysis(NamedTuple):
    """A recording and what the model found in it."""

    audio: np.ndarray  # (S,) at 16 kHz
    read: str | None  # the text that the model read; None: the transcript was given
    by_method: dict[str, UtteranceAlignment]  # the chosen method first
    limit: float  # transcripts with a lower confidence are in doubt
    word_limit: float  # words with a lower confidence are in doubt
    firing: Firing
    tokens: list[str]  # word pieces without [CLS] and [SEP]
    top: list[list[str]] | None  # most likely pieces of each token; None: no subword head
    sentiment: Classification | None  # None: the model has none
    notes: list[str]  # remarks, one sentence each

    @property
    def chosen(self) -> UtteranceAlignment:
        """The alignment by the chosen method."""
        return next(iter(self.by_method.values()))

    @property
    def doubted(self) -> bool:
        """Whether the transcript may be of another recording."""
        return self.chosen.confidence is not None and self.chosen.confidence < self.limit


class Analyzer:
    """Analyzes recordings with one model.

    Args:
        model: it aligns and reads.
        classifier: it classifies sentiment; None: `model` does, if it can.
        max_seconds: longer recordings are refused.

    Raises:
        UserError: the model cannot align, or `classifier` cannot classify.
    """

    def __init__(self, model: WaBERT, classifier: WaBERT | None = None, max_seconds: float = 60.0):
        self.model, self.max_seconds = model, max_seconds
        self.aligner = model.inference.aligner
        if classifier is not None and not classifier.classifies:
            raise UserError("the model for sentiment cannot classify recordings")
        self.classifier = classifier or (model if model.classifies else None)

    @property
    def methods(self) -> list[str]:
        """The alignment methods that the model has, the best first."""
        return list(self.aligner.methods)

    @torch.inference_mode()
    def __call__(self, path: str | Path, text: str = "", method: str | None = None) -> Analysis:
        """Analyze a recording.

        Args:
            path: of the audio, in any format.
            text: its transcript; without one the model reads it.
            method: one of `methods`; None: the best.

        Raises:
            UserError: it cannot be analyzed; the message has no folder of the server.
        """
        try:
            recording, audio = self._loaded(str(path))
        except UserError as error:
            reason = str(error).removeprefix("utterance recording: ")
            raise UserError(reason.replace(str(path), Path(path).name)) from error
        method = choose_method(self.model.inference, method)
        speech = self.aligner.encode([audio])
        read = None if text.split() else self._read(audio)
        encoded = self._encoded(read or text, recording.length)
        (aligned,) = self.aligner.align_encoded(speech, [encoded])
        found = _chosen_first(aligned, method, len(audio) / SAMPLE_RATE)
        best = next(iter(found))
        limits = self.aligner.min_confidence(best), self.aligner.min_word_confidence(best)
        seen = Analysis(
            audio, read, found, *limits, self._firing(speech, len(encoded.ids)),
            aligned.tokens[1:-1], aligned.top and aligned.top[1:-1], None,
            _notes(recording, encoded, aligned, method),
        )  # fmt: skip
        said = None if read is None and seen.doubted else " ".join(encoded.said)
        return seen._replace(sentiment=self._sentiment(audio, said))

    def _loaded(self, path: str) -> tuple[Recording, np.ndarray]:
        """Return a recording and its samples (S,) at 16 kHz, if it is neither long nor silent."""
        recording = one_file("recording", path, None)
        if recording.length > self.max_seconds:
            raise UserError(
                f"the recording has {recording.length:.1f} s; at most {self.max_seconds:g} s are"
                " analyzed here, `wabert align` takes any length"
            )
        assert recording.rate is not None  # of audio
        if recording.rate * recording.channels > MOST_SAMPLES:
            raise UserError(
                f"the recording has {recording.channels} channels at {recording.rate} Hz; at most"
                f" {MOST_SAMPLES} samples per second are analyzed here"
            )
        audio = load(recording)
        loudest = float(np.abs(audio).max(initial=0.0))
        if loudest < SILENT:
            raise UserError(f"the recording is silent: its largest sample is {loudest:.0e}")
        return recording, audio

    def _firing(self, speech: EncodedSpeech, count: int) -> Firing:
        """Return CIF's weights and the ends of `count` tokens; long pauses have no weight."""
        model = self.aligner.model
        counts = torch.tensor([count], device=speech.adapted.device)
        fired = model.encoder.fire(*speech.heard(), counts)
        weights = fired.weights.new_zeros(speech.paused.shape[1])
        weights[~speech.paused[0]] = fired.weights[0]
        _, ends = token_edges(fired, speech.lengths, speech.silence, speech.paused)
        return firing(model, weights, ends[0], int(speech.silence[0]))

    def _sentiment(self, audio: np.ndarray, said: str | None) -> Classification | None:
        """Return the sentiment of samples (S,); None: no classifier, or it hears no words.

        An aligned model judges `said`, the words of the recording; None: it reads them.
        """
        if self.classifier is self.model:
            texts = self.model.read([audio]) if said is None else [said]
            (found,) = self.model.word_sentiment.of_texts(texts)
            return found if isinstance(found, Classification) else None
        try:
            return self.classifier.sentiment(audio) if self.classifier else None
        except UserError:
            return None

    def _read(self, audio: np.ndarray) -> str:
        """Return the text of samples (S,).

        Raises:
            UserError: no word was heard.
        """
        (text,) = self.model.read([audio])
        if not text.split():
            raise UserError("no word was heard in the recording; with a transcript it is aligned")
        return text

    def _encoded(self, text: str, seconds: float) -> Encoded:
        """Return the word pieces of a transcript that may belong to `seconds` of speech."""
        most = int(SOME_LETTERS + LETTERS_PER_SECOND * seconds)
        if len(text) > most:
            raise UserError(
                f"the transcript has {len(text)} characters; {seconds:.1f} s of speech have at"
                f" most {most}"
            )
        encoded = encode_transcript(self.aligner.tokenizer, text)
        if len(encoded.ids) == 2:
            raise UserError(f"the transcript has no spoken word: {text.strip()[:40]!r}")
        return encoded


def _chosen_first(
    aligned: Alignment, method: str, duration: float
) -> dict[str, UtteranceAlignment]:
    """Return the alignment of each method, `method` first; cif if `method` has none."""
    first = method if method in aligned.by_method else "cif"
    names = sorted(aligned.by_method, key=lambda name: name != first)
    return {name: of_method(aligned, name, duration) for name in names}


def _notes(recording: Recording, encoded: Encoded, aligned: Alignment, method: str) -> list[str]:
    """Return what the user should know about the input."""
    notes = []
    if recording.channels > 1:
        notes.append(f"The mean of the {recording.channels} channels is used.")
    unknown = encoded.pieces.count("[UNK]")
    if unknown:
        notes.append(f"Words outside the vocabulary: {unknown}.")
    if method not in aligned.by_method:
        notes.append(f"The recording is too short for {method} and its text; cif aligned it.")
    return notes
