"""Every parser of text and tables, on damaged files, against a strict reader of its own."""

import csv
import io
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow
from pyarrow import parquet

from espnet_wabert.config import read_yaml
from espnet_wabert.corpora.slue_hub import export_audio
from espnet_wabert.corpora.slue_tables import read_table as read_slue
from espnet_wabert.finetuning.table import read_clips
from espnet_wabert.formats.kaldi import read_folder
from espnet_wabert.formats.labels import read_parts, read_predictions
from espnet_wabert.formats.words import read_words
from espnet_wabert.scoring.results import read_results
from espnet_wabert.scoring.tokens import read_decoding
from espnet_wabert.text.wordpiece import read_vocabulary
from faults import damage, readers
from faults.drawn import drawn
from faults.outcomes import Outcome, Try, Verdict

CTM = b"""a1 1 0.10 0.30 Hello 0.98
a1 1 0.40 0.10 <eps>
a1 1 0.50 0.25 world 0.5
b1 1 0.00 1.00 <sil>
"""
WRD = b"1601 5603 she\n5603 9001 had\n9001 12000 your\n"
LIBRISPEECH = (
    b'84-121123-0000 ",GO,,DO,YOU," "0.490,0.890,1.000,1.20,1.5,2.09"\n'
    b'84-121123-0001 "NO,MORE," "0.5,0.75,1.25"\n'
)
JSON = b"""{"u1": {"method": "cif", "words": [{"word": "a", "start": 0.1, "end": 0.25},
 {"word": "caf\xc3\xa9", "start": 0.25, "end": 1, "confidence": 0.5}]}}"""
TEXTGRID = b"""File type = "ooTextFile"
Object class = "TextGrid"

xmin = 0
xmax = 1.5
tiers? <exists>
size = 1
item []:
    item [1]:
        class = "IntervalTier"
        name = "words"
        xmin = 0
        xmax = 1.5
        intervals: size = 3
        intervals [1]:
            xmin = 0
            xmax = 0.5
            text = "one"
        intervals [2]:
            xmin = 0.5
            xmax = 0.75
            text = ""
        intervals [3]:
            xmin = 0.75
            xmax = 1.5
            text = "two"
"""
BUCKEYE = b"signal s01\ncolor 121\n#\n 0.06 122 {B}; B\n 8.6 121 <I>; S\n 9.01 121 okay; ow\n"
TSV = b"""id\tnormalized_text\tspeaker_id\tsentiment\tstart_second\tend_second
i1_a\tit's a film\ti1\tNeutral\t0.25\t0.75
i1_b\tgood\ti1\tPositive\t0\t1.5
i2_a\tbad\ti2\tNegative\t1\t2
"""
YAML = b"""model: wabert
model_conf:
    align_loss: infonce
    weights: [1.0, 2.5e-3]
frontend_conf: {layers: 3, freeze: all}
optim: adam   # a comment
"""
FOLDER = {
    "wav.scp": b"a-1 /x/a 1.flac\na-2 /x/a2.flac\nb-1 /x/b1.flac\n",
    "utt2spk": b"a-1 a\na-2 a\nb-1 b\n",
    "spk2utt": b"a a-1 a-2\nb b-1\n",
    "text": b"a-1 ONE TWO\na-2 THREE\nb-1 FOUR FIVE\n",
    "utt2dur": b"a-1 1.5\na-2 2\nb-1 0.75\n",
    "utt2num_samples": b"a-1 24000\na-2 32000\nb-1 12000\n",
    "sentiment": b"a-1 Neutral\na-2 Positive\nb-1 Negative\n",
}
SEGMENTED = {
    "wav.scp": b"r1 /x/r1.flac\nr2 /x/r2.flac\n",
    "utt2spk": b"a-1 a\na-2 a\n",
    "spk2utt": b"a a-1 a-2\n",
    "segments": b"a-1 r1 0.5 1.25\na-2 r2 1 2\n",
    "utt2speed": b"a-1 0.9\na-2 1.1\n",
}
PREDICTIONS = b"u1 Neutral 0.1 0.8 0.1\nu2 Positive 0.2 0.2 0.6\nu3 Negative 1 0 0\n"
PARTS = b"u1 text\nu2 voice\n"
CLIPS = b"path,label,text\na.wav,yes,go on\nb.wav,no,stop\n" + b"".join(
    b"%c.wav,%s,word\n" % (99 + n, b"yes" if n % 2 else b"no") for n in range(6)
)
RESULTS = b'{"alignment": {"infonce": {"cif": {"mean_ms": 41.5, "words": 12}}}, "seed": 1}\n'
DECODING = (
    b'{"utt_id": "u1", "tokens": ["[CLS]", "the", "[SEP]"], "nearest": [0, 1, 2], "top": [],'
    b' "predicted_length": 3, "length": 3, "hypothesis": "the", "recognized": []}\n'
)
ROWS: list[dict] = [
    {"id": f"i{n}_a", "speaker_id": f"i{n}", "normalized_text": "a film", "sentiment": "Neutral",
     "start_second": 0.25 * n, "end_second": 2.0 + n, "audio": {"bytes": b"fLaC" + bytes(99)}}
    for n in range(40)
]  # fmt: skip
VOCABULARY = b"[PAD]\n[UNK]\n[CLS]\n[SEP]\nthe\n##s\n"


class Format(NamedTuple):
    """A parser, a valid file, and what a strict reader says of a file that was read.

    Attributes:
        name: of the file.
        content: a valid file.
        read: the package's reader.
        expected: gets the content and the path; raises an exception for a file that must not be
            read. None: the value has no second reader, and only has to be there.
        shown: makes the value of `read` comparable.
    """

    name: str
    content: bytes
    read: Callable[[Path], Any]
    expected: Callable[[bytes, Path], Any] | None = None
    shown: Callable[[Any], Any] = lambda value: value
    binary: bool = False


def _words(value) -> readers.Times:
    return {u: [tuple(w) for w in words] for u, words in value.items()}


def _tsv_rows(table) -> list[tuple]:
    return [row[:-1] for row in table.rows.values()]


def _slow_tsv(content: bytes, path: Path) -> list[tuple]:
    """Return the rows of a table without quotation marks; with them, those of the csv module."""
    text = content.decode("utf-8-sig")
    if '"' in text:
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter="\t"))
        if any("\n" in field for row in rows for field in row) or text.count('"') % 2:
            rows = [line.split("\t") for line in text.splitlines()]
            marked = [f for row in rows for f in row if '"' in f]
            if any(f[0] == f[-1] == '"' and len(f) > 1 for f in marked):
                raise NotImplementedError
    else:
        rows = [
            line.split("\t") for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        ]
    rows = [row for row in rows if row not in ([], [""])]
    head = [name.strip() for name in rows[0]]
    found = {}
    for row in rows[1:]:
        cells = dict(zip(head, row, strict=True))
        texts = [cells.get(n) for n in ("id", "speaker_id", "normalized_text", "sentiment")]
        texts = [text if text is None else text.strip() for text in texts]
        times = [cells.get(n) for n in ("start_second", "end_second")]
        if texts[0] in found:
            raise ValueError(texts[0])
        found[texts[0]] = (*texts, *(readers.number(t.strip()) if t else None for t in times))
    return list(found.values())


def _folder_of(name: str, files: dict[str, bytes]) -> Format:
    """Return the format of one file in a data folder whose other files are right."""
    attribute = {
        "wav.scp": "wav", "utt2dur": "seconds", "utt2num_samples": "samples", "utt2speed": "speed",
        "spk2utt": "utt2spk",
    }.get(name, name)  # fmt: skip

    def read(path: Path):
        for other, content in files.items():
            if other != name:
                (path.parent / other).write_bytes(content)
        return getattr(read_folder(path.parent), attribute)

    def expected(content: bytes, path: Path):
        found: dict[str, Any] = readers.table(content)
        if name == "spk2utt":
            return {u: spk for spk, utts in found.items() for u in readers.fields(utts)}
        if name in ("utt2dur", "utt2speed", "utt2num_samples"):
            return {key: readers.number(value) for key, value in found.items()}
        if name == "segments":
            rows = {key: readers.fields(value) for key, value in found.items()}
            return {k: (r, readers.number(s), readers.number(e)) for k, (r, s, e) in rows.items()}
        return found

    return Format(name, files[name], read, expected)


def _parquet() -> bytes:
    stream = io.BytesIO()
    parquet.write_table(pyarrow.Table.from_pylist(ROWS), stream)
    return stream.getvalue()


def _read_parquet(path: Path) -> list[tuple]:
    """Return the rows of a table with their audio, as stage 1 reads them."""
    rows = _tsv_rows(read_slue(path, ["id", "speaker_id", "sentiment"]))
    copy = path.parent / "hub" / "train-0.parquet"
    copy.parent.mkdir(exist_ok=True)
    copy.write_bytes(path.read_bytes())
    shutil.rmtree(path.parent / "audio", ignore_errors=True)
    out = export_audio(copy.parent, "fine-tune", path.parent / "audio")
    return [(row, (out / f"{row[0]}.flac").read_bytes()) for row in rows]


def _expected_parquet(content: bytes, path: Path) -> list[tuple]:
    names = ("id", "speaker_id", "normalized_text", "sentiment", "start_second", "end_second")
    return [(tuple(row[name] for name in names), row["audio"]["bytes"]) for row in ROWS]


def _vocabulary(content: bytes, path: Path) -> list[str]:
    lines = content.decode("utf-8").split("\n")
    return [line.removesuffix("\r") for line in (lines[:-1] if lines[-1] == "" else lines)]


FORMATS: dict[str, Format] = {
    "ctm": Format("x.ctm", CTM, read_words, readers.ctm, _words),
    "TIMIT .WRD": Format("SA1.WRD", WRD, read_words, readers.wrd, _words),
    ".alignment.txt": Format(
        "84-121123.alignment.txt", LIBRISPEECH, read_words, readers.librispeech, _words
    ),
    "json of words": Format("u.json", JSON, read_words, readers.words_json, _words),
    "TextGrid": Format("u.TextGrid", TEXTGRID, read_words, readers.textgrid, _words),
    "Buckeye": Format("s.words", BUCKEYE, read_words),
    "SLUE tsv": Format("t.tsv", TSV, lambda p: read_slue(p, ["id"]), _slow_tsv, _tsv_rows),
    "parquet": Format("t.parquet", _parquet(), _read_parquet, _expected_parquet, binary=True),
    "yaml": Format("c.yaml", YAML, read_yaml),
    **{f"folder: {name}": _folder_of(name, FOLDER) for name in FOLDER},
    **{f"folder: {name}": _folder_of(name, SEGMENTED) for name in ("segments", "utt2speed")},
    "sentiment labels": Format("sentiment", PREDICTIONS, read_predictions),
    "parts": Format("parts", PARTS, read_parts),
    "clips csv": Format("clips.csv", CLIPS, read_clips),
    "results.json": Format("results.json", RESULTS, read_results),
    "decoding.jsonl": Format("decoding.jsonl", DECODING, read_decoding),
    "vocabulary": Format("vocab.txt", VOCABULARY, read_vocabulary, _vocabulary),
}


def compared(form: Format, content: bytes, path: Path) -> Callable[[Any], Verdict]:
    """Return the judge of a value that was read from `content`."""

    def verdict(value: Any) -> Verdict:
        if form.expected is None:
            return Verdict(Outcome.RIGHT)
        try:
            wanted = form.expected(content, path)
        except NotImplementedError:
            return Verdict(Outcome.RIGHT)
        except Exception as error:
            return Verdict(Outcome.WRONG, f"read, but {type(error).__name__}: {error}: {content!r}")
        found = form.shown(value)
        if found == wanted:
            return Verdict(Outcome.RIGHT)
        # The pages of a parquet file have no checksums; a text has a second reader.
        outcome = Outcome.UNNOTICED if form.binary else Outcome.WRONG
        return Verdict(outcome, f"{found!r} is not {wanted!r}: {content!r}")

    return verdict


def tries(count: int, seed: int, work: Path) -> Iterator[Try]:
    """Yield `count` damaged files of each format."""
    for number, (name, form) in enumerate(FORMATS.items()):
        folder = work / f"format{number}"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / form.name
        strategy = damage.of_bytes if form.binary else damage.of_text
        for index, content in enumerate(
            [form.content, *drawn(strategy(form.content), count, seed)]
        ):
            path.write_bytes(content)
            yield Try(
                f"{name} {index}: {content[:120]!r}", partial(form.read, path),
                compared(form, content, path),
            )  # fmt: skip
