"""Small corpora in the official layouts, for tests: real audio files, invented content."""

from pathlib import Path

import numpy as np
import soundfile

from espnet_wabert.corpora.download import Waits
from espnet_wabert.corpora.slue_voxceleb import prepare_slue
from espnet_wabert.formats.kaldi import DataFolder, read_folder

QUICK = Waits(tries=3, seconds=0.01)  # for a server on this machine
SLUE_COLUMNS = (
    "id",
    "normalized_text",
    "speaker_id",
    "split",
    "sentiment",
    "start_second",
    "end_second",
)
BLIND_COLUMNS = ("id", "speaker_id", "split")
LABELS = ["Neutral", "Positive", "<mixed>", "Negative", "Disagreement", "", "Neutral"]  # of SLUE

VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "good", "bad"]
VOCABULARY += [f"{mark}{letter}" for mark in ("", "##") for letter in "abcdefghijklmnopqrstuvwxyz'"]


def noise(seconds: float, rate: int = 16000, channels: int = 1, seed: int = 0) -> np.ndarray:
    """Colored noise, (samples,) or (samples, channels), peak 0.5."""
    shape = (round(seconds * rate), channels)
    samples = np.cumsum(np.random.default_rng(seed).normal(size=shape), axis=0)
    samples -= np.linspace(samples[0], samples[-1], len(samples))
    samples *= 0.5 / np.abs(samples).max()
    return samples[:, 0] if channels == 1 else samples


def write_audio(
    path: Path, seconds: float = 0.5, rate: int = 16000, channels: int = 1, format: str = "FLAC"
) -> Path:
    """One audio file whose samples depend on its name only."""
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = noise(seconds, rate, channels, seed=sum(path.stem.encode()))
    soundfile.write(path, samples, rate, format=format, subtype="PCM_16")
    return path


def make_librispeech(root: Path, part: str = "train-clean-100", speakers=("19", "198")) -> Path:
    """Two utterances in each of two chapters of each speaker; alignments in the first chapters."""
    for speaker in speakers:
        for chapter in ("207", "209"):
            name = f"{speaker}-{chapter}"
            folder = root / "LibriSpeech" / part / speaker / chapter
            texts = {f"{name}-0000": "GO DO YOU HEAR", f"{name}-0001": "DON'T STOP"}
            for utt in texts:
                write_audio(folder / f"{utt}.flac", 1.0)
            lines = [f"{utt} {text}\n" for utt, text in texts.items()]
            (folder / f"{name}.trans.txt").write_text("".join(lines))
            if chapter == "207":
                (folder / f"{name}.alignment.txt").write_text(
                    f'{name}-0000 ",GO,,DO,YOU,HEAR," "0.1,0.25,0.3,0.4,0.55,0.8,1.0"\n'
                )
    return root / "LibriSpeech"


def make_timit(
    root: Path, split: str = "TEST", speaker: str = "MDAB0", lower: bool = False
) -> Path:
    """The sentences SA1 and SX49 of one speaker of DR1."""
    folder = root / "TIMIT" / split / "DR1" / speaker
    if lower:
        folder = root / "TIMIT" / str(folder.relative_to(root / "TIMIT")).lower()
    for sentence, words in {"SA1": ("She", "had"), "SX49": ("don't", "ask")}.items():
        stem = sentence.lower() if lower else sentence
        wav, wrd, txt = (
            f".{s}".lower() if lower else f".{s}".upper() for s in ("wav", "wrd", "txt")
        )
        write_audio(folder / f"{stem}{wav}", 1.0, format="NIST")
        (folder / f"{stem}{wrd}").write_text(f"1601 5603 {words[0]}\n5603 9001 {words[1]}\n")
        (folder / f"{stem}{txt}").write_text(f"0 16000 {' '.join(words).capitalize()}.\n")
    return root / "TIMIT"


def slue_rows(labels, speaker: str = "id10001", split: str = "dev") -> list[dict]:
    """One row for each label."""
    return [
        {
            "id": f"{speaker}_abc_{number:05d}",
            "normalized_text": f"word number {number}",
            "speaker_id": speaker,
            "split": split,
            "sentiment": label,
            "start_second": "0.25",
            "end_second": "0.75",
        }
        for number, label in enumerate(labels)
    ]


def make_slue(root: Path, split: str, rows: list[dict], columns=SLUE_COLUMNS, name="") -> Path:
    """A split's table and its audio (one second each)."""
    folder = root / "slue-voxceleb"
    for row in rows:
        write_audio(folder / f"{split}_raw" / f"{row['id']}.flac", 1.0)
    write_table(folder / f"slue-voxceleb_{name or split}.tsv", rows, columns)
    return folder


def prepare(corpus: Path, split: str = "dev", **options) -> tuple[DataFolder, str]:
    """Prepare a split of SLUE; return the data folder and the summary."""
    summary = prepare_slue(corpus, split, corpus.parent / "data", **options).summary
    return read_folder(corpus.parent / "data"), summary


def write_table(path: Path, rows: list[dict], columns=SLUE_COLUMNS) -> Path:
    """A table of tab-separated values with the columns in this order."""
    lines = ["\t".join(columns)] + ["\t".join(str(row[c]) for c in columns) for row in rows]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def cut(path: Path, share: float) -> Path:
    """Keep only the first `share` of a file's bytes."""
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path
