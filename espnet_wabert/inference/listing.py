"""What a command was given: the ids and paths of recordings, and their transcripts.

The id of a file is its name without the suffix; with the suffix, if two files have the same one.
"""

import glob
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Sequence
from functools import cache
from pathlib import Path

from espnet_wabert.errors import UserError
from espnet_wabert.formats.audio import AudioFault, inspect
from espnet_wabert.formats.containers import UNREADABLE
from espnet_wabert.formats.lines import as_id, decoded, fields_of, is_utf8, name_some, read_table

STDIN = "-"
OTHER_SUFFIXES = {  # of formats that libsndfile names otherwise
    ".aif", ".bwf", ".mp1", ".mp2", ".mpga", ".oga", ".opus", ".snd", ".sph", ".wave",
}  # fmt: skip
TRANSCRIPTS = {".txt", ".lab"}  # of one recording, beside it
TEXTS = TRANSCRIPTS | {".csv", ".docx", ".md", ".srt", ".text", ".trn", ".tsv", ".vtt"}
_CUE = re.compile(r"[\d:]+[.,]\d+ +--> +[\d:]+[.,]\d+")  # the times of a subtitle
HEAD = 1 << 16  # bytes in which a list has its first line


def audio_paths(sources: Sequence[str]) -> dict[str, str]:
    """Return the paths of recordings by id, of audio files, folders, patterns and wav.scp lists.

    Raises:
        UserError: a source does not exist, or two recordings have the same id.
    """
    pairs = [pair for source in sources for pair in _listed(source)]
    count = Counter(utterance for utterance, _ in pairs)
    names = Counter(Path(path).name for _, path in pairs)
    paths: dict[str, str] = {}
    written: dict[str, str] = {}  # ids as in lists, and the paths
    for utterance, path in pairs:
        name = Path(path).name
        if count[utterance] > 1 and names[name] == 1 and Path(path).stem == utterance:
            utterance = name
        key = as_id(utterance)
        if key in written:
            raise UserError(f"{path}: utterance id {key!r} is also that of {written[key]}")
        paths[utterance] = written[key] = path
    return paths


def transcripts(text: str, ids: Collection[str] = ()) -> dict[str, str | UserError]:
    """Return transcripts by id, of `utt-id transcript` lines or of a folder of .txt or .lab files.

    A file of a folder that is no text is an error in its place.

    Args:
        text: path of the list or folder.
        ids: of the recordings. An id that differs from one of them only in the code of its accents
            becomes that one: names of files from macOS have é as two characters (NFD), and text
            editors write one (NFC). So does one with "_" in the place of its blanks.

    Raises:
        UserError: there is none.
    """
    if not Path(text).is_dir():
        found: dict[str, str | UserError] = dict(read_list(text, "a transcript"))
    else:
        found = _of_folder(text)
    forms = {_listed_id(name): name for name in ids}
    for name in [name for name in found if name not in ids]:
        other = forms.get(_listed_id(name), name)
        if other not in found:
            found[other] = found.pop(name)
    return found


def _listed_id(name: str) -> str:
    """Return an id as in lists: without blanks, and each letter with an accent one character."""
    return as_id(unicodedata.normalize("NFC", name))


def _of_folder(text: str) -> dict[str, str | UserError]:
    """Return the transcripts of a folder of .txt or .lab files."""
    found: dict[str, Path] = {}
    for path in _visible(text):
        if path.suffix.lower() not in TRANSCRIPTS:
            continue
        if path.stem in found:
            raise UserError(f"{path}: {found[path.stem]} is a transcript of the same recording")
        found[path.stem] = path
    if not found:
        raise UserError(f"{text}: no transcript (.txt or .lab) in this folder")
    return {utterance: _text_or_error(path) for utterance, path in found.items()}


def transcript_of(text: str, utterance: str) -> str:
    """Return the transcript of one recording, or the text itself if it names no file or folder.

    A file, which may be a pipe, has the transcript. If it is no .txt or .lab and one of its lines
    begins with the id of the recording, it is a list as Kaldi's `text`.

    Raises:
        UserError: there is none, or the text ends as the name of a file that is not there.
    """
    path = Path(text)
    try:
        is_there, is_folder = bool(text) and path.exists(), bool(text) and path.is_dir()
        in_folder = "/" in text and path.parent.is_dir()
    except OSError:  # too long for a file name
        is_there = is_folder = in_folder = False
    if is_folder:
        found = transcripts(text, [utterance]).get(utterance)
        if found is None:
            raise UserError(f"{text}: no transcript of {utterance} in this folder")
        if isinstance(found, UserError):
            raise found
        return found
    if is_there:
        lines = _lines_of(path)
        return " ".join(
            lines if path.suffix.lower() in TRANSCRIPTS else _listed_or_all(lines, utterance)
        )
    named = " " not in text and path.suffix.lower() in TEXTS
    if (in_folder and not text.startswith("/ ")) or named or re.match(r"(/|\.\.?/|~/)\S", text):
        raise UserError(f"{text}: no such file")
    if not is_utf8(text):
        raise UserError(f"--text {text}: is not UTF-8 text")
    return text


def text_of(path: str | Path) -> str:
    """Return the lines of a text file as one; it is UTF-8, or UTF-16 with a byte order mark."""
    return " ".join(_lines_of(path))


def _lines_of(path: str | Path) -> list[str]:
    lines = [line for row in decoded(path).split("\n") if (line := row.strip())]
    if any(map(_CUE.match, lines)):
        raise UserError(f"{path}: has the times of subtitles; a transcript is their text alone")
    return lines


def _listed_or_all(lines: list[str], utterance: str) -> list[str]:
    """Return the transcript of an utterance in a list; all lines, if they are no list of it."""
    rows = [fields_of(line, 1) for line in lines]
    found = [row[1:] for row in rows if _listed_id(row[0]) == _listed_id(utterance)]
    return found[0] if len(found) == 1 else lines


def _text_or_error(path: Path) -> str | UserError:
    try:
        return text_of(path)
    except UserError as error:
        return error


def _visible(folder: str) -> list[Path]:
    """Return the files of a folder but hidden ones, such as those that macOS adds (._talk.wav)."""
    return sorted(p for p in Path(folder).iterdir() if not p.name.startswith(".") and p.is_file())


def left_in_folders(sources: Sequence[str]) -> list[str]:
    """Return a note for each source that has sub-folders with recordings, which are not read."""
    notes = []
    for source in sources:
        folders = _unread(source) if Path(source).is_dir() else []
        if folders:
            names = name_some(folders)
            notes.append(f"{len(folders)} sub-folders of {source} are not read: {names}")
    return notes


def _unread(folder: str) -> list[str]:
    """Return the names of the sub-folders that hold recordings."""
    inner = [path for path in Path(folder).iterdir() if path.is_dir() and path.name[0] != "."]
    return [path.name for path in inner if any(map(is_recording, path.rglob("*")))]


def read_list(path: str, what: str) -> dict[str, str]:
    """Read `id value` lines; values may be empty."""
    table = read_table(path)
    if not table:
        raise UserError(f"{path}:1: is empty; it must have lines 'utterance-id {what}'")
    return table


def is_list(path: str) -> bool:
    """Return whether a file is a wav.scp: by its name, or because it has text lines."""
    if Path(path).suffix == ".scp":
        return True
    if not os.path.isfile(path) or is_recording(Path(path)):
        return False  # a device or a pipe could be read without end
    if not isinstance(inspect(path), AudioFault):
        return False
    try:
        with open(path, "rb") as file:  # it may be a film
            head = file.read(HEAD).removeprefix(b"\xef\xbb\xbf").strip()
        return len(head.partition(b"\n")[0].decode("utf-8").split(None, 1)) == 2
    except (OSError, UnicodeDecodeError):  # neither audio nor text
        return False


def _listed(source: str) -> list[tuple[str, str]]:
    """Return the ids and paths of a wav.scp, a folder or one file."""
    if is_list(source):
        listed = read_list(source, "a path")
        for utterance, path in listed.items():
            if not path:
                raise UserError(f"{source}: utterance {utterance} has no path")
        return list(listed.items())
    if source == STDIN:
        return [("stdin", source)]
    if not Path(source).exists() and glob.has_magic(source):  # the shell did not expand it
        found = [Path(name) for name in sorted(glob.glob(source, recursive=True))]
        files = [path for path in found if not path.is_dir()]
        if not files:
            raise UserError(f"{source}: no such file")
        return [(path.stem, str(path)) for path in files]
    if not Path(source).is_dir():
        return [(Path(source).stem, source)]
    files = [path for path in _visible(source) if is_recording(path)]
    if not files:
        notes = left_in_folders([source])
        raise UserError("; ".join([f"{source}: no audio file in this folder", *notes]))
    return [(path.stem, str(path)) for path in files]


def is_recording(path: Path) -> bool:
    """Return whether a file has the suffix of a recording, be it one that can be read or not."""
    return path.suffix.lower() in _suffixes()


def keep_inputs(out: Path, sources: Sequence[str]) -> None:
    """Refuse a file to write that is a folder, a source or a recording: `--out *.wav` names one.

    Raises:
        UserError: it cannot be written, or would be replaced.
    """
    if out.is_dir():
        raise UserError(f"--out {out}: is a folder; the results are one file")
    if not out.is_file():
        return
    if any(os.path.exists(source) and out.samefile(source) for source in sources):
        raise UserError(f"--out {out}: is an input, which would be replaced")
    if is_recording(out) or not isinstance(inspect(str(out)), AudioFault):
        raise UserError(f"--out {out}: is a recording, which would be replaced")


@cache
def _suffixes() -> set[str]:
    """Return the suffixes of recordings, of those that cannot be read too."""
    import soundfile

    return (
        {f".{name.lower()}" for name in soundfile.available_formats()} | OTHER_SUFFIXES | UNREADABLE
    )
