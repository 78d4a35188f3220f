"""Use trained models: the Python API, recordings, data folders and recognizers.

`api.WaBERTInference` aligns, transcribes and classifies; `align_corpus` aligns many recordings in
batches, `decoding` writes the results for a data folder, `recordings` finds and loads audio, and
`recognizer` has CTC and Whisper recognizers. `reading` reads with the letters of a model alone, and
`joint_reading` with a recognizer that they check. Files are written by `formats`.
"""

from espnet_wabert.modules.garbage import no_garbage_collection

with no_garbage_collection():  # torch and transformers
    from espnet_wabert.inference.api import Classification, Transcription, WaBERTInference

__all__ = ["Classification", "Transcription", "WaBERTInference"]
