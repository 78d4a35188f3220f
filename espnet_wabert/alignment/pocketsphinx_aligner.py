"""pocketsphinx as a reference: an aligner of another kind, scored by the same code.

It ships an American English model (GMM-HMM, 10 ms frames), so that what a hidden Markov model makes
of the same recordings can be told without a download.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from espnet_wabert.errors import UserError
from espnet_wabert.formats.audio import read_audio
from espnet_wabert.formats.kaldi import DataFolder
from espnet_wabert.formats.lines import name_some
from espnet_wabert.formats.word import Word, WordTimes, is_silence, normalize_word
from espnet_wabert.scoring.boundaries import Failure

FRAMES_A_SECOND = 100


class NotAligned(Exception):
    """The aligner found no path through an utterance; the message says why."""


class AlignedFolder(NamedTuple):
    """What became of each utterance of a data folder: it is in one of the two."""

    words: WordTimes
    failures: list[Failure]


class PocketsphinxAligner:
    """Forced alignment of 16 kHz audio with a transcript whose words its dictionary has."""

    def __init__(self):
        try:
            from pocketsphinx import Decoder
        except ImportError:
            raise UserError(
                "pocketsphinx is not installed: pip install 'espnet_wabert[reference]'"
            ) from None
        self.decoder = Decoder(lm=None, loglevel="FATAL")

    def __call__(self, audio: np.ndarray, text: str) -> list[Word]:
        """Return the words of `text` with their times in seconds.

        Args:
            audio: samples (S,) at 16 kHz, float in -1..1.
            text: the transcript; case and what stands around a word do not matter.

        Raises:
            NotAligned: for words outside the dictionary, or if the search ends without them all.
        """
        words = [word for word in text.split() if normalize_word(word)]
        spelt = [self._in_dictionary(word) for word in words]
        unknown = [word for word, found in zip(words, spelt) if found is None]
        if unknown:
            raise NotAligned(f"not in the dictionary: {name_some(set(unknown))}")
        if not words:
            return []
        # Its cepstral mean adapts from utterance to utterance; each shall be as if it were alone.
        self.decoder.reinit_feat()
        self.decoder.set_align_text(" ".join(spelt))
        found = list(self._search(audio))
        said = [normalize_word(label) for label, _, _ in found]
        if said != [normalize_word(word) for word in spelt]:
            raise NotAligned(f"the search ended with {len(said)} of {len(words)} words")
        return [Word(word, start, end) for word, (_, start, end) in zip(words, found)]

    def _in_dictionary(self, word: str) -> str | None:
        """Return a word as the dictionary spells it, or None."""
        lower = word.lower()
        bare = lower.strip(".,;:!?\"'()[]-")
        return next((w for w in (lower, bare) if w and self.decoder.lookup_word(w)), None)

    def _search(self, audio: np.ndarray) -> Iterator[Word]:
        """Yield the words of the best path, which may be cut short, without its silences."""
        # The search fails on digital silence (no logarithm): dither by 1 of 32768. Not the
        # decoder's own dither, whose noise depends on the utterances before.
        noise = np.random.default_rng(0).integers(-1, 2, len(audio))
        samples = np.clip((audio * 32768).round() + noise, -32768, 32767).astype(np.int16)
        self.decoder.start_utt()
        self.decoder.process_raw(samples.tobytes(), full_utt=True)
        self.decoder.end_utt()
        if self.decoder.hyp() is None:
            return
        for segment in self.decoder.seg():
            if not is_silence(segment.word):
                start, end = segment.start_frame, segment.end_frame + 1
                yield Word(segment.word, start / FRAMES_A_SECOND, end / FRAMES_A_SECOND)


def align_folder(folder: DataFolder) -> AlignedFolder:
    """Align every utterance of a formatted data folder; what fails is listed, not dropped."""
    if folder.text is None:
        raise UserError("the data folder lacks text; alignment needs transcripts")
    aligner = PocketsphinxAligner()
    words, failures = {}, []
    for utterance in tqdm(sorted(folder.wav), desc="pocketsphinx", unit="utt"):
        audio = read_audio(folder.wav[utterance], utterance)
        try:
            words[utterance] = aligner(audio, folder.text[utterance])
        except NotAligned as reason:
            failures.append(Failure(utterance, str(reason)))
    return AlignedFolder(words, failures)
