"""More recordings of people, which are fetched on request: spontaneous speech and prompts.

The spontaneous speech (113 s, three men, one of them with and without a cold) is that of the
Montreal Forced Aligner's tests. The telephone prompts (12 minutes, one woman) are those of Debian's
asterisk-core-sounds-en, G.722 at 16 kHz. Neither has word times. They are for development and
evaluation, never for training; the prompts' licence, CC-BY-SA-3.0, might cover the weights too.
"""

import gzip
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from espnet_wabert.constants import SAMPLE_RATE
from espnet_wabert.errors import UserError
from espnet_wabert.mini.debian import fetch_debian
from espnet_wabert.mini.real_speech import Recording, read_any_audio
from espnet_wabert.mini.sources import MORE_SOURCES, default_folder, fetch_sources, source_folder

OPTION = "--more_speech"  # of bin.fetch_sources
PACKAGES = ("asterisk-core-sounds-en", "asterisk-core-sounds-en-g722")  # transcripts, recordings
SOUNDS = Path("asterisk/sounds/en_US_f_Allison")
LISTING = Path("doc/asterisk-core-sounds-en/core-sounds-en.txt.gz")
LEAST = 3  # words


def spontaneous(sources: Path | None = None) -> Iterator[Recording]:
    """The 13 recordings of the Montreal Forced Aligner's tests; noises are left out of the text."""
    folder = source_folder("spontaneous", sources, OPTION)
    for file in sorted([*folder.glob("*.wav"), *folder.glob("*.flac")]):
        transcript = file.with_suffix(".lab" if file.suffix == ".wav" else ".txt")
        text = re.sub(r"\[.*?\]|<.*?>", " ", transcript.read_text(encoding="utf-8"))
        text = " ".join(text.upper().split())
        speaker = file.stem.rstrip("_0123456789")
        yield Recording(file.stem, speaker, read_any_audio(file), text, None)


def fetch_more(sources: Path | None = None) -> list[str]:
    """Download what is missing of both sets and return the names of what was fetched."""
    fetched = fetch_sources(sources, MORE_SOURCES)
    if fetch_debian(PACKAGES, "prompts", (SOUNDS, LISTING), sources):
        fetched.append("prompts")
    return fetched


def more_recordings(
    sources: Path | None = None,
) -> dict[str, Callable[[], Iterator[Recording]]]:
    """Return the sets that were fetched."""
    folder = Path(sources or default_folder())
    return {name: read for name, read in MORE.items() if (folder / name).is_dir()}


def prompts(sources: Path | None = None) -> Iterator[Recording]:
    """The prompts of three words or more that the listing spells as they are said."""
    folder = source_folder("prompts", sources, OPTION)
    with gzip.open(folder / LISTING, "rt", encoding="utf-8") as lines:
        for line in lines:
            name, _, said = line.strip().partition(": ")
            text = spoken(said)
            file = folder / SOUNDS / f"{name}.g722"
            if text is not None and file.is_file():
                yield Recording(name.replace("/", "_"), "allison", read_g722(file), text, None)


def spoken(said: str) -> str | None:
    """Upper-case words of a prompt; None if it is short, or has signs that are read as words.

    Such are digits, `*` and addresses; a description of a sound stands in brackets.
    """
    if re.search(r"[^A-Za-z .,!?;:'-]|\w\.\w", said):
        return None
    words = re.sub(r"[^A-Z']", " ", said.upper()).split()
    return " ".join(words) if len(words) >= LEAST else None


def read_g722(file: Path) -> np.ndarray:
    """Return the int16 samples of a G.722 file without a header."""
    import av

    try:
        with av.open(str(file), format="g722") as container:
            frames = [frame.to_ndarray().reshape(-1) for frame in container.decode(audio=0)]
            rates = {stream.rate for stream in container.streams.audio}
    except (av.FFmpegError, OSError) as error:
        raise UserError(f"{file}: cannot be read as G.722 ({error})") from error
    if not frames or rates != {SAMPLE_RATE}:
        raise UserError(f"{file}: no samples at {SAMPLE_RATE} Hz")
    return np.concatenate(frames)


MORE = {"spontaneous": spontaneous, "prompts": prompts}
