"""Batches of recordings of similar length, the next one loaded while one is in use."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from tqdm import tqdm

from espnet_wabert.errors import UserError, last_line
from espnet_wabert.inference.recordings import Recording, load
from espnet_wabert.modules.batching import length_batches

Batch = tuple[list[Recording], list[np.ndarray | UserError]]


def process_all(
    recordings: Sequence[Recording],
    function: Callable[[Sequence[Recording], Sequence[np.ndarray]], Sequence[Any]],
    on_result: Callable[[str, Any], None],
    batch_seconds: float = 60.0,
    task: str = "",
    skipped: dict[str, str] | None = None,
) -> dict[str, str]:
    """Call a function with the speech of recordings, in batches.

    Args:
        recordings: audio.
        function: gets recordings and their speech, and returns a result or an error for each.
        on_result: gets the utterance id and the result.
        batch_seconds: padded audio per batch.
        task: name of a progress bar; "": none.
        skipped: gets the recordings without a result, for a caller that an interruption reaches
            instead of the return; None: a new one.

    Returns:
        The recordings without a result, with the reason.
    """
    skipped = {} if skipped is None else skipped
    with tqdm(total=len(recordings), desc=task, unit="utt", disable=not task) as progress:
        for group, loaded in loaded_batches(recordings, batch_seconds):
            kept, speech = [], []
            for recording, one in zip(group, loaded, strict=True):
                if isinstance(one, UserError):
                    prefix = f"utterance {recording.utterance}: "
                    skipped[recording.utterance] = last_line(one).removeprefix(prefix)
                else:
                    kept.append(recording)
                    speech.append(one)
            pairs = list(zip(kept, speech, strict=True))
            results = each_or_error(lambda some: function(*zip(*some, strict=True)), pairs)
            for recording, result in zip(kept, results, strict=True):
                if isinstance(result, UserError):
                    skipped[recording.utterance] = last_line(result)
                else:
                    on_result(recording.utterance, result)
            progress.update(len(group))
    return skipped


def each_or_error[T, R](
    function: Callable[[Sequence[T]], Sequence[R]], batch: Sequence[T]
) -> list[R | UserError]:
    """Return the results of a batch; if the model refuses it, each one's own result or error."""
    if not batch:
        return []
    try:
        return list(function(batch))
    except UserError as error:
        if len(batch) == 1:
            return [error]
    return [result for one in batch for result in each_or_error(function, [one])]


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
