"""pocketsphinx as a baseline: a GMM-HMM aligner, scored by the same code.

Its package has an American English model (10 ms frames), so it needs no download.
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

FRAMES_PER_SECOND = 100


def make_decoder(**options):
    """Return pocketsphinx's decoder, which logs nothing; an error if it is not installed."""
    try:
        from pocketsphinx import Decoder
    except ImportError:
        raise UserError(
            "pocketsphinx is not installed: pip install 'espnet_wabert[reference]'"
        ) from None
    return Decoder(loglevel="FATAL", **options)


class NotAlignedError(Exception):
    """The aligner found no path through an utterance; the message says why."""


class AlignedFolder(NamedTuple):
    """The result for a data folder: each utterance is in one of the two."""

    words: WordTimes
    failures: list[Failure]


class PocketsphinxAligner:
    """Forced alignment of 16 kHz audio with a transcript whose words its dictionary has."""

    def __init__(self):
        self.decoder = make_decoder(lm=None)

    def __call__(self, audio: np.ndarray, text: str) -> list[Word]:
        """Return the words of `text` with their times in seconds.

        Args:
            audio: samples (S,) at 16 kHz, float in -1..1.
            text: the transcript; case and punctuation are ignored.

        Raises:
            NotAlignedError: a word is not in the dictionary, or the search is incomplete.
        """
        words = [word for word in text.split() if normalize_word(word)]
        found_words = {word: self._in_dictionary(word) for word in words}
        unknown = [word for word, spelling in found_words.items() if spelling is None]
        if unknown:
            raise NotAlignedError(f"not in the dictionary: {name_some(set(unknown))}")
        spellings = [str(found_words[word]) for word in words]
        if not words:
            return []
        # Reset the cepstral mean, which adapts over utterances: results must not depend on order.
        self.decoder.reinit_feat()
        self.decoder.set_align_text(" ".join(spellings))
        found = list(self._search(audio))
        aligned = [normalize_word(label) for label, _, _ in found]
        if aligned != [normalize_word(word) for word in spellings]:
            raise NotAlignedError(f"the search ended with {len(aligned)} of {len(words)} words")
        return [Word(word, start, end) for word, (_, start, end) in zip(words, found, strict=True)]

    def _in_dictionary(self, word: str) -> str | None:
        """Return a word in the spelling of the dictionary, or None."""
        lower = word.lower()
        bare = lower.strip(".,;:!?\"'()[]-")
        return next((w for w in (lower, bare) if w and self.decoder.lookup_word(w)), None)

    def _search(self, audio: np.ndarray) -> Iterator[Word]:
        """Yield the words of the best path, without silence; the path may be incomplete."""
        # The search fails on digital silence (log of 0): dither by 1/32768. The dither of the
        # decoder itself depends on earlier utterances.
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
                yield Word(segment.word, start / FRAMES_PER_SECOND, end / FRAMES_PER_SECOND)


def align_folder(folder: DataFolder) -> AlignedFolder:
    """Align every utterance of a formatted data folder; list those that fail."""
    if folder.text is None:
        raise UserError("the data folder lacks text; alignment needs transcripts")
    aligner = PocketsphinxAligner()
    words, failures = {}, []
    for utterance in tqdm(sorted(folder.wav), desc="pocketsphinx", unit="utt"):
        audio = read_audio(folder.wav[utterance], utterance)
        try:
            words[utterance] = aligner(audio, folder.text[utterance])
        except NotAlignedError as reason:
            failures.append(Failure(utterance, str(reason)))
    return AlignedFolder(words, failures)
