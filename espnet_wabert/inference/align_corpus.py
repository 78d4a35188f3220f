"""Align many recordings with one model: batches of like length, nothing lost without a word."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from espnet_wabert.alignment.aligner import Aligner, Alignment
from espnet_wabert.errors import UserError, last_line
from espnet_wabert.formats.aligned_files import UtteranceAlignment
from espnet_wabert.formats.lines import name_some
from espnet_wabert.formats.word import Word
from espnet_wabert.inference.api import WaBERTInference
from espnet_wabert.inference.recordings import RATE, Recording, load
from espnet_wabert.modules.batching import length_batches
from espnet_wabert.text.transcript import spoken
from espnet_wabert.text.wordpiece import Encoded

# Mean confidences, by reading, below which a transcript may be another recording's: on unseen
# voices of the embedded corpus 95 % of right transcripts lie above, 95 % of wrong ones below.
DOUBTFUL = {"grapheme": 0.25, "similarity": 0.24, "cif": 0.19}
DOUBTFUL_HEAD = 0.12  # for CIF's reading without a teacher, whose confidence is a probability
CELLS = 1 << 30  # frames x tokens at most: some 45 minutes of speech, 12 GB


class AlignmentSummary(NamedTuple):
    """How the alignment of a list went."""

    count: int  # utterances aligned
    skipped: dict[str, str]  # utterance id -> reason
    notes: list[str]  # one line each


def align_all(
    inference: WaBERTInference,
    recordings: Sequence[Recording],
    on_result: Callable[[str, UtteranceAlignment], None],
    reading: str | None = None,
    batch_seconds: float = 60.0,
    doubtful: float | None = None,
    bar: bool = True,
) -> AlignmentSummary:
    """Align recordings and hand each one's words to `on_result`, in batches of like length.

    Args:
        inference: a trained model.
        recordings: with their transcripts.
        on_result: is called with the utterance and its words.
        reading: one of those the model offers; None for the best. Utterances with more tokens
            than frames have CIF's reading only.
        batch_seconds: of audio in a batch, padding counted.
        doubtful: mean confidence below which an utterance is named; None for the reading's own.
        bar: show progress.
    """
    run = _Run(inference.aligner, chosen_reading(inference, reading), on_result)
    lengths = {r.utterance: _seconds(r, inference) for r in recordings}
    by_id = {r.utterance: r for r in recordings}
    groups = [[by_id[u] for u in group] for group in length_batches(lengths, batch_seconds)]
    with tqdm(total=len(recordings), desc="aligning", unit="utt", disable=not bar) as progress:
        for group, loaded in _ahead(groups):
            run.batch(group, loaded)
            progress.update(len(group))
    return AlignmentSummary(len(run.confidences), run.skipped, run.notes(doubtful))


def chosen_reading(inference: WaBERTInference, name: str | None) -> str:
    """Return the name of the reading to write, the best without a wish."""
    if inference.aligner is None:
        raise UserError(f"a {inference.args.model!r} model cannot align speech with text")
    names = inference.aligner.names()
    if name is not None and name not in names:
        teacher = inference.model.teacher is not None
        lacks = "" if teacher else "; it was packed without its teacher"
        raise UserError(f"--reading {name}: this model offers {', '.join(names)}{lacks}")
    return name or names[0]


def encode_spoken(aligner: Aligner, text: str) -> Encoded:
    """Return the pieces of what is said of a transcript, with the words as they are written."""
    words = text.split()
    return aligner.pieces.encode_words([spoken(word) for word in words])._replace(words=words)


class _Run:
    """Aligns batches and counts."""

    def __init__(
        self, aligner: Aligner, reading: str, on_result: Callable[[str, UtteranceAlignment], None]
    ):
        self.aligner, self.reading, self.on_result = aligner, reading, on_result
        self.skipped: dict[str, str] = {}
        self.confidences: dict[str, tuple[float | None, str]] = {}  # and the reading
        self.dense: list[str] = []  # read by CIF for want of frames
        self.unknown: dict[str, int] = {}  # words outside the vocabulary

    def batch(self, group: Sequence[Recording], loaded: Sequence[np.ndarray | UserError]) -> None:
        kept = []
        for recording, speech in zip(group, loaded):
            encoded = encode_spoken(self.aligner, recording.text)
            reason = self._refused(speech, encoded, recording)
            if reason:
                self.skipped[recording.utterance] = reason
            else:
                kept.append((recording.utterance, speech, encoded))
        if kept:
            names, speech, transcripts = zip(*kept)
            found = self.aligner(speech, transcripts, [self.reading], candidates=False)
            for utterance, audio, encoded, aligned in zip(names, speech, transcripts, found):
                self._take(utterance, encoded, aligned, self._duration(audio))

    def _refused(self, speech, encoded: Encoded, recording: Recording) -> str | None:
        """Return why an utterance cannot be aligned."""
        if isinstance(speech, UserError):
            return last_line(speech).removeprefix(f"utterance {recording.utterance}: ")
        if len(encoded.ids) == 2:
            return f"nothing in its transcript is said: {recording.text[:40]!r}"
        if not np.isfinite(speech).all():
            return f"{recording.path}: samples that are not finite numbers"
        frames = self._duration(speech) * 50
        if frames * len(encoded.ids) > CELLS:
            return f"{frames / 50:.0f} s with {len(encoded.words)} words at once; cut it"
        return None

    def _duration(self, speech: np.ndarray) -> float:
        """Return seconds of samples (S,) or features (T, D)."""
        return _hop(self.aligner) * len(speech) if speech.ndim == 2 else len(speech) / RATE

    def _take(self, utterance: str, encoded: Encoded, aligned: Alignment, duration: float) -> None:
        name = self.reading if self.reading in aligned.timed else "cif"
        if name != self.reading:
            self.dense.append(utterance)
        unknown = encoded.pieces.count("[UNK]")
        if unknown:
            self.unknown[utterance] = unknown
        timed = aligned.timed[name]
        inner = slice(1, -1)  # [CLS] and [SEP] are no part of the transcript
        times = zip(aligned.tokens[inner], timed.starts[inner], timed.ends[inner])
        subwords = [Word(token, start, end) for token, start, end in times]
        of_subwords = None if timed.confidences is None else timed.confidences[inner]
        # Rounding may put the last frame's end some milliseconds behind the audio's.
        words = [
            w._replace(start=min(w.start, duration), end=min(w.end, duration)) for w in timed.words
        ]
        subwords = [
            w._replace(start=min(w.start, duration), end=min(w.end, duration)) for w in subwords
        ]
        self.confidences[utterance] = (timed.confidence, name)
        self.on_result(utterance, UtteranceAlignment(
            words, subwords, timed.word_confidences, of_subwords, timed.confidence, name,
            aligned.predicted_length, duration,
        ))  # fmt: skip

    def _limit(self, reading: str) -> float:
        if reading == "cif" and self.aligner.model.teacher is None:
            return DOUBTFUL_HEAD
        return DOUBTFUL.get(reading, 0.0)

    def notes(self, doubtful: float | None) -> list[str]:
        """Return what the user should know, a line each."""
        notes = []
        if self.aligner.names() == ["cif"]:
            notes.append(
                "this model was packed without its teacher, so that only CIF's weights are read;"
                " pack it with --with_teacher for the better reading by similarity"
            )
        if self.dense:
            notes.append(
                f"{len(self.dense)} utterances have too few frames for their text and were read by"
                f" CIF: {name_some(self.dense)}"
            )
        if self.unknown:
            count = sum(self.unknown.values())
            notes.append(f"{count} words are outside the vocabulary, in {name_some(self.unknown)}")
        low = {
            u: confidence
            for u, (confidence, name) in self.confidences.items()
            if confidence is not None
            and confidence < (self._limit(name) if doubtful is None else doubtful)
        }
        if low:
            shown = name_some([f"{u} ({c:.2f})" for u, c in low.items()])
            notes.append(
                f"warning: {len(low)} of {len(self.confidences)} utterances have a mean confidence"
                f" so low that the transcript may not belong to the recording: {shown}"
            )
        return notes


def _hop(aligner: Aligner) -> float:
    """Return the seconds from frame to frame."""
    seconds = aligner.model.frontend.encoder.seconds
    return float(seconds(1.0) - seconds(0.0))


def _seconds(recording: Recording, inference: WaBERTInference) -> float:
    return recording.length * (_hop(inference.aligner) if recording.rate is None else 1.0)


def _ahead(groups: Sequence[list[Recording]]) -> Iterator[tuple[list[Recording], list]]:
    """Yield each group with its speech; the next one is read meanwhile."""
    with ThreadPoolExecutor(1) as pool:
        coming = None
        for index, group in enumerate(groups):
            loaded = (coming or pool.submit(_load_group, group)).result()
            coming = pool.submit(_load_group, groups[index + 1]) if groups[index + 1 :] else None
            yield group, loaded


def _load_group(group: list[Recording]) -> list[np.ndarray | UserError]:
    """Return the speech of each recording, or what is wrong with it."""
    found: list[np.ndarray | UserError] = []
    for recording in group:
        try:
            found.append(load(recording))
        except UserError as error:
            found.append(error)
    return found
