"""Read speech with a recognizer, and check its text with the letters of an aligned model.

The two complement each other, as in joint CTC/attention decoding (Watanabe et al. 2017). An
attention decoder such as Whisper's knows the language, but it can invent words, repeat itself, or
write digits for what was said; CTC's letters show that. Their confidence in a text
(`ctc_confidence`) decides, with the threshold of alignment: a text in doubt is replaced by what the
letters spell. The scores of the two are not added, because Whisper's are of capitals and
punctuation too.

A text that repeats itself may be right: people repeat themselves, too. So the letters check it as
it is; only if they deny it, it is written again without repetitions.

Shapes: B utterances, S samples, T frames, V letters.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch

from espnet_wabert.alignment.ctc_confidence import DOUBT, ctc_confidence
from espnet_wabert.constants import SAMPLE_RATE
from espnet_wabert.inference.api import is_silent
from espnet_wabert.inference.reading import Reader
from espnet_wabert.modules.batching import to_tensors
from espnet_wabert.modules.ctc_head import greedy_text
from espnet_wabert.modules.speller import at_pauses, without_noise
from espnet_wabert.text.normalization import plain_text
from espnet_wabert.text.transcript import encode_transcript

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
        write: a recognizer; gets waveforms (S,) at 16 kHz of at most 30 s, and returns their texts
            with or without capitals, punctuation and digits.
        revise: gets waveforms and their texts, which the letters deny, and returns better texts, or
            the same ones; None: there are no better ones.
    """

    def __init__(
        self,
        reader: Reader,
        write: Callable[[Sequence[np.ndarray]], list[str]],
        revise: Callable[[Sequence[np.ndarray], Sequence[str]], list[str]] | None = None,
    ):
        self.reader, self.aligner = reader, reader.aligner
        self.write, self.revise = write, revise

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
        """Return the words of parts: of the recognizer, or of the letters if they deny its text."""
        samples = [part.samples for part in batch]
        texts = self.write(samples)
        pairs = zip(texts, batch, strict=True)
        found = [self._confirmed(text, part.log_p) for text, part in pairs]
        denied = [i for i, words in enumerate(found) if words is None]
        if denied and self.revise is not None:
            again = self.revise([samples[i] for i in denied], [texts[i] for i in denied])
            for i, text in zip(denied, again, strict=True):
                if text != texts[i]:
                    found[i] = self._confirmed(text, batch[i].log_p)
        return [
            self.reader.speller.text(part.log_p) if words is None else words
            for words, part in zip(found, batch, strict=True)
        ]

    def _confirmed(self, text: str, log_p: np.ndarray) -> str | None:
        """Return the words of a text; None if letters (T, V) speak against it."""
        said = encode_transcript(self.aligner.tokenizer, text).said
        if ctc_confidence(log_p, said).utterance < DOUBT:
            return None
        return plain_text(" ".join(said))
