"""Write aligned utterances as TextGrid, CTM, JSON, CSV and subtitles."""

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from espnet_wabert.errors import UserError
from espnet_wabert.formats.lines import write_atomically
from espnet_wabert.formats.rows import to_csv, to_json, to_jsonl
from espnet_wabert.formats.subtitles import write_subtitles
from espnet_wabert.formats.textgrid import write_textgrid
from espnet_wabert.formats.word import Word
from espnet_wabert.formats.words import write_ctm

# The suffix of the file of one utterance; None: one file has all utterances.
KINDS: dict[str, str | None] = {
    "textgrid": "TextGrid", "ctm": None, "json": "json", "jsonl": None, "csv": None,
    "srt": "srt", "vtt": "vtt",
}  # fmt: skip


class UtteranceAlignment(NamedTuple):
    """Words and subwords of an utterance with their times in seconds; `print` shows a table.

    Attributes:
        words: as written in the transcript.
        subwords: word pieces, without [CLS] and [SEP].
        word_confidences: 0 to 1, one per word; None if the model has none.
        subword_confidences: one per subword.
        confidence: of the utterance.
        method: that placed the words.
        predicted_length: number of tokens found without the transcript, with [CLS] and [SEP].
        duration: seconds.
    """

    words: list[Word]
    subwords: list[Word]
    word_confidences: list[float] | None
    subword_confidences: list[float] | None
    confidence: float | None
    method: str
    predicted_length: int
    duration: float

    def __str__(self) -> str:
        lines = ["   start      end  confidence  word"]
        scores = _scores(self.word_confidences, self.words)
        for (word, start, end), score in zip(self.words, scores, strict=True):
            shown = "-" if score is None else f"{score:.2f}"
            lines.append(f"{start:8.3f} {end:8.3f}  {shown:>10}  {word}")
        overall = "-" if self.confidence is None else f"{self.confidence:.2f}"
        lines.append(f"confidence {overall}, method {self.method}")
        return "\n".join(lines)

    def to_dict(self) -> dict:
        """Return what the JSON file has; `read_words` can read it."""
        return {
            "method": self.method,
            "duration": round(self.duration, 4),
            "confidence": _rounded(self.confidence),
            "predicted_length": self.predicted_length,
            "length": len(self.subwords) + 2,  # with [CLS] and [SEP], as predicted_length counts
            "words": _entries(self.words, self.word_confidences),
            "subwords": _entries(self.subwords, self.subword_confidences),
        }

    def to_pandas(self):
        """Return a data frame with a row for each word; needs pandas."""
        import pandas

        return pandas.DataFrame(self.to_dict()["words"])

    def save(self, path: str | Path) -> None:
        """Write a file in the format of its suffix: one of `SUFFIXES`."""
        path = Path(path)
        if path.suffix.lower() not in SUFFIXES:
            raise UserError(f"{path}: the suffix must be one of {', '.join(SUFFIXES)}")
        SUFFIXES[path.suffix.lower()](path, self)


class Writer:
    """Writes OUT/<utterance>.TextGrid, .json, .srt and .vtt, and the files of all at the end.

    Args:
        out: the folder.
        kinds: of `KINDS`.
        model: name of the model, for the JSON.
    """

    def __init__(self, out: Path, kinds: Collection[str], model: str):
        self.out, self.kinds, self.model = out, kinds, model
        self.found: dict[str, UtteranceAlignment] = {}
        out.mkdir(parents=True, exist_ok=True)

    def keep_neighbors(self, recordings: Mapping[str, str]) -> None:
        """Refuse to replace a file beside its recording: somebody may have corrected it.

        Args:
            recordings: paths by utterance.

        Raises:
            UserError: there is one in the folder to write.
        """
        here = os.path.realpath(self.out)
        beside = [u for u, path in recordings.items() if _folder(path) == here]
        for file in (file for u in beside for file in self._files(u).values()):
            if file.exists():
                raise UserError(
                    f"{file}: is there already, beside its recording, and would be replaced;"
                    " name another --out"
                )

    def _files(self, utterance: str) -> dict[str, Path]:
        """Return the files of one utterance by kind."""
        return {
            kind: self.out / f"{utterance}.{suffix}"
            for kind, suffix in KINDS.items()
            if suffix and kind in self.kinds
        }

    def add(self, utterance: str, found: UtteranceAlignment) -> None:
        """Write the files of one utterance; keep it for those of all."""
        for kind, path in self._files(utterance).items():
            if kind == "json":
                content = {utterance: {"model": self.model, **found.to_dict()}}
                write_atomically(path, to_json(content))
            else:
                SUFFIXES[f".{kind}"](path, found)
        self.found[utterance] = found

    def close(self) -> None:
        """Write words.ctm, subwords.ctm, alignment.jsonl and words.csv of all utterances."""
        if "ctm" in self.kinds:
            self._write_ctms()
        entries = {u: found.to_dict() for u, found in sorted(self.found.items())}
        if "jsonl" in self.kinds:
            rows = [{"utterance": u, "model": self.model, **entry} for u, entry in entries.items()]
            write_atomically(self.out / "alignment.jsonl", to_jsonl(rows))
        if "csv" in self.kinds:
            rows = [
                {"utterance": u, **word} for u, entry in entries.items() for word in entry["words"]
            ]
            write_atomically(self.out / "words.csv", to_csv(rows))

    def _write_ctms(self) -> None:
        for tier in ("words", "subwords"):
            scores = {u: getattr(f, f"{tier[:-1]}_confidences") for u, f in self.found.items()}
            known = None not in scores.values()
            times = {u: getattr(f, tier) for u, f in self.found.items()}
            write_ctm(self.out / f"{tier}.ctm", times, scores if known else None)


def _folder(path: str) -> str:
    return os.path.realpath(os.path.dirname(path))


def _entries(words: list[Word], confidences: list[float] | None) -> list[dict]:
    scores = _scores(confidences, words)
    return [
        {"word": w.word, "start": round(w.start, 4), "end": round(w.end, 4), "confidence": score}
        for w, score in zip(words, map(_rounded, scores), strict=True)
    ]


def _scores(confidences: list[float] | None, words: list[Word]) -> Sequence[float | None]:
    """Return the confidences, or None for each word."""
    return confidences or [None] * len(words)


def _rounded(score: float | None) -> float | None:
    return None if score is None else round(score, 4)


def _save_textgrid(path: Path, found: UtteranceAlignment) -> None:
    tiers = {"words": found.words, "subwords": found.subwords}
    write_textgrid(path, tiers, found.duration)


def _save_subtitles(path: Path, found: UtteranceAlignment) -> None:
    write_subtitles(path, found.words, found.duration)


def _save_json(path: Path, found: UtteranceAlignment) -> None:
    write_atomically(path, to_json({path.stem: found.to_dict()}))


def _save_ctm(path: Path, found: UtteranceAlignment) -> None:
    known = found.word_confidences
    write_ctm(path, {path.stem: found.words}, None if known is None else {path.stem: known})


def write_labels(path: Path, words: Sequence[Word]) -> None:
    """Write words as a label track of Audacity, a line each: a line end in a word is a blank."""
    lines = [f"{start:.6f}\t{end:.6f}\t{' '.join(word.split())}\n" for word, start, end in words]
    write_atomically(path, "".join(lines))


SUFFIXES: dict[str, Callable[[Path, UtteranceAlignment], None]] = {
    ".textgrid": _save_textgrid,
    ".json": _save_json,
    ".ctm": _save_ctm,
    ".srt": _save_subtitles,
    ".vtt": _save_subtitles,
    ".txt": lambda path, found: write_labels(path, found.words),
}
