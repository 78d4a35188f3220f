"""Files of weights; a .pth can have a checksum beside it, as sha256sum writes it."""

import zipfile
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from espnet_wabert.errors import UserError, first_line
from espnet_wabert.formats.checksums import file_sha256
from espnet_wabert.formats.lines import write_atomically
from espnet_wabert.models.packed_zip import DAMAGE

SUFFIX = ".sha256"


def write_checksum(content: Path, path: Path) -> None:
    """Write the checksum of the file `content`, which is or will be renamed to `path`."""
    write_atomically(f"{path}{SUFFIX}", f"{file_sha256(content)}  {path.name}\n")


def intact(path: Path) -> bool:
    """Return whether a file has the checksum beside it; True if there is none."""
    path = path.resolve()  # valid.loss.ave.pth is a link
    checksum = Path(f"{path}{SUFFIX}")
    if not path.is_file():
        return False
    return not checksum.is_file() or checksum.read_bytes().split()[:1] == [
        file_sha256(path).encode()
    ]


def read_weights(path: Path) -> dict[str, Any]:
    """Read a .pth or .safetensors file onto the CPU.

    Raises:
        UserError: the file is damaged or no such file.
    """
    if not intact(path):
        raise UserError(f"{path}: damaged: its checksum is not the one of {path.name}{SUFFIX}")
    _check_records(path)
    try:
        if path.suffix == ".safetensors":
            return dict(load_file(path))
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # of any kind: bytes that are no checkpoint are run as its opcodes
        raise UserError(f"{path}: not a readable checkpoint") from error
    if not isinstance(state, dict):
        raise UserError(f"{path}: holds a {type(state).__name__} instead of weights by name")
    return state


def _check_records(path: Path) -> None:
    """Compare the records of a .pth with the checksums in it: `torch.load` does not.

    Raises:
        UserError: one is damaged.
    """
    try:
        if not zipfile.is_zipfile(path):
            return  # safetensors has none
        with zipfile.ZipFile(path) as archive:
            bad = archive.testzip()
    except DAMAGE as error:
        raise UserError(f"{path}: not a readable checkpoint: {first_line(error)}") from error
    if bad is not None:
        raise UserError(f"{path}: damaged: {bad} in it has another checksum")
