"""Checks of a packed model before it is unpacked: its size, its files and what meta.yaml names."""

import shutil
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from filelock import FileLock

from espnet_wabert.config import parse_yaml
from espnet_wabert.errors import UserError, first_line

META = "meta.yaml"
# What zipfile raises on a damaged zip, on encryption and on methods that it does not know.
DAMAGE = (
    zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError, RuntimeError,
    NotImplementedError,
)  # fmt: skip
MEMBERS = 1000  # a packed model has three
EXPANSION = 20  # unpacked bytes per byte of the zip; weights hardly shrink
FREE_BYTES = 100_000_000  # unpacked bytes that are never too many


def check_zip(path: Path, keys: tuple[str, ...]) -> None:
    """Check a packed model.

    Args:
        path: the .zip.
        keys: entries that its meta.yaml must have, each with the path of a file in the zip.

    Raises:
        UserError: it is cut off, too large when unpacked, or lacks a file.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            sizes = {info.filename: info.file_size for info in archive.infolist()}
            text = archive.read(META) if META in sizes and sizes[META] < FREE_BYTES else b""
    except DAMAGE as error:
        raise UserError(f"{path}: not a zip file, or cut off: {first_line(error)}") from error
    limit = EXPANSION * path.stat().st_size + FREE_BYTES
    if len(sizes) > MEMBERS or sum(sizes.values()) > limit:
        raise UserError(
            f"{path}: {len(sizes)} files with {sum(sizes.values()) / 1e9:.1f} GB in a zip of"
            f" {path.stat().st_size / 1e9:.3f} GB: not a packed model"
        )
    named = _named(path, text)
    for key in keys:
        name = named.get(key)
        if name is None:
            raise UserError(f"{path}: packed without {key}; not a WaBERT model")
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
            raise UserError(f"{path}: {META}: {key}: {name}: must be a file in the zip")
        if name not in sizes:
            raise UserError(f"{path}: {META}: {key}: {name}: not in the zip")


def _named(path: Path, text: bytes) -> dict[str, str]:
    """Return the files that meta.yaml names, by key."""
    meta = parse_yaml(text, f"{path}: {META}") if text else None
    sections = ("files", "yaml_files")
    if not isinstance(meta, dict) or not all(isinstance(meta.get(s), dict) for s in sections):
        raise UserError(
            f"{path}: no {META} with files and yaml_files: cut off, or not a packed model"
        )
    return {str(key): str(name) for s in sections for key, name in meta[s].items()}


def unpack_zip(path: Path, folder: Path) -> None:
    """Unpack a checked zip into a folder, which does not exist before it is complete.

    What an older version or a user left there is removed.
    """
    partial = folder.with_name(f".part.{folder.name}")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_name(f".{folder.name}.lock")):
            if same_files(path, folder):  # another process was faster
                return
            for left in (folder, partial):  # what a kill has left
                shutil.rmtree(left, ignore_errors=True)
            try:
                with zipfile.ZipFile(path) as archive:
                    archive.extractall(partial)
            except DAMAGE as error:
                shutil.rmtree(partial, ignore_errors=True)
                raise UserError(f"{path}: cannot be unpacked: {first_line(error)}") from error
            partial.rename(folder)
    except OSError as error:
        raise UserError(f"{folder}: cannot be written: {first_line(error)}") from error


def same_files(path: Path, folder: Path) -> bool:
    """Return whether a folder has the files of a checked zip, with the same checksums.

    Weights are compared by size only: they have checksums of their own, and are large.
    """
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            file = folder / info.filename
            if info.is_dir():
                continue
            if not file.is_file() or file.stat().st_size != info.file_size:
                return False
            if file.suffix != ".pth" and zlib.crc32(file.read_bytes()) != info.CRC:
                return False
    return True
