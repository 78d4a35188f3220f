"""Batches of recordings of similar length, the next one loaded while one is in use."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from espnet_wabert.errors import UserError
from espnet_wabert.inference.recordings import Recording, load
from espnet_wabert.modules.batching import length_batches

Batch = tuple[list[Recording], list[np.ndarray | UserError]]


def loaded_batches(
    recordings: Sequence[Recording], batch_seconds: float, hop: float = 1.0
) -> Iterator[Batch]:
    """Yield recordings with their speech, or the error of one that cannot be read.

    Args:
        recordings: audio, or cached features.
        batch_seconds: padded audio per batch.
        hop: seconds from frame to frame, if some are features.
    """
    lengths = {r.utterance: r.length * (hop if r.rate is None else 1.0) for r in recordings}
    by_id = {r.utterance: r for r in recordings}
    groups = [[by_id[u] for u in group] for group in length_batches(lengths, batch_seconds)]
    with ThreadPoolExecutor(1) as pool:
        coming = None
        for index, group in enumerate(groups):
            loaded = (coming or pool.submit(_load_group, group)).result()
            coming = pool.submit(_load_group, groups[index + 1]) if groups[index + 1 :] else None
            yield group, loaded


def _load_group(group: list[Recording]) -> list[np.ndarray | UserError]:
    found: list[np.ndarray | UserError] = []
    for recording in group:
        try:
            found.append(load(recording))
        except UserError as error:
            found.append(error)
    return found
