"""ESPnet's shape files and the word times of a set (stage 10), from earlier stages.

ESPnet's collect_stats would read every recording; the lengths are known.
"""

from collections.abc import Sequence
from pathlib import Path

from espnet_wabert.errors import UserError
from espnet_wabert.formats.kaldi import read_folder
from espnet_wabert.formats.lines import read_table, write_atomically
from espnet_wabert.formats.word import Word, WordTimes
from espnet_wabert.formats.word_files import read_ctm
from espnet_wabert.text.wordpiece import WordPieceTokenizer, read_vocabulary


def write_shapes(
    data: str | Path,
    feats: str | Path | None,
    vocabulary: str | Path | None,
    out: Path,
    aligned: Path | None = None,
) -> int:
    """Write speech_shape, text_shape and, for data with word times, word_times.

    A file of an earlier run that the data does not give any more is removed.

    Args:
        data: data folder.
        feats: folder of its cached features; None or "": its audio is used.
        vocabulary: BERT's, for text_shape; None or "": none is written.
        out: folder for the files.
        aligned: CTM of the word times instead of the data's.

    Returns:
        The number of utterances.

    Raises:
        UserError: lengths or word times are missing.
    """
    folder = read_folder(data)
    counts = read_counts(Path(feats or data))
    missing = sorted(folder.wav.keys() - counts.keys())
    if missing:
        raise UserError(f"{feats or data}: {len(missing)} utterances without length ({missing[0]})")
    shapes: dict[str, dict[str, str | int]] = {}
    shapes["speech_shape"] = {u: counts[u] for u in sorted(folder.wav)}
    if vocabulary and folder.text is not None:
        pieces = WordPieceTokenizer(read_vocabulary(vocabulary))
        counts_of = pieces.counts(folder.text.values())
        shapes["text_shape"] = dict(zip(folder.text, counts_of, strict=True))
    lines = {name: [f"{u} {n}\n" for u, n in sorted(shapes[name].items())] for name in shapes}
    words = folder.words if aligned is None else _aligned_words(aligned)
    if words is not None:
        lines["word_times"] = [word_times(u, words.get(u, ())) for u in sorted(folder.wav)]
    for name in ("speech_shape", "text_shape", "word_times"):
        if name in lines:
            write_atomically(out / name, "".join(lines[name]))
        else:
            (out / name).unlink(missing_ok=True)
    return len(folder.wav)


def _aligned_words(path: Path) -> WordTimes:
    if not path.is_file():
        raise UserError(f"{path}: missing; the word times' model has no grapheme head")
    return read_ctm(path)


def read_counts(folder: Path) -> dict[str, str]:
    """Return the length of each utterance: cached frames if they exist, else samples."""
    for name in ("utt2num_frames", "utt2num_samples"):
        if (folder / name).is_file():
            return read_table(folder / name)
    raise UserError(f"{folder}: neither utt2num_frames nor utt2num_samples; run stage 3 first")


def word_times(utterance: str, words: Sequence[Word]) -> str:
    """Return an utterance's line of starts and ends in seconds; `nan` if they are not known."""
    times = " ".join(f"{word.start:.3f} {word.end:.3f}" for word in words)
    return f"{utterance} {times or 'nan'}\n"
