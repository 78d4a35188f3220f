"""Forced alignment from audio files: `wabert align` beside other aligners, and what each costs.

    python benchmarks/aligners.py --data exp/mini/librispeech_wabert/dump/raw/dev_clean

The recordings of a data folder with known word times are aligned as they are, and joined to about
28 s. Every system reads the audio files, and has loaded its model and aligned something before.
The systems take turns; the machine's noise is between the minimum and the maximum. The audio per
second of CPU (of the best repetition) depends less on what else runs, if threads wait asleep:
OMP_WAIT_POLICY=passive. Only utterances that a system can align count for its error.

- `wabert align`: the command's own work, with its files; also one recording at a time.
- `letters`: torchaudio's `forced_align` on the letters of the same encoder and CTC head.
- `pocketsphinx`: a GMM-HMM with a pronunciation dictionary; it uses one thread.
- `Whisper's attention`: the cross-attention of the transcript's tokens and dynamic time warping, as
  whisper-timestamped and Whisper's own word times, with the weights of the package (tiny.en). It
  hears 30 s, however short a recording is.
"""

import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import click
import numpy as np
import soundfile
import torch
from describe import describe, save, spread
from numba import njit
from torchaudio.functional import forced_align, merge_tokens
from transformers import (
    WhisperFeatureExtractor,
    WhisperForConditionalGeneration,
    WhisperTokenizer,
)
from transformers.models.whisper import generation_whisper

from espnet_wabert.alignment.pocketsphinx_aligner import NotAlignedError, PocketsphinxAligner
from espnet_wabert.alignment.spans import within
from espnet_wabert.box.encoders import WHISPER
from espnet_wabert.box.files import encoder_folder
from espnet_wabert.box.whisper import END, NO_TIMESTAMPS, START
from espnet_wabert.constants import SAMPLE_RATE
from espnet_wabert.formats.aligned_files import Writer
from espnet_wabert.formats.audio import read_audio
from espnet_wabert.formats.lines import read_table
from espnet_wabert.formats.word import Word
from espnet_wabert.formats.words import read_words
from espnet_wabert.inference.align_corpus import align_all
from espnet_wabert.inference.api import WaBERTInference
from espnet_wabert.inference.loading import loaded_batches
from espnet_wabert.inference.recordings import many_recordings
from espnet_wabert.modules.ctc_head import BLANK, LETTERS, SPACE
from espnet_wabert.scoring.boundaries import score_boundaries

ROOT = Path(__file__).resolve().parent.parent
PAUSE = 0.3  # seconds between recordings that are joined
KINDS = ("textgrid", "ctm", "json")  # what `wabert align` writes
BATCH_SECONDS = 60.0  # its default


class Utterance(NamedTuple):
    """A recording, its transcript and when its words are said."""

    name: str
    path: str
    text: str
    words: list[Word]


Aligned = dict[str, list[Word]]  # by utterance
System = Callable[[list[Utterance]], Aligned]


def joined(data: Path, seconds: float) -> Iterator[tuple[np.ndarray, str, list[Word]]]:
    """Yield recordings, one after another, of at most `seconds` (0: each alone)."""
    wav, text, times = (
        read_table(data / "wav.scp"),
        read_table(data / "text"),
        read_words(data / "words.ctm"),
    )
    pause = np.zeros(int(PAUSE * SAMPLE_RATE), np.float32)
    samples, texts, words = np.zeros(0, np.float32), [], []
    for name in sorted(wav.keys() & text.keys() & times.keys()):
        own = read_audio(wav[name], name)
        if texts and len(samples) + len(own) > seconds * SAMPLE_RATE:
            yield samples[: -len(pause)], " ".join(texts), words
            samples, texts, words = samples[:0], [], []
        at = len(samples) / SAMPLE_RATE
        words = words + [Word(w.word, at + w.start, at + w.end) for w in times[name]]
        samples, texts = np.concatenate([samples, own, pause]), [*texts, text[name]]
    yield samples[: -len(pause)], " ".join(texts), words


def write(data: Path, seconds: float, folder: Path) -> list[Utterance]:
    """Write the recordings below `folder`, with a wav.scp and a text."""
    found = []
    for number, (samples, text, words) in enumerate(joined(data, seconds)):
        path = folder / f"u{number:04}.wav"
        soundfile.write(path, samples, SAMPLE_RATE)
        found.append(Utterance(path.stem, str(path), text, words))
    (folder / "wav.scp").write_text("".join(f"{u.name} {u.path}\n" for u in found))
    (folder / "text").write_text("".join(f"{u.name} {u.text}\n" for u in found))
    return found


def recordings_of(utterances: list[Utterance]):
    """The recordings as `wabert align` finds them."""
    folder = Path(utterances[0].path).parent
    names = {u.name for u in utterances}
    given = many_recordings(str(folder / "wav.scp"), str(folder / "text")).recordings
    return [one for one in given if one.utterance in names]


def wabert(model: WaBERTInference, batch_seconds: float, utterances: list[Utterance]) -> Aligned:
    """Do what `wabert align` does after loading the model."""
    with tempfile.TemporaryDirectory() as out:
        writer = Writer(Path(out), KINDS, "box")
        recordings = recordings_of(utterances)
        align_all(model, recordings, writer.add, None, batch_seconds, bar=False)
        writer.close()
        return {name: found.words for name, found in writer.found.items()}


@torch.inference_mode()
def letters(model: WaBERTInference, utterances: list[Utterance]) -> Aligned:
    """Align the letters of the same encoder and head by torchaudio, in the batches of `wabert`."""
    aligner, found = model.aligner, {}
    assert aligner.model.ctc_head is not None
    seconds = aligner.model.frontend.encoder.seconds
    for group, speech in loaded_batches(recordings_of(utterances), BATCH_SECONDS):
        encoded = aligner.encode(speech)
        lengths, silence = encoded.lengths, encoded.silence
        log_p = aligner.model.ctc_head(encoded.adapted)
        own_lengths = lengths - 2 * silence
        for at, (one, row, count) in enumerate(zip(group, log_p, lengths.tolist(), strict=True)):
            text = " ".join(one.text.lower().split())
            symbols = [1 + LETTERS.index(letter) for letter in text if letter in LETTERS]
            path, scores = forced_align(row[None, :count], torch.tensor([symbols]), blank=BLANK)
            spans = iter(merge_tokens(path[0], scores[0], BLANK))
            own = []
            for word in one.text.split():
                parts = [next(spans) for letter in word.lower() if letter in LETTERS]
                edges = torch.tensor([[parts[0].start, parts[-1].end]], dtype=torch.float64)
                own_edges = within(edges, own_lengths[at : at + 1], silence[at : at + 1])[0]
                own.append(Word(word, *seconds(own_edges).clamp(min=0).tolist()))
                assert getattr(next(spans, None), "token", SPACE) == SPACE
            found[one.utterance] = own
    return found


def pocketsphinx(aligner: PocketsphinxAligner, utterances: list[Utterance]) -> Aligned:
    """Align by pocketsphinx; what it cannot align is missing."""
    found = {}
    for one in utterances:
        try:
            found[one.name] = aligner(read_audio(one.path, one.name), one.text)
        except NotAlignedError:
            continue
    return found


class WhisperAttention:
    """Whisper's decoder reads the transcript; its alignment heads tell when it hears each token."""

    HOP = 0.02  # seconds from frame to frame
    FILTER = 7  # frames: Whisper's own width of the median filter

    def __init__(self):
        folder = encoder_folder(WHISPER)
        load = WhisperForConditionalGeneration.from_pretrained
        self.model = load(folder, attn_implementation="eager").eval()
        self.extract = WhisperFeatureExtractor.from_pretrained(folder)
        self.tokenizer = WhisperTokenizer.from_pretrained(folder)
        # transformers' own is a loop of Python, which would take most of the time.
        self.warp = njit(generation_whisper._dynamic_time_warping)

    def __call__(self, utterances: list[Utterance]) -> Aligned:
        return {u.name: self.align(read_audio(u.path, u.name), u.text.split()) for u in utterances}

    @torch.inference_mode()
    def align(self, audio: np.ndarray, words: list[str]) -> list[Word]:
        """Align words with audio (S,) of at most 30 s."""
        mel = self.extract(audio, sampling_rate=SAMPLE_RATE, return_tensors="pt").input_features
        encode = self.tokenizer.encode
        pieces = [encode(f" {word.lower()}", add_special_tokens=False) for word in words]
        ids = [START, NO_TIMESTAMPS, *chain.from_iterable(pieces), END]
        read = self.model(mel, decoder_input_ids=torch.tensor([ids]), output_attentions=True)
        frames = round(len(audio) / SAMPLE_RATE / self.HOP)
        heads = self.model.generation_config.alignment_heads
        weights = torch.stack([read.cross_attentions[layer][0, head] for layer, head in heads])
        weights = weights[..., :frames]
        deviation, mean = torch.std_mean(weights, dim=-2, keepdim=True, unbiased=False)
        weights = generation_whisper._median_filter((weights - mean) / deviation, self.FILTER)
        costs = -weights.mean(dim=0)[1:-1]  # each token is in the row of the one before it
        tokens, times = self.warp(costs.double().numpy())
        begins = times[np.flatnonzero(np.diff(tokens, prepend=-1))] * self.HOP
        edges = begins[np.cumsum([0, *map(len, pieces)])]
        return [Word(*row) for row in zip(words, edges[:-1], edges[1:], strict=True)]


def measure(systems: dict[str, System], utterances: list[Utterance], repeats: int):
    """Return the seconds and CPU seconds of each system and repetition, and what it found."""
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in systems}
    found: dict[str, Aligned] = {}
    for turn in range(repeats + 1):
        for name, system in systems.items():
            begin, cpu = time.perf_counter(), time.process_time()
            found[name] = system(utterances if turn else utterances[:2])
            if turn:
                times[name].append((time.perf_counter() - begin, time.process_time() - cpu))
    return times, found


def rows(times, found, utterances: list[Utterance]) -> Iterator[dict]:
    """Yield the figures of each system; the ratios are those of the medians."""
    known = {u.name: u.words for u in utterances}
    audio = sum(soundfile.info(u.path).duration for u in utterances)
    base = None
    for name, own in times.items():
        scores = score_boundaries(known, found[name])
        seconds, cpu = (spread(column) for column in zip(*own, strict=True))
        base = base or seconds["median"]
        yield {
            "system": name, **seconds, "ratio": seconds["median"] / base,
            "times_real_time": audio / seconds["median"],
            "audio_per_cpu_second": audio / cpu["min"], "mean_ms": scores.mean_ms,
            "median_ms": scores.median_ms, "failed": scores.failed,
        }  # fmt: skip


@click.command()
@click.option("--data", required=True, type=click.Path(path_type=Path), help="With words.ctm.")
@click.option("--seconds", multiple=True, type=float, default=(0, 28), show_default=True)
@click.option("--repeats", default=5, show_default=True)
@click.option("--threads", default=2, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=ROOT / "benchmarks/results")
def main(data, seconds, repeats, threads, out):
    """Measure, print a table and write aligners.json."""
    torch.set_num_threads(threads)
    model, other = WaBERTInference.from_pretrained(), PocketsphinxAligner()
    systems: dict[str, System] = {
        "wabert align": lambda given: wabert(model, BATCH_SECONDS, given),
        "wabert align, one by one": lambda given: wabert(model, 1e-3, given),
        "letters, forced_align": lambda given: letters(model, given),
        "pocketsphinx": lambda given: pocketsphinx(other, given),
        "Whisper's attention": WhisperAttention(),
    }
    result = {**describe(threads), "data": data.name, "aligners": []}
    print("| recordings | system | s: min | median | max | over wabert | times real time |", end="")
    print(" s of audio per CPU s | mean / median ms | failed |\n| :-- | :-- |" + " --: |" * 8)
    for length in seconds:
        with tempfile.TemporaryDirectory() as folder:
            utterances = write(data, length, Path(folder))
            for row in rows(*measure(systems, utterances, repeats), utterances):
                result["aligners"].append({"joined_to": length, "of": len(utterances), **row})
                shown = f"{len(utterances)}, {f'{length:g} s' if length else 'as they are'}"
                times = " | ".join(f"{row[key]:.2f}" for key in ("min", "median", "max", "ratio"))
                errors = f"{row['mean_ms']:.1f} / {row['median_ms']:.1f} | {row['failed']}"
                speed = f"{row['times_real_time']:.0f} | {row['audio_per_cpu_second']:.0f}"
                print(f"| {shown} | {row['system']} | {times} | {speed} | {errors} |", flush=True)
    save(out, "aligners", result)


if __name__ == "__main__":
    main()
