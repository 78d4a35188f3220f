"""Sentiment of the words: an aligned model reads a recording, a text model judges what it read.

The text model of the box learned from texts of a sentence or two. A longer text is judged in parts;
its probabilities are the mean of theirs, each part with the weight of its words.
"""

from collections.abc import Callable, Sequence

import numpy as np

from espnet_wabert.alignment.chunking import chunks
from espnet_wabert.errors import UserError
from espnet_wabert.inference.api import Classification, WaBERTInference

PART = 48  # words


class WordSentiment:
    """Classifies recordings by their words.

    Args:
        read: gives the texts of waveforms.
        classifier: a text model.
    """

    def __init__(
        self, read: Callable[[Sequence[np.ndarray]], list[str]], classifier: WaBERTInference
    ):
        self.read, self.classifier = read, classifier

    def __call__(self, speech: Sequence[np.ndarray]) -> list[Classification | UserError]:
        """Classify waveforms (S,) at 16 kHz; one without words gets an error."""
        return self.of_texts(self.read(speech))

    def of_texts(self, read: Sequence[str]) -> list[Classification | UserError]:
        """Classify what was read in recordings; one without words gets an error."""
        parts = [
            [words[part.first : part.last] for part in chunks(len(words), PART, 0)]
            for words in (text.split() for text in read)
        ]
        texts = [" ".join(part) for of_one in parts for part in of_one]
        judged = self.classifier.classify(texts)
        labels = judged[0].labels
        scores = iter(one.scores for one in judged)
        found: list[Classification | UserError] = []
        for of_one in parts:
            own = np.array([next(scores) for _ in of_one])
            counts = [len(part) for part in of_one]
            if not sum(counts):
                found.append(UserError("no words are heard in it"))
                continue
            mean = np.average(own, axis=0, weights=counts)
            found.append(Classification(labels[int(mean.argmax())], mean.tolist(), labels))
        return found
