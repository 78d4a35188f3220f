"""A progress bar for long work."""

import sys

from tqdm import tqdm


def progress(total: int, label: str) -> tqdm:
    """Return a bar that counts utterances; it is updated rarely if the output is a file."""
    interval = 0.2 if sys.stderr.isatty() else 10.0
    return tqdm(total=total, desc=label, unit="utt", mininterval=interval)
