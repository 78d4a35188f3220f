"""Reader of CTranslate2's `model.bin`, the format of a package's Whisper weights."""

import struct
from pathlib import Path
from typing import NamedTuple

import numpy as np

from espnet_wabert.errors import UserError

# The type codes of the container's tensors.
TYPES = {0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.float16}


class Container(NamedTuple):
    """Content of a `model.bin`."""

    spec: str  # such as "WhisperSpec"
    tensors: dict[str, np.ndarray]  # name -> array; scalars are rank 0


class _Cursor:
    """Reads little-endian values one after another."""

    def __init__(self, data: bytes):
        self.data = data
        self.at = 0

    def number(self, code: str) -> int:
        (value,) = struct.unpack_from("<" + code, self.data, self.at)
        self.at += struct.calcsize("<" + code)
        return value

    def string(self) -> str:
        length = self.number("H")  # counts the closing zero byte
        value = self.data[self.at : self.at + length - 1].decode()
        self.at += length
        return value

    def tensor(self) -> np.ndarray:
        shape = [self.number("I") for _ in range(self.number("B"))]
        dtype = np.dtype(TYPES[self.number("B")])
        size = self.number("I")
        array = np.frombuffer(self.data, dtype, size // dtype.itemsize, self.at)
        self.at += size
        return array.reshape(shape)


def read_container(path: Path) -> Container:
    """Read a `model.bin` of CTranslate2 (format version 6); aliases become entries."""
    cursor = _Cursor(Path(path).read_bytes())
    try:
        version, spec, _ = cursor.number("I"), cursor.string(), cursor.number("I")
        if version != 6:
            raise UserError(f"{path}: CTranslate2 format version {version}, only 6 can be read")
        tensors = {}
        for _ in range(cursor.number("I")):
            name = cursor.string()
            tensors[name] = cursor.tensor()
        for _ in range(cursor.number("I")):
            alias, name = cursor.string(), cursor.string()
            tensors[alias] = tensors[name]
    except (struct.error, KeyError, ValueError, UnicodeDecodeError) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f"{path}: not a CTranslate2 model ({error})") from error
    if cursor.at != len(cursor.data):
        raise UserError(f"{path}: {len(cursor.data) - cursor.at} bytes after the last tensor")
    return Container(spec, tensors)
