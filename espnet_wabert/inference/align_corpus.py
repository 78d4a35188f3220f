"""Align many recordings with one model, in batches of similar length."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from espnet_wabert.alignment.aligner import Aligner, Alignment
from espnet_wabert.alignment.long_transcript import Parts, align_in_parts
from espnet_wabert.alignment.transcript_ends import align_common
from espnet_wabert.constants import SAMPLE_RATE
from espnet_wabert.errors import UserError, last_line
from espnet_wabert.formats.aligned_files import UtteranceAlignment
from espnet_wabert.formats.lines import name_some
from espnet_wabert.formats.word import Word
from espnet_wabert.inference.api import WaBERTInference
from espnet_wabert.inference.loading import each_or_error, loaded_batches
from espnet_wabert.inference.recordings import Recording
from espnet_wabert.text.transcript import encode_transcript
from espnet_wabert.text.wordpiece import Encoded

CELLS = 1 << 27  # frames x tokens at once: 15 minutes of speech; more is aligned in parts
DENSEST = 200  # tokens per second of speech; nobody says a tenth of them


class AlignmentSummary(NamedTuple):
    """Result of the alignment of many recordings."""

    aligned: int  # number of aligned utterances
    skipped: dict[str, str]  # utterance id -> reason
    notes: list[str]  # warnings and remarks, one line each
    low: dict[str, float]  # utterances with a low confidence


def align_all(
    inference: WaBERTInference,
    recordings: Sequence[Recording],
    on_result: Callable[[str, UtteranceAlignment], None],
    method: str | None = None,
    batch_seconds: float = 60.0,
    min_confidence: float | None = None,
    bar: bool = True,
    skipped: dict[str, str] | None = None,
) -> AlignmentSummary:
    """Align recordings and call `on_result` with the words of each.

    Args:
        inference: a trained model.
        recordings: recordings with their transcripts.
        on_result: gets the utterance id and its alignment.
        method: one that the model has; None: the best. Utterances with more tokens than frames
            are aligned by `cif`.
        batch_seconds: padded audio per batch.
        min_confidence: utterances with a lower confidence are named; None: the method's own.
        bar: show progress.
        skipped: gets what the summary has as `skipped`, for a caller that an interruption reaches
            instead of the summary; None: a new one.

    Raises:
        UserError: some recordings are audio, and others cached features.
    """
    if len({recording.rate is None for recording in recordings}) > 1:
        raise UserError("the list has audio and cached features; align them apart")
    run = _Run(inference.aligner, choose_method(inference, method), on_result)
    if skipped is not None:
        run.skipped = skipped
    with tqdm(total=len(recordings), desc="aligning", unit="utt", disable=not bar) as progress:
        for group, loaded in loaded_batches(recordings, batch_seconds, inference.aligner.hop):
            run.batch(group, loaded)
            progress.update(len(group))
    low = run.low(min_confidence)
    return AlignmentSummary(len(run.confidences), run.skipped, run.notes(low), low)


def choose_method(inference: WaBERTInference, name: str | None) -> str:
    """Return the name of the method to use; None chooses the best that the model has."""
    names = list(inference.aligner.methods)
    if name is not None and name not in names:
        teacher = inference.aligner.model.teacher is not None
        missing = "" if teacher else "; it was packed without its teacher"
        raise UserError(f"--method {name}: this model has {', '.join(names)}{missing}")
    return name or names[0]


def of_method(aligned: Alignment, method: str, duration: float) -> UtteranceAlignment:
    """Return the words and subwords that one method has placed in `duration` seconds."""
    timed = aligned.by_method[method]
    inner = slice(1, -1)  # without [CLS] and [SEP]
    times = zip(aligned.tokens[inner], timed.starts[inner], timed.ends[inner], strict=True)
    subwords = [Word(token, start, end) for token, start, end in times]
    of_subwords = None if timed.confidences is None else timed.confidences[inner]
    # The last frame may end some milliseconds after the audio.
    words, subwords = (
        [w._replace(start=min(w.start, duration), end=min(w.end, duration)) for w in row]
        for row in (timed.words, subwords)
    )
    return UtteranceAlignment(
        words, subwords, timed.word_confidences, of_subwords, timed.confidence, method,
        aligned.predicted_length, duration,
    )  # fmt: skip


class _Run:
    """Aligns batches and collects what the user should know."""

    def __init__(
        self, aligner: Aligner, method: str, on_result: Callable[[str, UtteranceAlignment], None]
    ):
        self.aligner, self.method, self.on_result = aligner, method, on_result
        self.skipped: dict[str, str] = {}
        self.confidences: dict[str, tuple[float | None, str]] = {}  # and the method
        self.ends: list[str] = []  # remarks on transcripts that begin or end differently
        self.dense: list[str] = []  # aligned by CIF because they have too few frames
        self.unknown: dict[str, int] = {}  # number of words outside the vocabulary
        self.empty: dict[str, int] = {}  # number of words, but punctuation, without word pieces

    def batch(self, group: Sequence[Recording], loaded: Sequence[np.ndarray | UserError]) -> None:
        """Align a batch; skip what cannot be aligned."""
        kept: list[tuple[str, Any, Encoded]] = []
        for recording, speech in zip(group, loaded, strict=True):
            encoded = encode_transcript(self.aligner.tokenizer, recording.text)
            reason = self._refused(speech, encoded, recording)
            if reason:
                self.skipped[recording.utterance] = reason
            elif self._cells(speech, encoded) > CELLS:
                self._long(recording.utterance, speech, encoded)
            else:
                kept.append((recording.utterance, speech, encoded))
        for one, aligned in zip(kept, each_or_error(self._align, kept), strict=True):
            utterance, audio, encoded = one
            if isinstance(aligned, UserError):
                self.skipped[utterance] = last_line(aligned)
                continue
            if self._doubted(aligned):
                aligned = self._without_ends(utterance, audio, encoded) or aligned
            self._take(utterance, encoded, aligned, self._duration(audio))

    def _align(self, kept: Sequence[tuple[str, Any, Encoded]]) -> list[Alignment]:
        _, speech, transcripts = zip(*kept, strict=True)
        return self.aligner(speech, transcripts, [self.method], predictions=False)

    def _refused(self, speech, encoded: Encoded, recording: Recording) -> str | None:
        """Return why an utterance cannot be aligned."""
        if isinstance(speech, UserError):
            return last_line(speech).removeprefix(f"utterance {recording.utterance}: ")
        if len(encoded.ids) == 2:
            return f"its transcript has no spoken word: {recording.text[:40]!r}"
        if not np.isfinite(speech).all():
            return f"{recording.path}: samples that are not finite numbers"
        if len(encoded.ids) > DENSEST * max(self._duration(speech), 1.0):
            return f"{self._size(speech, encoded)}: its transcript is another's"
        if self._cells(speech, encoded) > CELLS and self.aligner.model.ctc_head is None:
            return f"{self._size(speech, encoded)} at once; cut it: this model reads no letters"
        return None

    def _cells(self, speech, encoded: Encoded) -> float:
        return self._duration(speech) / self.aligner.hop * len(encoded.ids)

    def _size(self, speech, encoded: Encoded) -> str:
        return f"{self._duration(speech):.0f} s with {len(encoded.words)} words"

    def _long(self, utterance: str, speech, encoded: Encoded) -> None:
        """Align a recording that is too long to be aligned at once."""
        found = align_in_parts(self._parts(speech, encoded))
        if found is None:
            size = self._size(speech, encoded)
            reason = f"{size}, of which too few are heard: its transcript may be another's"
            self.skipped[utterance] = reason
        else:
            self._take(utterance, encoded, found, self._duration(speech))

    def _parts(self, speech: np.ndarray, encoded: Encoded) -> Parts:
        return Parts(self.aligner, speech, encoded, self.method, CELLS)

    def _doubted(self, aligned: Alignment) -> bool:
        """Return whether the letters that are read speak against a transcript, or are too few."""
        if self.aligner.model.ctc_head is None:
            return False
        timed = aligned.by_method.get(self.method)
        limit = self.aligner.min_confidence(self.method)
        return timed is None or timed.by_ctc is None or timed.by_ctc < limit

    def _without_ends(self, utterance: str, speech, encoded: Encoded) -> Alignment | None:
        """Align a transcript in doubt without the words and the speech that only its ends have."""
        found = align_common(self._parts(speech, encoded))
        if found is None:
            return None
        words, start, end = found.unheard, found.start, found.end
        self.ends.append(
            f"utterance {utterance}: its transcript and the recording begin or end differently:"
            f" {words} words are not heard (confidence 0), and {start:.1f} s at the start and"
            f" {end:.1f} s at the end have no words"
        )
        return found.aligned

    def _duration(self, speech: np.ndarray) -> float:
        """Return seconds of samples (S,) or features (T, D)."""
        return self.aligner.hop * len(speech) if speech.ndim == 2 else len(speech) / SAMPLE_RATE

    def _take(self, utterance: str, encoded: Encoded, aligned: Alignment, duration: float) -> None:
        name = self.method if self.method in aligned.by_method else "cif"
        if name != self.method:
            self.dense.append(utterance)
        unknown = encoded.pieces.count("[UNK]")
        if unknown:
            self.unknown[utterance] = unknown
        empty = sum(bool(w) and n not in encoded.word_index for n, w in enumerate(encoded.said))
        if empty:
            self.empty[utterance] = empty
        found = of_method(aligned, name, duration)
        self.confidences[utterance] = (found.confidence, name)
        self.on_result(utterance, found)

    def low(self, min_confidence: float | None) -> dict[str, float]:
        """Return the confidences below the limit; None: that of the method."""
        low = {}
        for utterance, (confidence, name) in sorted(self.confidences.items()):
            limit = self.aligner.min_confidence(name) if min_confidence is None else min_confidence
            if confidence is not None and confidence < limit:
                low[utterance] = confidence
        return low

    def notes(self, low: dict[str, float]) -> list[str]:
        """Return what the user should know, one line each."""
        notes = []
        if list(self.aligner.methods) == ["cif"]:
            notes.append(
                "this model was packed without its teacher and aligns by cif only; pack it with"
                " --with_teacher true for the better method similarity"
            )
        notes += self.ends
        if self.dense:
            notes.append(
                f"{len(self.dense)} utterances have too few frames for their text and were aligned"
                f" by cif: {name_some(self.dense)}"
            )
        if self.unknown:
            count = sum(self.unknown.values())
            notes.append(f"{count} words are outside the vocabulary, in {name_some(self.unknown)}")
        if self.empty:
            count = sum(self.empty.values())
            notes.append(f"{count} words have no letters and no time, in {name_some(self.empty)}")
        if low:
            shown = name_some([f"{u} ({c:.2f})" for u, c in low.items()])
            notes.append(
                f"warning: {len(low)} of {len(self.confidences)} utterances have a low"
                f" confidence: the transcript may not belong to the recording: {shown}"
            )
        return notes
