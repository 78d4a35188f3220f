"""Addresses of the corpora; download and unpack them."""

import gzip
import shutil
import zlib
from collections.abc import Iterable
from pathlib import Path

from espnet_wabert.corpora.download import PATIENT, Archive, Waits, fetch
from espnet_wabert.corpora.slue_hub import is_hub_copy
from espnet_wabert.corpora.unpack import unpack
from espnet_wabert.errors import UserError
from espnet_wabert.formats.lines import numbered_lines

LIBRISPEECH_URL = "https://www.openslr.org/resources/12"
LIBRISPEECH_MD5 = {
    "train-clean-100": "2a93770f6d5c6c964bc36631d331a522",
    "train-clean-360": "c0e676e450a7ff2f54aeade5171606fa",
    "train-other-500": "d1a0fd59409feb2c614ce4d30c387708",
    "dev-clean": "42e2234ba48799c1f50f24a7926300a1",
    "dev-other": "c8d0bcc9cca99d4f8b62fcc847357931",
    "test-clean": "32fa31d27d2e1cad72775fee3f4849a9",
    "test-other": "fb5a50374b501bb3bac4815ee91d3135",
}

# Size of the archives, and of their files, which are compressed already.
LIBRISPEECH_GB = {
    "train-clean-100": 6.4,
    "train-clean-360": 23.1,
    "train-other-500": 30.6,
    "dev-clean": 0.34,
    "dev-other": 0.32,
    "test-clean": 0.35,
    "test-other": 0.33,
}

# N-grams over LibriSpeech's books (OpenSLR 11), in capitals as wav2vec 2.0's letters are. The SLUE
# toolkit's own, over TED-LIUM 3, would have to be estimated from a 56 GB download.
NGRAM_URL = "https://www.openslr.org/resources/11"
NGRAMS = ("3-gram.pruned.3e-7", "3-gram.pruned.1e-7", "3-gram", "4-gram")

# Folder and file of each version; no checksums are published.
SLUE_ARCHIVES = {
    "v0.2": (
        "https://public-dataset-model-store.awsdev.asapp.com/users/sshon/public/slue",
        "slue-voxceleb_v0.2_blind.zip",
    ),
    "v0.1": ("https://papers-slue.awsdev.asapp.com", "slue-voxceleb_blind.tar.gz"),
}


SLUE_GB = 2.5  # of either archive


def read_md5sums(path: Path) -> dict[str, str]:
    """Return the checksum of each part from lines `MD5 PART.tar.gz`, as md5sum writes them."""
    sums = {}
    for number, line in numbered_lines(path):
        digest, _, name = line.partition(" ")
        if len(digest) != 32 or not name.strip():
            raise UserError(f"{path}:{number}: not 'MD5 NAME': {line!r}")
        part = Path(name.strip().lstrip("*")).name.removesuffix(".tar.gz")
        sums[part] = digest.lower()
    return sums


def download_librispeech(
    parts: Iterable[str],
    out: Path,
    base_url: str = LIBRISPEECH_URL,
    md5: dict[str, str] | None = None,
    remove_archives: bool = False,
    waits: Waits = PATIENT,
) -> Path:
    """Download `parts` of LibriSpeech to `out`/LibriSpeech; return it."""
    md5 = LIBRISPEECH_MD5 if md5 is None else md5
    parts = list(parts)
    for part in parts:
        if part not in md5:
            raise UserError(f"--parts: {part!r} is not one of {', '.join(md5)}")
    archives = {
        part: Archive(f"{part}.tar.gz", f"{base_url.rstrip('/')}/{part}.tar.gz", md5[part])
        for part in parts
    }
    roots = {part: out / "LibriSpeech" / part for part in parts}
    missing = [p for p in parts if not _complete(archives[p], out, roots[p], p)]
    if md5 is LIBRISPEECH_MD5:  # another list is that of other archives
        require_space(out, _gigabytes(missing, out, remove_archives))
    for part in parts:
        _download_and_unpack(archives[part], out, roots[part], part, remove_archives, waits)
    return out / "LibriSpeech"


def _gigabytes(parts: list[str], out: Path, remove_archives: bool) -> float:
    """Return the space that is still needed: archives, and as much again for what is in them."""
    sizes = [LIBRISPEECH_GB[part] for part in parts]
    archives = max(sizes, default=0.0) if remove_archives else sum(sizes)
    there = sum(_downloaded(out, f"{part}.tar.gz*") for part in parts)
    return sum(sizes) + archives - there


def _downloaded(out: Path, names: str) -> float:
    """Return the size of the archives in a folder, in GB."""
    return sum(path.stat().st_size / 1e9 for path in out.glob(names) if path.is_file())


def download_ngram(
    name: str, out: Path, base_url: str | None = None, waits: Waits = PATIENT
) -> Path:
    """Download one of `NGRAMS` to `out`; return the unpacked .arpa file."""
    if name not in NGRAMS:
        raise UserError(f"--name: {name!r} is not one of {', '.join(NGRAMS)}")
    target = out / f"{name}.arpa"
    if not target.is_file():
        archive = f"{name}.arpa.gz"
        url = f"{(base_url or NGRAM_URL).rstrip('/')}/{archive}"
        packed = fetch(Archive(archive, url, None), out, waits)
        partial = target.with_suffix(".part")
        try:
            with gzip.open(packed) as source, partial.open("wb") as unpacked:
                shutil.copyfileobj(source, unpacked)
        except (OSError, EOFError, zlib.error) as error:
            raise UserError(f"{packed}: not a whole gzip file: {error}; remove it") from error
        partial.replace(target)
        packed.unlink()
    return target


def download_slue(
    version: str,
    out: Path,
    base_url: str | None = None,
    remove_archives: bool = False,
    waits: Waits = PATIENT,
) -> Path:
    """Download SLUE-VoxCeleb to `out`; return the folder with its tables."""
    if version not in SLUE_ARCHIVES:
        raise UserError(f"--version {version!r}: one of {', '.join(SLUE_ARCHIVES)}")
    root = out / "slue-voxceleb"
    label = f"slue-voxceleb_{version}"
    for other, (_, name) in SLUE_ARCHIVES.items():
        begun = root.is_dir() and not was_downloaded(out, label) and _download_began(out, name)
        if other != version and (begun or was_downloaded(out, f"slue-voxceleb_{other}")):
            raise UserError(f"{out}: holds {other} already; give each version its own --out")
    folder, name = SLUE_ARCHIVES[version]
    archive = Archive(name, f"{(base_url or folder).rstrip('/')}/{name}", None)
    if base_url is None and not _complete(archive, out, root, label):
        require_space(out, 2 * SLUE_GB - _downloaded(out, "slue-voxceleb*"))
    _download_and_unpack(archive, out, root, label, remove_archives, waits)
    return root


def _marker(out: Path, label: str) -> Path:
    return out / f".{label}.done"


def was_downloaded(out: Path, label: str) -> bool:
    """Return whether a part, or `slue-voxceleb_VERSION`, was downloaded to `out` and unpacked."""
    return _marker(out, label).exists()


def _download_began(out: Path, archive: str) -> bool:
    return (out / archive).exists() or (out / f"{archive}.part").exists()


def _complete(archive: Archive, out: Path, root: Path, label: str) -> bool:
    """Return whether `root` was unpacked before, or is the user's own."""
    if was_downloaded(out, label):
        return root.is_dir()
    return not _download_began(out, archive.name) and _has_content(root)


def _has_content(root: Path) -> bool:
    """Return whether a folder holds transcripts of LibriSpeech, or SLUE's training set."""
    if (root / "fine-tune_raw").is_dir() and (root / "slue-voxceleb_fine-tune.tsv").is_file():
        return True
    return any(root.glob("*/*/*.trans.txt")) or is_hub_copy(root)


def require_space(out: Path, gigabytes: float) -> None:
    """Raise UserError if the disk of `out` has less free space."""
    out.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(out).free / 1e9
    if free < gigabytes:
        raise UserError(
            f"{out}: {free:.0f} GB are free, the corpus needs {gigabytes:.0f} GB while it is"
            " unpacked; --remove_archives true removes each archive after that"
        )


def _download_and_unpack(
    archive: Archive, out: Path, root: Path, label: str, remove_archives: bool, waits: Waits
) -> None:
    """Download and unpack archives that make the folder `root`, unless it is complete."""
    if _complete(archive, out, root, label):
        return
    path = fetch(archive, out, waits)
    unpack(path, out)
    if not root.is_dir():
        raise UserError(f"{path}: unpacked, but there is no {root} now: another layout?")
    _marker(out, label).touch()
    if remove_archives:
        path.unlink()
