"""The server of the page on its machine: its address, and the files of its visitors."""

import os
import time
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Any

# Seconds: how often old uploads and results are looked for, and how old they are when deleted.
DELETE_EVERY, DELETE_AFTER = 300, 3600


def bypass_proxy(host: str) -> None:
    """Let Gradio ask its own address whether it answers: a proxy has another localhost."""
    given = os.environ.get("no_proxy") or os.environ.get("NO_PROXY")
    os.environ["no_proxy"] = ",".join([*filter(None, [given]), "localhost", host.strip("[]")])


def clean_until_end(page: Any, folder: Path) -> None:
    """Delete old files from time to time; at Ctrl-C or a signal end the server.

    No upload begins when this has returned, so that the folder can be removed.

    Args:
        page: the Gradio page, which is served.
        folder: of uploads and results.
    """
    kept = {path for block in page.blocks.values() for path in block.keep_in_cache}
    try:
        while True:
            time.sleep(DELETE_EVERY)
            with suppress(OSError):  # too many open files, for example: the next time
                delete_old(folder, kept)
    except KeyboardInterrupt:
        pass
    finally:
        page.close(verbose=False)


def delete_old(folder: Path, kept: Collection[str]) -> None:
    """Delete all old files in a folder and those below it, but the `kept` ones.

    Gradio deletes those that it knows. An upload that broke off is not among them.
    """
    before = time.time() - DELETE_AFTER
    for path in folder.rglob("*"):
        with suppress(OSError):  # Gradio was faster
            if path.is_file() and path.stat().st_mtime < before and str(path) not in kept:
                path.unlink()
