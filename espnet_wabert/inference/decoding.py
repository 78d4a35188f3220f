"""Decode a data folder into files: alignments and hypotheses, or sentiment."""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import kaldiio
import numpy as np
from tqdm import tqdm

from espnet_wabert.constants import SAMPLE_RATE
from espnet_wabert.errors import UserError
from espnet_wabert.formats.audio import read_audio
from espnet_wabert.formats.kaldi import DataFolder, read_folder
from espnet_wabert.formats.lines import read_table, write_atomically
from espnet_wabert.formats.words import write_ctm
from espnet_wabert.inference.api import Classification, WaBERTInference
from espnet_wabert.modules.batching import length_batches

SHORTEST = 400  # samples: the receptive field of a frame
Recognizer = Callable[[Sequence[np.ndarray]], list[str]]  # of recognizer.py
TEXT_BINS = 4000  # characters per padded batch of transcripts


class SpeechSource:
    """The speech of a data folder: its audio, or the features cached for it.

    Args:
        data: data folder.
        feats: folder of cached features; None or "": the audio.
    """

    def __init__(self, data: str | Path, feats: str | Path | None):
        self.folder: DataFolder = read_folder(data)
        self.matrices = None
        if feats:
            scp = Path(feats) / "feats.scp"
            if not scp.is_file():
                raise UserError(f"{scp}: no such features; stage 10 caches them")
            self.matrices = kaldiio.load_scp(str(scp))
            missing = sorted(u for u in self.folder.wav if u not in self.matrices)
            if missing:
                raise UserError(f"{scp}: {len(missing)} utterances are missing ({missing[0]}, ...)")

    def __getitem__(self, utterance: str) -> np.ndarray:
        if self.matrices is not None:
            return self.matrices[utterance]
        return read_audio(self.folder.wav[utterance], utterance)

    def batches(self, seconds: float) -> Iterator[tuple[list[str], list[np.ndarray]]]:
        """Yield batches of utterances with their speech, `seconds` of padded audio each."""
        samples = self.folder.samples
        if samples is None:
            raise UserError("the data folder lacks utt2num_samples; run format_wav (stage 3)")
        short = [u for u, n in samples.items() if n < SHORTEST]
        if short:
            raise UserError(
                f"utterance {short[0]}: {samples[short[0]]} samples, less than a frame; remove it"
                f" (filter_lengths, stage 4) ({len(short)} such utterances)"
            )
        with tqdm(total=len(samples), desc="decoding", unit="utt") as bar:
            for batch in length_batches(samples, int(seconds * SAMPLE_RATE)):
                yield batch, [self[u] for u in batch]
                bar.update(len(batch))


def decode_alignment(
    model: WaBERTInference, source: SpeechSource, out: Path, seconds: float
) -> list[str]:
    """Align and transcribe every utterance; write words.METHOD.ctm, decoding.jsonl, hypothesis.

    Returns:
        The names of the files.
    """
    texts = source.folder.text
    if texts is None:
        raise UserError("the data folder lacks text; alignment needs transcripts")
    words: dict[str, dict] = {}
    confidences: dict[str, dict] = {}
    entries = {}
    for batch, speech in source.batches(seconds):
        aligned, transcribed = model.align_and_transcribe(speech, [texts[u] for u in batch])
        for u, a, t in zip(batch, aligned, transcribed, strict=True):
            for method, found in a.by_method.items():
                words.setdefault(method, {})[u] = found.words
                if found.word_confidences is not None:
                    confidences.setdefault(method, {})[u] = found.word_confidences
            entries[u] = dict(
                utt_id=u, tokens=a.tokens, nearest=a.nearest or [], top=a.top or [],
                predicted_length=t.predicted_length, length=len(a.tokens), hypothesis=t.text,
                recognized=t.top,
            )  # fmt: skip
    out.mkdir(parents=True, exist_ok=True)
    dense = len(entries) - len(words.get("similarity", entries))
    if dense:
        print(f"{dense} utterances have more tokens than frames: not aligned by similarity")
    for method, of_method in words.items():
        write_ctm(out / f"words.{method}.ctm", of_method, confidences.get(method))
    _write(out / "decoding.jsonl", [json.dumps(entries[u]) for u in sorted(entries)])
    _write(out / "hypothesis", [f"{u} {entries[u]['hypothesis']}" for u in sorted(entries)])
    return [*(f"words.{method}.ctm" for method in words), "decoding.jsonl", "hypothesis"]


def decode_sentiment(
    model: WaBERTInference,
    source: SpeechSource,
    out: Path,
    seconds: float,
    text: Path | None = None,
) -> list[str]:
    """Classify every utterance; write `sentiment`: id, label, one probability per class.

    With a Kaldi `text`, BERT's states of its lines replace the aligner's tokens.
    """
    texts = None if text is None else read_table(text)
    missing = [] if texts is None else sorted(source.folder.wav.keys() - texts.keys())
    if missing:
        raise UserError(f"{text}: {len(missing)} utterances are missing ({missing[0]}, ...)")
    found: dict[str, Classification] = {}
    for batch, speech in source.batches(seconds):
        transcripts = None if texts is None else [texts[u] for u in batch]
        found |= zip(batch, model.classify(speech, batch, transcripts), strict=True)
    return _write_sentiment(found, out)


def decode_text_sentiment(model: WaBERTInference, text: Path, out: Path) -> list[str]:
    """Classify every line of a Kaldi `text`: transcripts, or the hypotheses of a recognizer."""
    texts = read_table(text)
    if not texts:
        raise UserError(f"{text}:1: is empty; it must have one utterance per line")
    found: dict[str, Classification] = {}
    for batch in length_batches({u: len(line) + 1 for u, line in texts.items()}, TEXT_BINS):
        found |= zip(batch, model.classify([texts[u] for u in batch], batch), strict=True)
    return _write_sentiment(found, out)


def transcribe(recognizer: Recognizer, source: SpeechSource, text: Path, seconds: float) -> None:
    """Write the hypothesis of a recognizer for every utterance as a Kaldi `text`."""
    hypotheses: dict[str, str] = {}
    for batch, speech in source.batches(seconds):
        hypotheses |= zip(batch, recognizer(speech), strict=True)
    text.parent.mkdir(parents=True, exist_ok=True)
    _write(text, [f"{u} {hypotheses[u]}".rstrip() for u in sorted(hypotheses)])


def _write_sentiment(found: dict[str, Classification], out: Path) -> list[str]:
    out.mkdir(parents=True, exist_ok=True)
    lines = [
        " ".join([u, found[u].label, *(f"{score:.6f}" for score in found[u].scores)])
        for u in sorted(found)
    ]
    _write(out / "sentiment", lines)
    return ["sentiment"]


def _write(path: Path, lines: list[str]) -> None:
    write_atomically(path, "".join(f"{line}\n" for line in lines))
