"""Addresses of the corpora; download and unpack them."""

import gzip
import shutil
from collections.abc import Iterable
from pathlib import Path

from espnet_wabert.corpora.download import PATIENT, Archive, Waits, fetch
from espnet_wabert.corpora.unpack import unpack
from espnet_wabert.errors import UserError

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
    for part in parts:
        name = f"{part}.tar.gz"
        archive = Archive(name, f"{base_url.rstrip('/')}/{name}", md5[part])
        _bring(archive, out, out / "LibriSpeech" / part, part, remove_archives, waits)
    return out / "LibriSpeech"


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
        except (OSError, EOFError) as error:
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
    for other in SLUE_ARCHIVES.keys() - {version}:
        if _marker(out, f"slue-voxceleb_{other}").exists():
            raise UserError(f"{out}: holds {other} already; give each version its own --out")
    folder, name = SLUE_ARCHIVES[version]
    archive = Archive(name, f"{(base_url or folder).rstrip('/')}/{name}", None)
    root = out / "slue-voxceleb"
    _bring(archive, out, root, f"slue-voxceleb_{version}", remove_archives, waits)
    return root


def _marker(out: Path, label: str) -> Path:
    return out / f".{label}.done"


def _bring(
    archive: Archive, out: Path, root: Path, label: str, remove_archives: bool, waits: Waits
) -> None:
    """Download and unpack archives that make the folder `root`, unless its marker exists."""
    if _marker(out, label).exists() and root.is_dir():
        return
    path = fetch(archive, out, waits)
    unpack(path, out)
    if not root.is_dir():
        raise UserError(f"{path}: unpacked, but there is no {root} now: another layout?")
    _marker(out, label).touch()
    if remove_archives:
        path.unlink()
