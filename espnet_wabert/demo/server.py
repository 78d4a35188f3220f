"""The server of the page on its machine: the files of its visitors."""

import time
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Any

# Seconds: how often old uploads and results are looked for, and how old they are when deleted.
DELETE_EVERY, DELETE_AFTER = 300, 3600


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
