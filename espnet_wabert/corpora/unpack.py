"""Unpack archives safely: no files outside the folder, complete files only."""

import gzip
import os
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from tqdm import tqdm

from espnet_wabert.errors import UserError, first_line

# What damaged archives raise. RuntimeError (encryption, an unknown method or version) and
# ValueError (a name that is no UTF-8) are of zip files.
DAMAGED = (
    tarfile.TarError, zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, EOFError, RuntimeError,
    ValueError,
)  # fmt: skip


def unpack(archive: Path, out: Path) -> None:
    """Unpack a .tar.gz or .zip into `out`.

    Files are unpacked to a temporary folder and moved at the end, so that an interrupted run
    leaves no partial result.
    """
    scratch = out / f".{archive.name}.unpacking"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    try:
        members = _unzip if archive.suffix == ".zip" else _untar
        for _ in tqdm(members(archive, scratch), desc=f"unpack {archive.name}", mininterval=1):
            pass
        _move(scratch, out)
    except DAMAGED as error:
        reason = first_line(error)
        raise UserError(f"{archive}: cannot be unpacked: {reason}; remove this file") from None
    except OSError as error:
        raise UserError(f"{archive}: cannot be unpacked into {out}: {error}") from None
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _untar(archive: Path, folder: Path) -> Iterator[str]:
    with gzip.open(archive) as raw:
        with tarfile.open(fileobj=raw, mode="r|") as tar:
            for member in tar:
                tar.extract(member, folder, filter="data")
                yield member.name
        while raw.read(1 << 20):  # to its end, where gzip compares its checksum
            pass


def _unzip(archive: Path, folder: Path) -> Iterator[str]:
    with zipfile.ZipFile(archive) as zipped:
        for member in zipped.infolist():
            zipped.extract(member, folder)
            yield member.filename


def _move(scratch: Path, out: Path) -> None:
    for folder, _, files in os.walk(scratch):
        target = out / Path(folder).relative_to(scratch)
        target.mkdir(parents=True, exist_ok=True)
        for name in files:
            os.replace(Path(folder) / name, target / name)
