"""TIMIT (LDC93S1) as a data folder with its manual word times.

Layout: `TIMIT/{TRAIN,TEST}/DR1-8/<speaker>/<sentence>.{WAV,TXT,WRD,PHN}`, NIST SPHERE at 16 kHz,
names in upper or lower case. The transcript consists of the words of .WRD.
"""

import os
import re
from pathlib import Path

from espnet_wabert.corpora.assemble import Assembled, Utterance, finish
from espnet_wabert.corpora.rejects import Rejects
from espnet_wabert.errors import UserError
from espnet_wabert.formats.word import Word
from espnet_wabert.formats.word_files import read_wrd, timit_utterance
from espnet_wabert.text.normalization import normalize
from espnet_wabert.workers.workers import HERE, Workers

SPLITS = ("train", "test", "core")

# The 24 speakers of the core test set, two men and one woman of each dialect region.
CORE_SPEAKERS = frozenset(
    "mdab0 mwbt0 felc0 mtas1 mwew0 fpas0 mjmp0 mlnt0 fpkt0 mlll0 mtls0 fjlm0 "
    "mbpm0 mklt0 fnlp0 mcmj0 mjdh0 fmgd0 mgrt0 mnjm0 fdhc0 mjln0 mpam0 fmld0".split()
)

# Number of utterances of the official splits, with and without the two SA sentences.
OFFICIAL_COUNTS = {
    ("train", True): 4620,
    ("train", False): 3696,
    ("test", True): 1680,
    ("test", False): 1344,
    ("core", True): 240,
    ("core", False): 192,
}


def prepare_timit(
    corpus: str | Path,
    split: str,
    out: str | Path,
    sa: bool = False,
    skip_bad: bool = False,
    workers: Workers = HERE,
) -> Assembled:
    """Write the data folder `out` from a split of `corpus` (the folder TIMIT)."""
    if split not in SPLITS:
        raise UserError(f"--split {split}: one of {', '.join(SPLITS)}")
    rejects = Rejects()
    utterances = read_split(os.path.abspath(corpus), split, sa, rejects)
    folder, summary = finish(utterances, rejects, out, skip_bad, workers)
    official = OFFICIAL_COUNTS[split, sa]
    if len(utterances) != official:
        summary += f"; {len(utterances)} label files (the official split has {official})"
    return Assembled(folder, summary)


def read_split(corpus: str, split: str, sa: bool, rejects: Rejects) -> list[Utterance]:
    """Return the utterances of a split; audio without labels goes to `rejects`."""
    if not os.path.isdir(corpus):
        raise UserError(f"{corpus}: no such folder; --corpus is the folder TIMIT")
    folder = "train" if split == "train" else "test"
    here = _listing(corpus)
    if folder not in here:
        raise UserError(f"{corpus}: no folder {folder.upper()} in it; --corpus is the folder TIMIT")
    utterances = []
    for region, region_path in sorted(_listing(here[folder]).items()):
        if not re.fullmatch(r"dr[1-8]", region):
            continue
        for speaker, path in sorted(_listing(region_path).items()):
            if os.path.isdir(path) and (split != "core" or speaker in CORE_SPEAKERS):
                utterances.extend(_read_speaker(speaker, path, sa, rejects))
    if not utterances and not len(rejects):
        raise UserError(f"{here[folder]}: no DR1-8/<speaker>/*.WRD of the split {split}")
    return utterances


def _listing(folder: str) -> dict[str, str]:
    """Return the paths in a folder by lower-case name, but hidden files (._SX1.WAV of macOS)."""
    listing: dict[str, str] = {}
    for entry in os.scandir(folder):
        name = entry.name.lower()
        if name.startswith("."):
            continue
        if name in listing:
            raise UserError(f"{entry.path}: the same name as {listing[name]}, but for case")
        listing[name] = entry.path
    return listing


def _read_speaker(speaker: str, path: str, sa: bool, rejects: Rejects) -> list[Utterance]:
    files = _listing(path)
    sentences = {name.split(".")[0] for name in files if name.endswith((".wav", ".wrd"))}
    utterances = []
    for sentence in sorted(sentences):
        if sentence.startswith("sa") and not sa:
            continue
        utt = timit_utterance(Path(path, sentence))
        labels = files.get(f"{sentence}.wrd")
        # Some copies have RIFF files SA1.WAV.wav, with or without SA1.WAV.
        audio = files.get(f"{sentence}.wav") or files.get(f"{sentence}.wav.wav")
        if labels is None:
            rejects.add(utt, "audio without transcript", f"{audio}: no .WRD in its folder")
            continue
        words = _words(labels)
        utterances.append(
            Utterance(
                utt,
                speaker.upper(),
                audio or f"{os.path.splitext(labels)[0]}.WAV",
                labels,
                text=" ".join(word.word for word in words),
                words=words or None,
            )
        )
    return utterances


def _words(labels: str) -> tuple[Word, ...]:
    """Return the words of a .WRD file sorted by start; a few overlap."""
    (words,) = read_wrd(Path(labels)).values()
    words.sort(key=lambda word: word.start)
    return tuple(word._replace(word=normalize(word.word)) for word in words)
