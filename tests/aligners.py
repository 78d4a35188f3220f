"""A tiny aligner on disk, and one that has learnt to hear eight words."""

from pathlib import Path

import numpy as np
import torch
from tiny import VOCABULARY, arguments, save

from espnet_wabert.inference.api import WaBERTInference
from espnet_wabert.models.checkpoint import pack

WORDS = ["the", "good", "bad", "and", "of", "film", "not", "to"]
WIDTH = 32  # of the tiny frontend's frames


def write_model(folder: Path, teacher: bool = True, **changes) -> Path:
    """Write an untrained aligner with all its weights as a zip; return the zip."""
    weights = save(arguments(**changes), folder, seed=0)
    return pack(weights, folder / "aligner.zip", with_teacher=teacher)


def say(words: list[str], rng: np.random.Generator) -> np.ndarray:
    """Return made-up frames (T, WIDTH) of words: each has a pattern of its own, with noise."""
    patterns = np.random.default_rng(7).normal(size=(len(WORDS) + 1, WIDTH))
    spans = [(-1, 8), *((WORDS.index(w), int(rng.integers(8, 14))) for w in words), (-1, 8)]
    frames = np.concatenate([np.tile(patterns[which], (size, 1)) for which, size in spans])
    return (frames + rng.normal(size=frames.shape) * 0.2).astype(np.float32)


def sentence(rng: np.random.Generator, words: list[str] = WORDS) -> list[str]:
    """Return 4 words, none twice."""
    return [str(word) for word in rng.permutation(words)[:4]]


def train_listener(inference: WaBERTInference, steps: int = 80) -> None:
    """Train an aligner on what `say` says, for some seconds."""
    rng, model = np.random.default_rng(0), inference.model.train()
    assert inference.tokenizer is not None
    trained = [p for p in model.encoder.parameters() if p.requires_grad]
    optimizer = torch.optim.Adam(trained, lr=5e-3)
    for _ in range(steps):
        said = [sentence(rng) for _ in range(8)]
        speech = [torch.from_numpy(say(words, rng)) for words in said]
        ids = [torch.tensor(inference.tokenizer.encode(" ".join(words)).ids) for words in said]
        sizes = [torch.tensor([len(x) for x in rows]) for rows in (speech, ids)]
        padded = [torch.nn.utils.rnn.pad_sequence(x, batch_first=True) for x in (speech, ids)]
        loss = model(padded[0], sizes[0], padded[1], sizes[1])[0]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()


assert set(WORDS) <= set(VOCABULARY)
