"""Recordings of people in packages: AN4 (espnet's wheel), and three sets that are fetched.

They are transcribed, and are for development and evaluation, never for training. The LibriVox
utterances have word times of pocketsphinx, in steps of 10 ms; LibriVox and the cards are test files
of that package. The sentences are examples of praatio and promo, with word times that these
packages give, and are cut close to the words.
"""

import importlib.util
import io
import json
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from espnet_wabert.constants import SAMPLE_RATE
from espnet_wabert.errors import UserError
from espnet_wabert.formats.audio import read_mono, resample, to_int16
from espnet_wabert.formats.kaldi import DataFolder, write_folder
from espnet_wabert.formats.textgrid import read_textgrid
from espnet_wabert.formats.word import Word
from espnet_wabert.mini.sources import source_folder
from espnet_wabert.text.normalization import normalize

# Recordings and word times of the packages; mary1 and mary2 of promo have times of an aligner.
SENTENCES = {
    "praatio": {"bobby": "bobby_words", "mary": "mary", "damon_set_test": "damon_set_test"},
    "promo": {name: name for name in ("carrots1", "carrots2", "oranges", "pickles")},
}
AN4_ARCHIVE = ("mini_an4", "esp2_asr", "downloads.tar.gz")  # below the wheel's `egs3`


class Recording(NamedTuple):
    """One recorded utterance."""

    utterance: str  # id
    speaker: str
    audio: np.ndarray  # (samples,) int16 at `SAMPLE_RATE`
    text: str  # upper-case words
    words: list[tuple[str, float, float]] | None  # word, start and end in seconds


def read_audio(file, name: str) -> np.ndarray:
    """Return the samples of a 16 kHz mono file (WAV, FLAC or SPHERE)."""
    import soundfile

    try:
        audio, rate = soundfile.read(file, dtype="int16")
    except soundfile.LibsndfileError as error:
        raise UserError(f"{name}: cannot be read as audio ({error})") from error
    if rate != SAMPLE_RATE or audio.ndim != 1:
        raise UserError(
            f"{name}: {rate} Hz, shape {audio.shape}, not {SAMPLE_RATE} Hz and one channel"
        )
    return audio


def read_any_audio(file: Path) -> np.ndarray:
    """Return the samples of a file of any rate and number of channels, as those of `read_audio`."""
    return to_int16(resample(*read_mono(str(file)), SAMPLE_RATE))


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = tar.extractfile(member)
    assert file is not None  # the member is a file
    return file.read()


def parse_transcription(line: str) -> tuple[str, str]:
    """Utterance id and upper-case text of a line such as `<s> YES </s> (an251-fash-b)`."""
    match = re.fullmatch(r"(.*)\(([^()\s]+)\)\s*", line)
    if not match:
        raise UserError(f"transcription line {line!r}: no id in brackets at its end")
    text = re.sub(r"</?s>", " ", match[1]).upper()
    return match[2], " ".join(text.split())


def an4(archive: Path | None = None) -> Iterator[Recording]:
    """The seven AN4 utterances (13 s) in espnet's wheel; no word times."""
    archive = archive or _an4_archive()
    with tarfile.open(archive) as tar:
        members = {m.name: m for m in tar if m.isfile()}
        audio = {Path(name).stem: m for name, m in members.items() if name.endswith(".sph")}
        for listing in sorted(name for name in members if name.endswith(".transcription")):
            for line in _content(tar, members[listing]).decode().splitlines():
                utterance, text = parse_transcription(line)
                if utterance not in audio:
                    raise UserError(f"{archive}:{listing}: no audio for {utterance}")
                data = io.BytesIO(_content(tar, audio[utterance]))
                speaker = Path(audio[utterance].name).parent.name
                yield Recording(utterance, speaker, read_audio(data, utterance), text, None)


def _an4_archive() -> Path:
    spec = importlib.util.find_spec("egs3")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        archive = Path(folder).joinpath(*AN4_ARCHIVE)
        if archive.is_file():
            return archive
    raise UserError("espnet's wheel with egs3/mini_an4 (AN4 recordings) is not installed")


def librivox(sources: Path | None = None) -> Iterator[Recording]:
    """The five LibriVox utterances (25 s, one reader) of pocketsphinx's tests, with word times."""
    folder = source_folder("librivox", sources)
    for line in (folder / "transcription").read_text().splitlines():
        utterance, text = parse_transcription(line)
        audio = read_audio(folder / f"{utterance}.wav", f"{utterance}.wav")
        words = parse_words(json.loads((folder / f"{utterance}.json").read_text()))
        if [word for word, _, _ in words] != text.split():
            raise UserError(f"{folder}: word times and transcript of {utterance} differ")
        yield Recording(utterance, "austen", audio, text, words)


def cards(sources: Path | None = None) -> Iterator[Recording]:
    """The five utterances (9 s, one speaker) that name playing cards; no word times."""
    folder = source_folder("cards", sources)
    for line in (folder / "cards.transcription").read_text().splitlines():
        utterance, text = parse_transcription(line)
        audio = read_audio(folder / f"{utterance}.wav", f"{utterance}.wav")
        yield Recording(utterance, "cards", audio, text, None)


def sentences(sources: Path | None = None) -> Iterator[Recording]:
    """The seven sentences (11 s, several speakers) of praatio's and promo's examples."""
    for package, files in SENTENCES.items():
        folder = source_folder(package, sources)
        for name, times in files.items():
            audio = read_any_audio(folder / f"{name}.wav")
            words = next(iter(read_textgrid(folder / f"{times}.TextGrid").values()))
            spoken = [(w.word.upper(), w.start, w.end) for w in words]
            yield Recording(name, package, audio, " ".join(w for w, _, _ in spoken), spoken)


def parse_words(found: dict) -> list[tuple[str, float, float]]:
    """Words and times of pocketsphinx's JSON; silences and pronunciation numbers are dropped."""
    words = []
    for entry in found["w"]:
        if entry["t"].startswith("<"):
            continue
        word = re.sub(r"\(\d+\)$", "", entry["t"]).upper()
        words.append((word, round(entry["b"], 3), round(entry["b"] + entry["d"], 3)))
    return words


def write_recordings(recordings: Iterator[Recording], out: Path) -> int:
    """Write a Kaldi data folder with its audio in `out`/wav; return the number of utterances.

    Ids begin with the speaker id; words.ctm is written if the recordings have word times.
    """
    import soundfile

    out = Path(out).resolve()
    (out / "wav").mkdir(parents=True, exist_ok=True)
    wav, speakers, text, times = {}, {}, {}, {}
    for recording in recordings:
        name = f"{recording.speaker}-{recording.utterance}"
        wav[name] = str(out / "wav" / f"{name}.wav")
        soundfile.write(wav[name], recording.audio, SAMPLE_RATE, subtype="PCM_16")
        speakers[name], text[name] = recording.speaker, normalize(recording.text)
        if recording.words is not None:
            spoken = [Word(normalize(word), start, end) for word, start, end in recording.words]
            times[name] = tuple(spoken)
    write_folder(DataFolder(wav, speakers, text, words=times or None), out)
    return len(wav)


RECORDINGS = {"librivox": librivox, "an4": an4, "cards": cards, "sentences": sentences}
