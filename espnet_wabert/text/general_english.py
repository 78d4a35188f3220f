"""A bigram of general English, read from the language model that pocketsphinx ships.

The model (CMU Sphinx, BSD licence) has 72,000 words. Its Python interface tells the probability of
a word after another one but not which pairs it has, so all pairs of frequent words are asked for.
"""

import re
from pathlib import Path

import numpy as np

from espnet_wabert.errors import UserError
from espnet_wabert.text.ngram import BEGIN, END, UNKNOWN, Bigram

FREQUENT = 8000  # words whose pairs are read
RARE = 99  # of the frequent words; they seldom are a pair, so their probability shows the backoff
UNLIKE = 0.05  # of a pair's probability: what is as near as this to the backoff is no pair
WORD = re.compile(r"[a-z]+(?:'[a-z]+)*\Z")
UNSEEN = -20.0  # log10: pocketsphinx gives far less to words that it does not have


def read_general_english() -> Bigram:
    """Return pocketsphinx's bigram of its frequent words, with all its words as single ones.

    Raises:
        UserError: pocketsphinx is not installed.
    """
    try:
        import pocketsphinx
    except ImportError as error:
        raise UserError(
            'general English needs pocketsphinx: pip install -e ".[reference]"'
        ) from error
    folder = Path(pocketsphinx.get_model_path("en-us"))
    logs = pocketsphinx.LogMath()
    config = pocketsphinx.Config(lm=None, hmm=None, dict=None)
    model = pocketsphinx.NGramModel(config, logs, str(folder / "en-us.lm.bin"))
    unit = logs.log_to_log10(1)  # of pocketsphinx's integer logarithms
    lines = (folder / "cmudict-en-us.dict").read_text(encoding="utf-8").splitlines()
    words = sorted({line.split()[0] for line in lines if WORD.match(line.split()[0])})
    single = {word: model.prob([word]) * unit for word in words}
    return _read_pairs(model, {w: 10.0**log for w, log in single.items() if log > UNSEEN}, unit)


def _read_pairs(model, known: dict[str, float], unit: float) -> Bigram:
    frequent = sorted(known, key=known.__getitem__, reverse=True)[:FREQUENT]
    words = sorted([*known, BEGIN, END, UNKNOWN])
    index = {word: place for place, word in enumerate(words)}
    single = np.array([known.get(word, 0.0) for word in words])
    seconds = [*frequent[::-1], END]
    single[index[END]] = 10.0 ** (model.prob([END]) * unit)
    places = np.array([index[word] for word in seconds])
    alone = single[places]
    first, second, conditional = [], [], []
    for word in [*frequent, BEGIN]:
        # The history follows the word in pocketsphinx's lists.
        p = 10.0 ** (np.array([model.prob([after, word]) for after in seconds]) * unit)
        backoff = np.median(p[:RARE] / alone[:RARE])
        pairs = np.flatnonzero(np.abs(np.log(p / (backoff * alone))) > UNLIKE)
        first.append(np.full(len(pairs), index[word]))
        second.append(places[pairs])
        conditional.append(p[pairs])
    total = single.sum()
    return Bigram(
        words, single / total, *(np.concatenate(part) for part in (first, second, conditional))
    )
