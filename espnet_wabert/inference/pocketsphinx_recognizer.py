"""pocketsphinx as a recognizer, with its own American English models."""

from collections.abc import Sequence

import numpy as np

from espnet_wabert.alignment.pocketsphinx_aligner import make_decoder
from espnet_wabert.formats.audio import to_int16


class PocketsphinxRecognizer:
    """Reads 16 kHz audio; a GMM-HMM with a trigram of 72,000 words."""

    def __init__(self):
        self.decoder = make_decoder()

    def __call__(self, speech: Sequence[np.ndarray]) -> list[str]:
        """Return the texts of waveforms (S,), float in -1..1."""
        return [self._read(audio) for audio in speech]

    def _read(self, audio: np.ndarray) -> str:
        self.decoder.reinit_feat()  # the cepstral mean adapts: results must not depend on order
        self.decoder.start_utt()
        self.decoder.process_raw(to_int16(audio).tobytes(), full_utt=True)
        self.decoder.end_utt()
        found = self.decoder.hyp()
        return found.hypstr if found is not None else ""
