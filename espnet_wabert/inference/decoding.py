"""Decode a data folder into files: alignments and hypotheses, or sentiment.

A model is given as a function that returns it, for `workers` in other processes.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import kaldiio
import numpy as np

from espnet_wabert.alignment.aligner import Alignment
from espnet_wabert.constants import SAMPLE_RATE
from espnet_wabert.errors import UserError
from espnet_wabert.formats.audio import read_audio
from espnet_wabert.formats.kaldi import DataFolder, read_folder
from espnet_wabert.formats.lines import read_table, write_lines
from espnet_wabert.formats.words import write_ctm
from espnet_wabert.inference.api import Classification, WaBERTInference
from espnet_wabert.inference.reading import Transcription
from espnet_wabert.inference.recordings import SHORTEST
from espnet_wabert.modules.batching import length_batches
from espnet_wabert.workers.progress import progress
from espnet_wabert.workers.workers import HERE, Workers

# Returns a model; workers call it for each batch (`made_once`).
Model = Callable[[], WaBERTInference]
Recognizer = Callable[[Sequence[np.ndarray]], list[str]]  # of recognizer.py
TEXT_BINS = 4000  # characters per padded batch of transcripts


class SpeechBatch(NamedTuple):
    """Utterances that are computed together, where their speech is, and texts that belong to it."""

    utterances: list[str]
    places: list[str]  # audio files, or matrices in an ark
    cached: bool  # which of the two
    texts: list[str] | None = None

    def read(self) -> list[np.ndarray]:
        """Return waveforms (S,) or features (T, W)."""
        if self.cached:
            return [kaldiio.load_mat(place) for place in self.places]
        pairs = zip(self.utterances, self.places, strict=True)
        return [read_audio(place, utterance) for utterance, place in pairs]


class SpeechSource:
    """The speech of a data folder: its audio, or the features cached for it.

    Args:
        data: data folder.
        feats: folder of cached features; None or "": the audio.
    """

    def __init__(self, data: str | Path, feats: str | Path | None):
        self.folder: DataFolder = read_folder(data)
        self.cached = bool(feats)
        self.places = self.folder.wav
        if feats:
            scp = Path(feats) / "feats.scp"
            if not scp.is_file():
                raise UserError(f"{scp}: no such features; stage 10 caches them")
            self.places = read_table(scp)
            missing = sorted(u for u in self.folder.wav if u not in self.places)
            if missing:
                raise UserError(f"{scp}: {len(missing)} utterances are missing ({missing[0]}, ...)")

    def __getitem__(self, utterance: str) -> np.ndarray:
        return SpeechBatch([utterance], [self.places[utterance]], self.cached).read()[0]

    def batches(self, seconds: float, texts: dict[str, str] | None = None) -> list[SpeechBatch]:
        """Return batches of utterances, `seconds` of padded audio each, with their `texts`.

        They are the same, whoever computes them: padding can change the last bits of results.
        """
        samples = self.folder.samples
        if samples is None:
            raise UserError("the data folder lacks utt2num_samples; run format_wav (stage 3)")
        short = [u for u, n in samples.items() if n < SHORTEST]
        if short:
            raise UserError(
                f"utterance {short[0]}: {samples[short[0]]} samples, less than a frame; remove it"
                f" (filter_lengths, stage 4) ({len(short)} such utterances)"
            )
        groups = length_batches(samples, int(seconds * SAMPLE_RATE))
        return [self._batch(group, texts) for group in groups]

    def _batch(self, group: list[str], texts: dict[str, str] | None) -> SpeechBatch:
        lines = None if texts is None else [texts[u] for u in group]
        return SpeechBatch(group, [self.places[u] for u in group], self.cached, lines)


def _each(function: Callable, batches: Sequence[SpeechBatch], workers: Workers) -> Iterator:
    """Yield each batch with its result."""
    with progress(sum(len(batch.utterances) for batch in batches), "decoding") as bar:
        for batch, result in zip(batches, workers.map(function, batches), strict=True):
            yield batch, result
            bar.update(len(batch.utterances))


def align_batch(
    model: Model, batch: SpeechBatch
) -> tuple[list[Alignment], list[Transcription], list[str]]:
    """Align and transcribe a batch; return also the names of the methods (in a worker)."""
    inference = model()
    found = inference.align_and_transcribe(batch.read(), batch.texts or [])
    return *found, list(inference.aligner.methods)


def decode_alignment(
    model: Model, source: SpeechSource, out: Path, seconds: float, workers: Workers = HERE
) -> list[str]:
    """Align and transcribe every utterance; write words.METHOD.ctm, decoding.jsonl, hypothesis.

    Returns:
        The names of the files.
    """
    if source.folder.text is None:
        raise UserError("the data folder lacks text; alignment needs transcripts")
    words: dict[str, dict] = {}
    confidences: dict[str, dict] = {}
    entries = {}
    batches = source.batches(seconds, source.folder.text)
    failed: Counter[str] = Counter()
    for batch, results in _each(partial(align_batch, model), batches, workers):
        aligned, transcribed, methods = results
        for u, a, t in zip(batch.utterances, aligned, transcribed, strict=True):
            failed.update(method for method in methods if method not in a.by_method)
            for method, found in a.by_method.items():
                words.setdefault(method, {})[u] = found.words
                if found.word_confidences is not None:
                    confidences.setdefault(method, {})[u] = found.word_confidences
            entries[u] = dict(
                utt_id=u, tokens=a.tokens, nearest=a.nearest or [], top=a.top or [],
                predicted_length=t.predicted_length, length=len(a.tokens), hypothesis=t.text,
                recognized=t.top,
            )  # fmt: skip
    for path in out.glob("words.*.ctm"):  # another model may have had other methods
        path.unlink()
    for method, count in failed.items():
        print(f"{count} utterances have more tokens than frames: not aligned by {method}")
    for method, of_method in words.items():
        write_ctm(out / f"words.{method}.ctm", of_method, confidences.get(method))
    write_lines(out / "decoding.jsonl", [json.dumps(entries[u]) for u in sorted(entries)])
    write_lines(out / "hypothesis", [f"{u} {entries[u]['hypothesis']}" for u in sorted(entries)])
    return [*(f"words.{method}.ctm" for method in words), "decoding.jsonl", "hypothesis"]


def classify_batch(model: Model, batch: SpeechBatch) -> list[Classification]:
    """Classify the sentiment of a batch (in a worker)."""
    return model().classify(batch.read(), batch.utterances, batch.texts)


def decode_sentiment(
    model: Model,
    source: SpeechSource,
    out: Path,
    seconds: float,
    text: Path | None = None,
    workers: Workers = HERE,
) -> list[str]:
    """Classify every utterance; write `sentiment`: id, label, one probability per class.

    With a Kaldi `text`, BERT's states of its lines replace the aligner's tokens.
    """
    texts = None if text is None else read_table(text)
    missing = [] if texts is None else sorted(source.folder.wav.keys() - texts.keys())
    if missing:
        raise UserError(f"{text}: {len(missing)} utterances are missing ({missing[0]}, ...)")
    found: dict[str, Classification] = {}
    batches = source.batches(seconds, texts)
    for batch, results in _each(partial(classify_batch, model), batches, workers):
        found |= zip(batch.utterances, results, strict=True)
    return _write_sentiment(found, out)


def decode_text_sentiment(model: Model, text: Path, out: Path) -> list[str]:
    """Classify every line of a Kaldi `text`: transcripts, or the hypotheses of a recognizer."""
    texts = read_table(text)
    if not texts:
        raise UserError(f"{text}:1: is empty; it must have one utterance per line")
    found: dict[str, Classification] = {}
    for batch in length_batches({u: len(line) + 1 for u, line in texts.items()}, TEXT_BINS):
        found |= zip(batch, model().classify([texts[u] for u in batch], batch), strict=True)
    return _write_sentiment(found, out)


def transcribe_batch(recognizer: Callable[[], Recognizer], batch: SpeechBatch) -> list[str]:
    """Return the hypotheses of a batch (in a worker)."""
    return recognizer()(batch.read())


def transcribe(
    recognizer: Callable[[], Recognizer],
    source: SpeechSource,
    text: Path,
    seconds: float,
    workers: Workers = HERE,
) -> None:
    """Write the hypothesis of a recognizer for every utterance as a Kaldi `text`."""
    hypotheses: dict[str, str] = {}
    function = partial(transcribe_batch, recognizer)
    for batch, lines in _each(function, source.batches(seconds), workers):
        hypotheses |= zip(batch.utterances, lines, strict=True)
    write_lines(text, [f"{u} {hypotheses[u]}".rstrip() for u in sorted(hypotheses)])


def _write_sentiment(found: dict[str, Classification], out: Path) -> list[str]:
    lines = [
        " ".join([u, found[u].label, *(f"{score:.6f}" for score in found[u].scores)])
        for u in sorted(found)
    ]
    write_lines(out / "sentiment", lines)
    return ["sentiment"]
