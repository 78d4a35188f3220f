"""Read and write Praat's TextGrids."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from espnet_wabert.errors import UserError
from espnet_wabert.formats.lines import decoded, replacing
from espnet_wabert.formats.textgrid_tiers import Interval, Tier, read_tiers
from espnet_wabert.formats.word import Word, WordTimes, checked_word, is_silence

SHORTEST = 0.001  # seconds; Praat has no empty intervals


def read_textgrid(path: Path, silent: list[str] | None = None) -> WordTimes:
    """Read the words of a TextGrid (long, short or JSON format); the file name is the utterance.

    The tier is `words` (Montreal Forced Aligner: `words` or `speaker - words`), in
    any letter case, or the only tier. Empty, `sil`, `sp` and `spn` intervals are silence; beside a
    tier `subwords`, which `wabert align` writes, only empty ones. Labels of silence that are not
    blank are added to `silent`.
    """
    path = Path(path)
    tiers = read_tiers(path, decoded(path))
    tier = _chosen(path, tiers)
    is_own = any(other.name == "subwords" for other in tiers)
    words = []
    for index, (start, end, label) in enumerate(tier.entries, start=1):
        if not label.strip():
            continue
        if is_own or not is_silence(label, in_tier=True):
            where = f"{path}: tier {tier.name}, interval {index}"
            words.append(checked_word(label, start, end, where))
        elif silent is not None:
            silent.append(label)
    return {path.stem: words}


def write_textgrid(
    path: str | Path, tiers: Mapping[str, Sequence[Word]], duration: float | None = None
) -> None:
    """Write one utterance's tiers (name -> intervals) as a TextGrid in the long format.

    `duration` (seconds) is that of the audio; without it the file ends with its last word. A word
    without a duration is written with 1 ms or less, because Praat rejects empty intervals.
    """
    from praatio import textgrid

    path = Path(path)
    end = math.inf if duration is None else duration
    drawn = {name: _drawable(words, end, f"{path}: tier {name}") for name, words in tiers.items()}
    last = max((end for entries in drawn.values() for _, end, _ in entries), default=0.0)
    last = max(last, duration or 0.0, SHORTEST)
    grid = textgrid.Textgrid(0.0, last)
    for name, entries in drawn.items():
        grid.addTier(textgrid.IntervalTier(name, entries, 0.0, last))
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        grid.save(str(temporary), "long_textgrid", includeBlankSpaces=True)


def _drawable(words: Sequence[Word], last: float, where: str) -> list[Interval]:
    """Return intervals with a duration, without overlap, of a recording of `last` seconds.

    Words without a duration have 1 ms each in the free time around them, or share what there is; if
    there is none, the word behind them, or the last one, gives 1 ms.
    """
    entries: list[Interval] = []
    previous_end = free = 0.0
    done = 0
    for run in _runs(words):
        word, done = run[0], done + len(run)
        if word.start < previous_end - SHORTEST:
            raise UserError(
                f"{where}: '{word.word}' starts at {word.start:g} s, before the word above ends "
                f"({previous_end:g} s); the intervals of a tier do not overlap"
            )
        start, end = max(word.start, free), word.end
        if end <= word.start:
            end = words[done].start if done < len(words) else max(last, end)
            start = max(free, min(start, end - SHORTEST * len(run)))
            if entries and done == len(words) and end - start < SHORTEST:
                start = max(end - SHORTEST, (entries[-1].start + entries[-1].end) / 2)
                entries[-1] = entries[-1]._replace(end=start)
            end = min(end, start + SHORTEST * len(run))
        room = max(end - start, SHORTEST)
        edges = [start + room * n / len(run) for n in range(len(run))] + [start + room]
        entries += map(Interval, edges, edges[1:], [w.word for w in run])
        previous_end, free = word.end, edges[-1]
    return entries


def _runs(words: Sequence[Word]) -> list[list[Word]]:
    """Part words, those without a duration at the same time together, each other one alone."""
    runs: list[list[Word]] = []
    for word in words:
        if runs and word.start == word.end == runs[-1][0].start == runs[-1][0].end:
            runs[-1].append(word)
        else:
            runs.append([word])
    return runs


def _chosen(path: Path, tiers: Sequence[Tier]) -> Tier:
    """Return the tier of words."""
    named = [tier for tier in tiers if tier.name.strip().lower() in ("words", "word")]
    named = named or [tier for tier in tiers if tier.name.strip().lower().endswith("- words")]
    if len(named) == 1:
        return named[0]
    if not named and len(tiers) == 1:
        return tiers[0]
    found = ", ".join(tier.name for tier in tiers) or "none"
    which = "more than one tier of words" if named else "no tier called 'words'"
    raise UserError(f"{path}: {which} among its interval tiers ({found})")
