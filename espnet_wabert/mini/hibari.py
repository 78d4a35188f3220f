"""Natural voices: hibari-tts, one recorded speaker's voice, and many that are derived from it.

The model gives, for each frame of 12.5 ms, the spectra of a pulse train, of noise and of a rest,
and the pitch; hibari's own signal processing makes audio of them. Other speakers are derived before
that step: their pitch and its range are scaled, and the frequency axis is warped as by a shorter or
longer vocal tract.

The times of the phonemes are inside the model, as cumulated durations; they become an output.
They are 80 ms late: measured against pocketsphinx, on 150 utterances of derived voices with tracts
from 0.84 to 1.15, whose medians are between 0 and 3 ms without these 80 ms.
"""

import functools
import gzip
import json
import os
import tempfile
from importlib.metadata import PackageNotFoundError, version
from typing import NamedTuple

import numpy as np

from espnet_wabert.errors import UserError
from espnet_wabert.mini.speech import Manner, Speech, audible, sound_end, sound_start

PACKAGE, VERSION = "hibari-tts", "0.2.1"
LEXICONS = ("lexicon_us_gold.json.gz", "lexicon_us_silver.json.gz")
RATE = 24000  # Hz
UNIT = 600  # samples: the durations are counted in 25 ms
LATENESS = 0.080  # s of the durations' times
VOICED = 40.0  # Hz; a lower pitch marks a frame without voice
LOWEST = 60.0  # Hz
BINS = 601
KNEE = 0.8  # of the frequency axis is warped by the factor; the rest so that its end stays
SHORTEST_PAUSE = int(0.03 * RATE)
STOPS = ",.;:?!"


class HibariVoice(NamedTuple):
    """A speaker that is derived from the recorded one."""

    pitch: float = 1.0  # factor; the recorded speaker, a woman, speaks at about 190 Hz
    tract: float = 1.0  # factor of the resonances: below 1 a longer vocal tract
    breath: float = 0.0  # added to the log spectrum of the noise
    tilt: float = 0.0  # dB per octave above 500 Hz

    @property
    def name(self) -> str:
        """Return the numbers that make the voice."""
        return f"hibari+pitch{self.pitch:.2f}+tract{self.tract:.2f}+breath{self.breath:+.1f}"

    def speak(self, text: str, manner: Manner, seed: int) -> Speech | None:
        """Synthesize words; None if words and phonemes do not map one to one."""
        rng = np.random.default_rng(seed)
        engine = _engine()
        # How a sentence ends changes its melody; a stretch from its middle has no stop.
        phonemes = engine.phonemize(text + str(rng.choice([".", ".", "", ",", "?", "!"])))
        spans = word_spans(phonemes, engine.vocabulary)
        if len(spans) != len(text.split()):
            return None
        spectra, ends = engine.run(phonemes)
        frames = spectra[0].shape[-1]
        spectra = [stretch(x, round(frames / manner.rate)) for x in spectra]
        samples = self._sound(spectra, manner, rng)
        pauses = [word.endswith(",") for word in text.split()]
        times = (ends * UNIT - LATENESS * RATE) / manner.rate
        return Speech(samples, RATE, word_times(samples, times, spans, pauses))

    def _sound(self, spectra: list[np.ndarray], manner: Manner, rng) -> np.ndarray:
        from hibari import dsp

        harmonic, theta, noise, rest, phase, pitch = spectra
        slope = (self.tilt + manner.effort) * np.log(10) / 20  # per octave, of a log amplitude
        octaves = np.log2(np.maximum(np.arange(BINS) * RATE / 2 / (BINS - 1), 500.0) / 500.0)
        tilt = (slope * octaves).astype(np.float32)[:, None]
        harmonic, theta, noise, rest = (warp(x, self.tract) for x in (harmonic, theta, noise, rest))
        factor = self.pitch * 2 ** (manner.pitch / 12)
        melody = scale_pitch(pitch, factor, manner.range)
        return dsp.synth(
            harmonic + tilt, theta, noise + tilt + np.float32(self.breath), rest + tilt, phase,
            melody, rng,
        )  # fmt: skip


def warp(spectrum: np.ndarray, factor: float) -> np.ndarray:
    """Stretch the frequency axis of (BINS, frames) by a factor, piecewise linearly."""
    last = BINS - 1
    knee = KNEE * last * min(1.0, factor)
    bins = np.arange(BINS, dtype=np.float64)
    source = np.interp(bins, [0, knee, last], [0, knee / factor, last])
    low = np.minimum(source.astype(int), last - 1)
    share = (source - low).astype(np.float32)[:, None]
    return spectrum[low] * (1 - share) + spectrum[low + 1] * share


def stretch(spectrum: np.ndarray, frames: int) -> np.ndarray:
    """Return (..., frames) with the nearest frames of a spectrum: another speed, the same pitch.

    The model has a speed too, but counts in 25 ms, and most phonemes have one to three of these.
    """
    nearest = (np.arange(frames) + 0.5) * spectrum.shape[-1] / frames
    return np.ascontiguousarray(spectrum[..., nearest.astype(int)])


def scale_pitch(pitch: np.ndarray, factor: float, spread: float) -> np.ndarray:
    """Scale a melody (frames,) in Hz and its deviations from the mean; 0 without voice."""
    voiced = pitch > VOICED
    if not voiced.any():
        return pitch
    logs = np.log(np.where(voiced, pitch, 1.0))
    mean = logs[voiced].mean()
    scaled = factor * np.exp(mean + spread * (logs - mean))
    return np.where(voiced, np.maximum(scaled, LOWEST), 0.0).astype(np.float32)


def word_spans(phonemes: str, vocabulary: dict[str, int]) -> list[tuple[int, int]]:
    """Return the first and last phoneme of each word, counted as the model's ids are.

    The ids begin with a pad; characters outside the vocabulary have none. Stops belong to no word.
    """
    spans, at, first, last = [], 1, 0, 0
    for character in phonemes + " ":
        if character == " " and first:
            spans.append((first, last))
            first = 0
        elif character not in STOPS and character != " " and character in vocabulary:
            first, last = first or at, at
        at += character in vocabulary
    return spans


def word_times(
    samples: np.ndarray,
    ends: np.ndarray,
    spans: list[tuple[int, int]],
    pauses: list[bool],
) -> list[tuple[int, int]]:
    """Start and end sample of each word.

    Two words without a pause share a boundary: the time of the second one's first phoneme. Next to
    a pause, and at both ends, the boundary is the edge of the sound.

    Args:
        ends: end of each id, in samples.
        spans: first and last id of each word.
        pauses: whether a pause follows the word.
    """
    begins = [max(0, int(ends[first - 1])) for first, _ in spans]
    heard = audible(samples)
    starts, stops = list(begins), [*begins[1:], len(samples)]
    starts[0] = sound_start(heard, 0, len(samples))
    stops[-1] = max(sound_end(heard, len(samples), len(samples)), starts[-1])
    for index, (_, last) in enumerate(spans[:-1]):
        if pauses[index]:
            within = max(0, int(ends[last - 1])), begins[index + 1] + 2 * UNIT
            gap = longest_gap(heard, *within)
            if gap[1] - gap[0] >= SHORTEST_PAUSE:
                stops[index], starts[index + 1] = gap
    edges = zip(starts, stops, strict=True)
    return [(start, max(start, min(stop, len(samples)))) for start, stop in edges]


def longest_gap(heard: np.ndarray, first: int, last: int) -> tuple[int, int]:
    """Return the longest stretch of silence between the audible samples of a part."""
    inside = heard[np.searchsorted(heard, first) : np.searchsorted(heard, last)]
    if len(inside) < 2:
        return first, first
    at = int(np.diff(inside).argmax())
    return int(inside[at]) + 1, int(inside[at + 1])


class _Engine:
    """hibari's model, with the durations as one more output."""

    def __init__(self):
        check_package()
        import onnxruntime
        from hibari import Hibari

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        with tempfile.TemporaryDirectory() as folder:
            path = _with_durations(folder)
            self.session = onnxruntime.InferenceSession(
                path, options, providers=["CPUExecutionProvider"]
            )
            self.tts = Hibari(model=path)  # for its pronunciations
        self.vocabulary = self.tts.vocab

    def phonemize(self, text: str) -> str:
        return self.tts.g2p(text) or ""

    def run(self, phonemes: str) -> tuple[list[np.ndarray], np.ndarray]:
        """Return the six spectra and the end of each id, in units."""
        inputs = {
            "ids": np.array([self.tts.ids(phonemes)], np.int64),
            "speed": np.array([1.0], np.float32),
        }
        *spectra, ends = self.session.run(None, inputs)
        return [x[0] for x in spectra], ends


def check_package() -> None:
    """Raise an error that names the command if the package is missing or of another version."""
    try:
        found = version(PACKAGE)
    except PackageNotFoundError:
        found = "not installed"
    if found != VERSION:
        raise UserError(
            f"{PACKAGE} (natural voices): {found}, needed is {VERSION}:"
            f" pip install {PACKAGE}=={VERSION}"
        )


def known_words() -> set[str]:
    """Return the words of the package's pronunciation lexicons, with their regular inflections."""
    check_package()
    from hibari.g2p import ASSETS

    words: set[str] = set()
    for name in LEXICONS:
        with gzip.open(os.path.join(ASSETS, name), "rt", encoding="utf-8") as file:
            words.update(json.load(file))
    return words | {word + ending for word in words for ending in ("s", "ed", "ing")}


def _with_durations(folder: str) -> str:
    """Write the model with its cumulated durations as an output; return the path."""
    import onnx
    from hibari.voices import DEFAULT, voice_path

    model = onnx.load(voice_path(DEFAULT))
    sums = [node.output[0] for node in model.graph.node if node.op_type == "CumSum"]
    if len(sums) != 1:
        raise UserError(f"{PACKAGE}: the model has {len(sums)} cumulated sums instead of one")
    output = onnx.helper.make_tensor_value_info(sums[0], onnx.TensorProto.INT64, None)
    model.graph.output.append(output)
    path = os.path.join(folder, "hibari.onnx")
    onnx.save(model, path)
    return path


@functools.cache
def _engine() -> _Engine:
    return _Engine()
