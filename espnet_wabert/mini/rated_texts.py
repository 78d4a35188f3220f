"""The rated texts alone, on which the sentiment of the model in the box is trained.

They are divided as the corpus of the same size and seed is, and a text that the source repeats
stays in the smallest split: no speaker of the test sets says a text of the training data. Labels
are those of `Snippet.label`; a text without a clear one is left out, and so is one of which too
little can be spoken.
"""

from pathlib import Path

import numpy as np

from espnet_wabert.mini.pools import divide
from espnet_wabert.mini.sentences import Snippet, read_snippets
from espnet_wabert.mini.sizes import SIZES
from espnet_wabert.mini.sources import source_folder

LEAST = 8  # words of a text of which a part is left out
SETS = {"valid": "dev", "train": "train"}  # name of the data folder -> split


def write_rated_texts(out: Path, size: str, seed: int) -> dict[str, int]:
    """Write Kaldi `text` and `sentiment`, and `text_shape`, the numbers of words, of both sets.

    Args:
        out: folder of the data folders.
        size: of the corpus, a key of `SIZES`.
        seed: of the corpus.

    Returns:
        The number of texts of each set.
    """
    snippets = read_snippets(source_folder("vader"))
    divided = divide(snippets, SIZES[size].shares, np.random.default_rng(seed))
    seen = {spoken(one) for one in divided["test"]}
    counts = {}
    for name, split in SETS.items():
        rows: list[tuple[str, str, str]] = []
        for one in divided[split]:
            text = spoken(one)
            if text and one.label and text not in seen:
                rows.append((f"{split}_{len(rows):05d}", text, one.label))
            seen.add(text)
        folder = out / name
        folder.mkdir(parents=True, exist_ok=True)
        columns = {
            "text": [f"{key} {text}" for key, text, _ in rows],
            "sentiment": [f"{key} {label}" for key, _, label in rows],
            "text_shape": [f"{key} {len(text.split())}" for key, text, _ in rows],
        }
        for file, lines in columns.items():
            (folder / file).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        counts[name] = len(rows)
    return counts


def spoken(snippet: Snippet) -> str | None:
    """Return the words of a text, as a reader of speech writes it; None if too little is left."""
    words = [word for chunk in snippet.chunks for piece in chunk for word in piece]
    return " ".join(words) if words and (snippet.complete or len(words) > LEAST) else None
