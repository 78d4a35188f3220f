"""Downloads that resume: HTTP ranges, checksums, and a marker at the end."""

import hashlib
import os
import re
import time
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import requests
from tqdm import tqdm
from urllib3.exceptions import HTTPError

from espnet_wabert.errors import UserError

CHUNK = 1 << 14  # bytes; an interrupted piece is fetched again
TIMEOUT = (15, 60)  # seconds to connect, and between two pieces
_CONTENT_RANGE = re.compile(r"bytes (?:(\d+)-\d+|\*)/(\d+)")


class Archive(NamedTuple):
    """A file to download; `md5` is None if none is published."""

    name: str
    url: str
    md5: str | None


class Waits(NamedTuple):
    """Number of tries without progress and in all, and the first waiting time."""

    tries: int = 6
    seconds: float = 2.0  # doubled each time
    total: int = 200  # a server that starts again each time would never be finished


PATIENT = Waits()


def fetch(archive: Archive, folder: Path, waits: Waits = PATIENT) -> Path:
    """Download `archive` into `folder`, resume an earlier attempt, and check its MD5.

    `<name>.part` has the bytes so far; it is renamed when it is complete.
    """
    target = folder / archive.name
    folder.mkdir(parents=True, exist_ok=True)
    if not target.is_file():
        partial = folder / f"{archive.name}.part"
        try:
            _download(archive.url, partial, waits)
        except OSError as error:
            raise UserError(f"{partial}: cannot be written: {error}") from None
        found = _md5(partial) if archive.md5 else None
        if found != archive.md5:
            partial.unlink()
            raise UserError(
                f"{archive.url}: MD5 {found} is not the published {archive.md5}; the file was "
                "removed: start again, or give another --base_url"
            )
        os.replace(partial, target)
    elif archive.md5 and (found := _md5(target)) != archive.md5:
        raise UserError(
            f"{target}: MD5 {found} is not the published {archive.md5}; remove this file"
        )
    return target


def _md5(path: Path) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    with open(path, "rb") as file, _bar(path.stat().st_size, 0, f"MD5 of {path.name}") as bar:
        while piece := file.read(1 << 20):
            digest.update(piece)
            bar.update(len(piece))
    return digest.hexdigest()


def _bar(total: int | None, done: int, label: str) -> tqdm:
    return tqdm(total=total, initial=done, desc=label, unit="B", unit_scale=True, mininterval=1)


def _download(url: str, partial: Path, waits: Waits) -> None:
    """Download until `partial` is complete; raise UserError if there is no more progress."""
    failures, size, attempts = 0, -1, 0
    while failures < waits.tries and attempts < waits.total:
        attempts += 1
        try:
            if _transfer(url, partial):
                return
            problem = "the transfer ended early"
        except (requests.RequestException, HTTPError) as error:
            if isinstance(error, ValueError):  # not a valid address: no retry
                raise UserError(f"{url}: {error}") from None
            problem = type(error).__name__
        now = partial.stat().st_size if partial.exists() else 0
        failures = 0 if now > size >= 0 else failures + 1
        size = now
        if failures < waits.tries:
            time.sleep(min(60.0, waits.seconds * 2**failures))
    stuck = f"{waits.tries} times without progress" if failures else f"{attempts} times"
    raise UserError(
        f"{url}: {problem}, {stuck} at byte {size}; run the same command again to go on from there"
    )


def _transfer(url: str, partial: Path) -> bool:
    """Send one request from the end of `partial`; return whether the file is complete."""
    have = partial.stat().st_size if partial.exists() else 0
    # Otherwise a server may compress the transfer, and ranges would not match.
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as answer:
        span = _CONTENT_RANGE.fullmatch(answer.headers.get("Content-Range", ""))
        if answer.status_code == 416:  # nothing after `have`
            if span and int(span[2]) == have:
                return True
            partial.unlink()
            return False
        if answer.status_code >= 500 or answer.status_code == 429:
            answer.raise_for_status()
        if answer.status_code not in (200, 206):
            raise UserError(f"{url}: the server answers {answer.status_code} {answer.reason}")
        if answer.status_code == 200:
            have = 0  # the server ignores ranges
            length = answer.headers.get("Content-Length")
            total = int(length) if length else None
        elif span and span[1] and int(span[1]) == have:
            total = int(span[2])
        else:
            raise UserError(f"{url}: asked for bytes from {have}, got {answer.headers}")
        # The bytes as they are sent: a server that declares a Content-Encoding for an archive would
        # have it decoded, and neither its length nor its checksum would be right.
        _append(answer.raw.stream(CHUNK, decode_content=False), partial, have, total)
    size = partial.stat().st_size
    if total is not None and size > total:
        raise UserError(f"{url}: the server sent {size} bytes instead of {total}")
    return total is None or size == total


def _append(pieces: Iterable[bytes], partial: Path, have: int, total: int | None) -> None:
    name = partial.name.removesuffix(".part")
    with open(partial, "ab" if have else "wb") as file, _bar(total, have, name) as bar:
        for piece in pieces:
            file.write(piece)
            bar.update(len(piece))
