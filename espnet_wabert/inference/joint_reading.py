"""Read speech with a recognizer, and check its text with the letters of an aligned model.

The two complement each other, as in joint CTC/attention decoding (Watanabe et al. 2017). An
attention decoder such as Whisper's knows the language, but it can invent words, repeat itself, or
write digits for what was said; CTC's letters show that. Their confidence in a text
(`ctc_confidence`) decides, with the threshold of alignment: in a text in doubt the doubtful words
are replaced by what the letters spell there, and the whole text if it is in doubt even then. The
scores of the two are not added, because Whisper's are of capitals and punctuation too.

A text that repeats itself may be right: people repeat themselves, too. So the letters check it as
it is; only if they deny it, it is written again without repetitions.

Shapes: B utterances, S samples, T frames, V letters.
"""

from collections.abc import Sequence
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from espnet_wabert.alignment.ctc_confidence import (
    DOUBT,
    DOUBTFUL_WORD,
    ctc_confidence,
    ctc_scores,
    probability,
)
from espnet_wabert.constants import SAMPLE_RATE
from espnet_wabert.inference.api import is_silent
from espnet_wabert.inference.reading import Reader
from espnet_wabert.modules.batching import to_tensors
from espnet_wabert.modules.ctc_head import greedy_text, spelling
from espnet_wabert.modules.speller import at_pauses, without_noise
from espnet_wabert.text.normalization import plain_text
from espnet_wabert.text.transcript import encode_transcript

if TYPE_CHECKING:  # imports more transformers
    from espnet_wabert.inference.recognizer import Recognizer

BATCH = 8  # parts of at most 30 s that a recognizer gets at once; an hour has more than 120


class _Part(NamedTuple):
    """A part of an utterance between two pauses."""

    utterance: int
    log_p: np.ndarray  # (T, V)
    samples: np.ndarray  # (S,)


class JointReader:
    """Reads waveforms of any length.

    Args:
        reader: of a model with letters.
        recognizer: gets parts of at most 30 s; it may write capitals, punctuation and digits.
    """

    def __init__(self, reader: Reader, recognizer: "Recognizer"):
        self.reader, self.aligner, self.recognizer = reader, reader.aligner, recognizer

    def __call__(self, speech: Sequence[np.ndarray]) -> list[str]:
        """Return the texts of waveforms (S,) in words of lower case, numbers written out."""
        texts: list[list[str]] = [[] for _ in speech]
        parts = self._parts(speech)
        for first in range(0, len(parts), BATCH):
            batch = parts[first : first + BATCH]
            for part, text in zip(batch, self._read(batch), strict=True):
                texts[part.utterance].append(text)
        return [" ".join(filter(None, of_one)) for of_one in texts]

    @torch.inference_mode()
    def _parts(self, speech: Sequence[np.ndarray]) -> list[_Part]:
        """Cut utterances at pauses; a part in which no letter is heard is left out."""
        encoded = self.aligner.encode(speech)
        hop = round(self.aligner.hop * SAMPLE_RATE)
        waveforms = [samples.numpy() for samples in to_tensors(speech, "cpu")]
        rows = zip(waveforms, self.reader.log_p(encoded), encoded.silence.tolist(), strict=True)
        found = []
        for utterance, (samples, log_p, silence) in enumerate(rows):
            start = -silence  # of the part, in frames of the recording
            for part in at_pauses(log_p):
                stop = start + len(part)
                own = samples[max(start, 0) * hop : max(stop, 0) * hop]
                if greedy_text(torch.from_numpy(without_noise(part))) and not is_silent(own):
                    found.append(_Part(utterance, part, own))
                start = stop
        return found

    def _read(self, batch: Sequence[_Part]) -> list[str]:
        """Return the words of parts: of the recognizer, or of the letters where they deny them."""
        samples = [part.samples for part in batch]
        texts = list(self.recognizer.draft(samples))
        pairs = zip(texts, batch, strict=True)
        found = [self._confirmed(text, part.log_p) for text, part in pairs]
        denied = [i for i, words in enumerate(found) if words is None]
        again = self.recognizer.revise([samples[i] for i in denied], [texts[i] for i in denied])
        for i, text in zip(denied, again, strict=True):
            if text != texts[i]:
                texts[i], found[i] = text, self._confirmed(text, batch[i].log_p)
        return [
            self._mended(text, part.log_p) if words is None else words
            for words, text, part in zip(found, texts, batch, strict=True)
        ]

    def _confirmed(self, text: str, log_p: np.ndarray) -> str | None:
        """Return the words of a text; None if letters (T, V) speak against it."""
        said = self._words(text)
        if ctc_confidence(log_p, said).utterance < DOUBT:
            return None
        return " ".join(said)

    def _mended(self, text: str, log_p: np.ndarray) -> str:
        """Return a text with what letters (T, V) spell for its doubtful words, or for all."""
        spell, said = self.reader.speller.text, self._words(text)
        scores = ctc_scores(log_p, said)
        if scores is None:
            return spell(log_p)
        doubtful = probability(scores.words) < DOUBTFUL_WORD
        if doubtful.mean() > 0.5:  # some words of a wrong text are there by chance
            return spell(log_p)
        doubtful[1:-1] |= doubtful[:-2] & doubtful[2:]  # "seven" in "thousand seven hundred"
        stops = [*scores.starts[1:], len(log_p)]
        mended = []
        rows = zip(doubtful, said, scores.starts, stops, strict=True)
        for in_doubt, run in groupby(rows, itemgetter(0)):
            _, words, begins, ends = zip(*run, strict=True)
            mended.append(spell(log_p[begins[0] : ends[-1]]) if in_doubt else " ".join(words))
        return self._confirmed(" ".join(mended), log_p) or spell(log_p)

    def _words(self, text: str) -> list[str]:
        """Return the words of a text as they are said, those that have letters."""
        said = encode_transcript(self.aligner.tokenizer, text).said
        return [word for word in plain_text(" ".join(said)).split() if spelling(word)]
