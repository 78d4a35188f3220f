"""pocketsphinx as a recognizer, with its own American English models."""

from collections.abc import Sequence

import numpy as np

from espnet_wabert.errors import UserError


class PocketsphinxRecognizer:
    """Reads 16 kHz audio; a GMM-HMM with a trigram of 72,000 words."""

    def __init__(self):
        try:
            from pocketsphinx import Decoder
        except ImportError:
            raise UserError(
                "pocketsphinx is not installed: pip install 'espnet_wabert[reference]'"
            ) from None
        self.decoder = Decoder(loglevel="FATAL")

    def __call__(self, speech: Sequence[np.ndarray]) -> list[str]:
        """Return the texts of waveforms (S,), float in -1..1."""
        return [self._read(audio) for audio in speech]

    def _read(self, audio: np.ndarray) -> str:
        samples = np.clip((audio * 32768).round(), -32768, 32767).astype(np.int16)
        self.decoder.reinit_feat()  # the cepstral mean adapts: results must not depend on order
        self.decoder.start_utt()
        self.decoder.process_raw(samples.tobytes(), full_utt=True)
        self.decoder.end_utt()
        found = self.decoder.hyp()
        return found.hypstr if found is not None else ""
