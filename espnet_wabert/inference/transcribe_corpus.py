"""Transcribe many recordings with one model, in batches of similar length."""

from collections.abc import Callable, Sequence

from tqdm import tqdm

from espnet_wabert.errors import UserError, last_line
from espnet_wabert.inference.api import WaBERTInference
from espnet_wabert.inference.loading import loaded_batches
from espnet_wabert.inference.recordings import Recording


def transcribe_all(
    inference: WaBERTInference,
    recordings: Sequence[Recording],
    on_result: Callable[[str, str], None],
    batch_seconds: float = 60.0,
    bar: bool = True,
) -> dict[str, str]:
    """Read recordings and call `on_result` with the utterance id and the text of each.

    Args:
        inference: an aligned model.
        recordings: their own transcripts are not used.
        on_result: gets the utterance id and the text, which may be empty.
        batch_seconds: padded audio per batch.
        bar: show progress.

    Returns:
        The recordings that cannot be read, with the reason.
    """
    skipped = {}
    with tqdm(total=len(recordings), desc="reading", unit="utt", disable=not bar) as progress:
        for group, loaded in loaded_batches(recordings, batch_seconds, inference.aligner.hop):
            kept = []
            for recording, speech in zip(group, loaded, strict=True):
                if isinstance(speech, UserError):
                    prefix = f"utterance {recording.utterance}: "
                    skipped[recording.utterance] = last_line(speech).removeprefix(prefix)
                else:
                    kept.append((recording.utterance, speech))
            if kept:
                texts = inference.read([speech for _, speech in kept])
                for (utterance, _), text in zip(kept, texts, strict=True):
                    on_result(utterance, text)
            progress.update(len(group))
    return skipped
