"""LibriSpeech (OpenSLR 12) as a data folder, with word times if there are alignment files.

Layout: `LibriSpeech/<part>/<speaker>/<chapter>/<speaker>-<chapter>-NNNN.flac`, with
`<speaker>-<chapter>.trans.txt` and optionally `<speaker>-<chapter>.alignment.txt` in its folder.
"""

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from espnet_wabert.corpora.assemble import Assembled, Utterance, finish
from espnet_wabert.corpora.rejects import Rejects
from espnet_wabert.errors import UserError
from espnet_wabert.formats.lines import fields_of, numbered_lines
from espnet_wabert.formats.word import Word
from espnet_wabert.formats.word_files import read_librispeech
from espnet_wabert.text.normalization import normalize
from espnet_wabert.workers.workers import HERE, Workers

# Number of utterances of the official parts.
OFFICIAL_COUNTS = {
    "train-clean-100": 28539,
    "train-clean-360": 104014,
    "train-other-500": 148688,
    "dev-clean": 2703,
    "dev-other": 2864,
    "test-clean": 2620,
    "test-other": 2939,
}


class Chapter(NamedTuple):
    """One chapter folder: `name` is `<speaker>-<chapter>`."""

    name: str
    folder: str
    files: frozenset[str]


def prepare_librispeech(
    corpus: str | Path,
    parts: Iterable[str],
    out: str | Path,
    word_times: bool = True,
    skip_bad: bool = False,
    workers: Workers = HERE,
) -> Assembled:
    """Write the data folder `out` from the `parts` of `corpus` (the folder LibriSpeech).

    Without `word_times` alignment files are ignored: they are for scoring, and those of 960 hours
    need 3 GB of memory.
    """
    corpus = os.path.abspath(corpus)
    if not os.path.isdir(corpus):
        raise UserError(f"{corpus}: no such folder; --corpus is the folder LibriSpeech")
    parts = list(parts)
    if len(set(parts)) != len(parts):
        raise UserError(f"--parts: a part is named twice in {','.join(parts)}")
    rejects = Rejects()
    utterances: list[Utterance] = []
    notes = ""
    for part in parts:
        found = read_part(corpus, part, rejects, word_times)
        utterances.extend(found.utterances)
        notes += f"; {part}: {len(found.utterances)} transcripts"
        if len(found.utterances) != OFFICIAL_COUNTS.get(part, len(found.utterances)):
            notes += f" (the official part has {OFFICIAL_COUNTS[part]})"
        if found.unmatched:
            notes += f", {found.unmatched} alignments dropped: not the transcript's words"
        if found.unknown:
            notes += f", {found.unknown} alignments of unknown utterances"
        if found.empty:
            notes += f", {found.empty} empty alignment files"
        if found.textgrids:
            notes += f", {found.textgrids} TextGrid files ignored: word times are *.alignment.txt"
    folder, summary = finish(utterances, rejects, out, skip_bad, workers)
    return Assembled(folder, summary + notes)


class Part(NamedTuple):
    """The utterances of a part, and counts of alignments that are not used."""

    utterances: list[Utterance]
    unmatched: int  # of another transcript
    unknown: int  # of an utterance without transcript
    empty: int  # files without an alignment
    textgrids: int  # files of another layout of the word times


def read_part(corpus: str, part: str, rejects: Rejects, word_times: bool = True) -> Part:
    """Return every transcript of a part; audio without one goes to `rejects`."""
    folder = os.path.join(corpus, part)
    if not os.path.isdir(folder):
        there = ", ".join(sorted(e.name for e in os.scandir(corpus) if e.is_dir())) or "nothing"
        raise UserError(f"{folder}: no such part; {corpus} holds {there}")
    utterances: list[Utterance] = []
    unmatched = unknown = empty = textgrids = 0
    for chapter in _chapters(folder):
        found = _read_transcripts(chapter, rejects)
        times = _read_alignment(chapter) if word_times else None
        empty += times == {}
        textgrids += word_times and sum(name.endswith(".TextGrid") for name in chapter.files)
        times = times or {}
        unknown += len(times.keys() - {utterance.utt for utterance in found})
        for utterance in found:
            words = times.get(utterance.utt)
            if words and " ".join(word.word for word in words) == utterance.text:
                utterance = utterance._replace(words=words)
            elif words is not None:
                unmatched += 1
            utterances.append(utterance)
    if not utterances:
        raise UserError(f"{folder}: no transcripts (<speaker>/<chapter>/*.trans.txt) in this part")
    return Part(utterances, unmatched, unknown, empty, textgrids)


def _chapters(part: str) -> Iterable[Chapter]:
    for speaker in _folders(part):
        for chapter in _folders(speaker.path):
            with os.scandir(chapter.path) as entries:
                files = frozenset(entry.name for entry in entries)
            yield Chapter(f"{speaker.name}-{chapter.name}", chapter.path, files)


def _folders(path: str) -> list[os.DirEntry]:
    with os.scandir(path) as entries:
        return sorted((e for e in entries if e.is_dir()), key=lambda entry: entry.name)


def _read_transcripts(chapter: Chapter, rejects: Rejects) -> list[Utterance]:
    """The utterances of `<chapter>.trans.txt`, lines `ID UPPERCASE TEXT`."""
    name = f"{chapter.name}.trans.txt"
    path = os.path.join(chapter.folder, name)
    speaker = chapter.name.split("-")[0]
    utterances = []
    for number, line in numbered_lines(path) if name in chapter.files else ():
        utt, *rest = fields_of(line, 1)
        text = rest[0] if rest else ""
        if not utt.startswith(f"{chapter.name}-"):
            raise UserError(
                f"{path}:{number}: id {utt!r} does not begin with {chapter.name}-, its folder"
            )
        audio = os.path.join(chapter.folder, f"{utt}.flac")
        utterances.append(Utterance(utt, speaker, audio, f"{path}:{number}", normalize(text)))
    named = {f"{utterance.utt}.flac" for utterance in utterances}
    for name in sorted(chapter.files - named):
        if name.endswith(".flac") and not name.startswith("."):  # macOS adds ._NAME.flac
            audio = os.path.join(chapter.folder, name)
            rejects.add(name.removesuffix(".flac"), "audio without transcript", audio)
    return utterances


def _read_alignment(chapter: Chapter) -> dict[str, tuple[Word, ...]] | None:
    """Word times of `<chapter>.alignment.txt`, with words as in the transcripts; or None."""
    name = f"{chapter.name}.alignment.txt"
    if name not in chapter.files:
        return None
    times = read_librispeech(Path(chapter.folder, name))
    return {
        utt: tuple(Word(sys.intern(normalize(word)), start, end) for word, start, end in words)
        for utt, words in times.items()
    }
