"""Tables of an analysis as HTML. Every text of a user or a model is escaped."""

from collections.abc import Iterable, Sequence
from html import escape

import numpy as np

from espnet_wabert.demo.analysis import Analysis
from espnet_wabert.formats.word import Word


def words_table(seen: Analysis, source: str = "") -> str:
    """Return the words with times and confidences.

    Args:
        seen: the analysis.
        source: address of the recording: a click on a word plays it (`page.js`).
    """
    found = seen.chosen
    scores: Sequence[float | None] = found.word_confidences or [None] * len(found.words)
    rows = (
        (
            f'<button class="word" data-start="{word.start:.3f}" data-end="{word.end:.3f}"'
            f' title="Play">{escape(word.word)}</button>',
            f"{word.start:.3f}",
            f"{word.end:.3f}",
            _confidence(score, seen.word_limit),
        )
        for word, score in zip(found.words, scores, strict=True)
    )
    player = f'<audio preload="auto" src="{escape(source, quote=True)}"></audio>'
    return _table("words", ("word", "start, s", "end, s", "confidence"), rows) + player


def candidates_table(seen: Analysis) -> str:
    """Return the most likely pieces of each token; the token itself is bold."""
    if seen.top is None:
        return ""
    places = range(1, len(seen.top[0]) + 1)
    rows = (
        (
            f"<b>{escape(token)}</b>",
            *(f"<b>{escape(p)}</b>" if p == token else escape(p) for p in pieces),
        )
        for token, pieces in zip(seen.tokens, seen.top, strict=True)
    )
    pairs = list(zip(seen.tokens, seen.top, strict=True))
    first = sum(token == pieces[0] for token, pieces in pairs)
    within = sum(token in pieces for token, pieces in pairs)
    note = (
        "What BERT's upper layers predict for each token from its sound. The token itself is first"
        f" for {first} of {len(pairs)} tokens, and within the {len(places)} for {within}."
    )
    return _table("candidates", ("token", *map(str, places)), rows, note)


def methods_table(seen: Analysis) -> str:
    """Return the times of the words by each method, and how far each is from the chosen one."""
    names = list(seen.by_method)
    columns = [seen.by_method[name].words for name in names]
    rows = (
        (escape(words[0].word), *(f"{word.start:.2f} - {word.end:.2f}" for word in words))
        for words in zip(*columns, strict=True)
    )
    apart = "; ".join(
        f"{name} {distance(columns[0], words):.0f} ms"
        for name, words in zip(names[1:], columns[1:], strict=True)
    )
    note = f"Mean distance of the boundaries from those of {names[0]}: {apart}." if apart else ""
    return _table("methods", ("word", *(f"{name}, s" for name in names)), rows, note)


def distance(one: Sequence[Word], other: Sequence[Word]) -> float:
    """Return the mean distance of the starts and ends of the same words, in ms."""
    times = [np.array([word[1:] for word in words]) for words in (one, other)]
    return float(1000 * np.abs(times[0] - times[1]).mean())


def summary(seen: Analysis) -> str:
    """Return one line about the alignment, the warning if it is in doubt, and the notes."""
    found = seen.chosen
    count = len(found.words)
    line = (
        f"{count} word{'s' * (count > 1)} in {found.duration:.2f} s, aligned by {found.method}."
        f" Confidence {_number(found.confidence)}."
    )
    parts = [f"<p>{' '.join([line, *map(escape, seen.notes)])}</p>"]
    if seen.doubted:
        cause = (
            "the transcript may not belong to this recording"
            if seen.read is None
            else "the words may not be read correctly"
        )
        parts.append(
            f'<p class="doubt" role="alert">The confidence {_number(found.confidence)} is below'
            f" {seen.limit:.2f}: {cause}.</p>"
        )
    return "".join(parts)


def _confidence(score: float | None, limit: float) -> str:
    """Return a bar with its number; another color below the limit."""
    if score is None:
        return "-"
    doubt = " low" if score < limit else ""
    width = round(100 * min(max(score, 0.0), 1.0))
    bar = f'<span class="meter{doubt}"><span style="width:{width}%"></span></span>'
    return f'{bar}<span class="number{doubt}">{score:.2f}</span>'


def _number(score: float | None) -> str:
    return "-" if score is None else f"{score:.2f}"


def _table(name: str, columns: Sequence[str], rows: Iterable[Sequence[str]], note: str = "") -> str:
    """Return a table with a class; cells are HTML."""
    head = "".join(f'<th scope="col">{column}</th>' for column in columns)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    text = f"<p>{escape(note)}</p>" if note else ""
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    return f'{text}<div class="scroll {name}">{table}</div>'
