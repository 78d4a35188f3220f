"""Example recordings, ready to click; `clips/README.md` says where they are from."""

from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).parent / "clips"


class Clip(NamedTuple):
    """A recording and the transcript that is given with it."""

    path: str
    text: str  # "" without one: the model reads it
    label: str  # on the page


DASHWOOD = (
    "And Mr. John Dashwood had then leisure to consider how much there might be prudently in his"
    " power to do for them."
)
CLIPS = (
    Clip(str(FOLDER / "dashwood.flac"), DASHWOOD, "With its transcript"),
    Clip(str(FOLDER / "amiable.flac"), "", "Without a transcript"),
    Clip(str(FOLDER / "amiable.flac"), DASHWOOD, "With the wrong transcript"),
)
