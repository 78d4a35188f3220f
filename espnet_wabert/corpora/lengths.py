"""Remove utterances that training cannot use: too short, too long, or with too many tokens."""

from collections import Counter
from pathlib import Path
from typing import NamedTuple

from espnet_wabert.constants import SAMPLE_RATE
from espnet_wabert.errors import UserError
from espnet_wabert.formats.kaldi import DataFolder, read_folder, subset, write_files, write_folder
from espnet_wabert.text.wordpiece import WordPieceTokenizer, load_vocabulary, read_vocabulary

# The convolutions of data2vec (and wav2vec 2.0, HuBERT, WavLM) in samples at 16 kHz: 50 Hz.
WINDOW = 400
HOP = 320
REMOVED = "removed.txt"


class Limits(NamedTuple):
    """Limits of utterances: seconds of audio, frames of the speech encoder."""

    min_seconds: float = 0.1
    max_seconds: float = 30.0
    min_frames: int = 1

    def check(self) -> None:
        """Raise a UserError for limits that exclude everything."""
        if not 0 <= self.min_seconds < self.max_seconds:
            raise UserError(
                f"--min_seconds {self.min_seconds} --max_seconds {self.max_seconds}: "
                "must be 0 <= min < max"
            )
        if self.min_frames < 1:
            raise UserError(f"--min_frames {self.min_frames}: must be at least 1")


DEFAULT_LIMITS = Limits()


class FilterResult(NamedTuple):
    """The remaining folder, the reason of each removal, and one line with counts."""

    folder: DataFolder
    removed: dict[str, str]
    summary: str


def count_frames(samples: int) -> int:
    """Return the number of frames at 50 Hz of `samples` at 16 kHz."""
    return max(0, (samples - WINDOW) // HOP + 1)


def filter_folder(
    data: str | Path,
    out: str | Path,
    limits: Limits = DEFAULT_LIMITS,
    tokenizer: str | None = None,
) -> FilterResult:
    """Write the usable utterances of `data` to `out`, which may be the same folder.

    With a `tokenizer`, an utterance must have more frames than tokens (with [CLS] and [SEP]).
    `out`/removed.txt lists the removed ones with reasons.
    """
    limits.check()
    folder = read_folder(data, ["utt2num_samples"] + ["text"] * (tokenizer is not None))
    assert folder.samples is not None and (folder.text is not None or not tokenizer)
    tokens = count_tokens(folder.text or {}, tokenizer) if tokenizer else {}
    removed: dict[str, str] = {}
    kinds: Counter[str] = Counter()
    for utt, samples in folder.samples.items():
        found = _reason(samples / SAMPLE_RATE, count_frames(samples), tokens.get(utt), limits)
        if found is not None:
            kind, removed[utt] = found
            kinds[kind] += 1
    kept = folder.samples.keys() - removed.keys()
    listed = {**_removed_before(Path(data), Path(out), kept), **removed}
    write_files(Path(out), {REMOVED: (f"{u} {why}\n" for u, why in sorted(listed.items()))})
    if not kept:
        raise UserError(f"{data}: no utterance is left: {dict(kinds)}; see {out}/{REMOVED}")
    left = subset(folder, kept)
    write_folder(left, out)
    shown = ", ".join(f"{kind} {count}" for kind, count in kinds.most_common()) or "none"
    summary = f"{out}: {len(kept)} of {len(folder.samples)} utterances kept; removed: {shown}"
    return FilterResult(left, removed, summary)


def _reason(
    seconds: float, frames: int, tokens: int | None, limits: Limits
) -> tuple[str, str] | None:
    """Return the kind of reason to remove an utterance, and the reason; None: keep it."""
    if seconds < limits.min_seconds:
        return "too short", f"{seconds:.3f} s is shorter than {limits.min_seconds:g} s"
    if seconds > limits.max_seconds:
        return "too long", f"{seconds:.3f} s is longer than {limits.max_seconds:g} s"
    if frames < limits.min_frames:
        return "too few frames", f"{frames} frames are fewer than {limits.min_frames}"
    if tokens is not None and tokens >= frames:
        rule = f"{tokens} tokens with [CLS] and [SEP] are not fewer than {frames} frames"
        return "more tokens than frames", rule
    return None


def _removed_before(data: Path, out: Path, kept: set[str]) -> dict[str, str]:
    """Return what an earlier run in place removed: it stays in the list."""
    if data.resolve() != out.resolve() or not (out / REMOVED).is_file():
        return {}
    lines = (out / REMOVED).read_text(encoding="utf-8").splitlines()
    before = dict(line.split(" ", 1) for line in lines if " " in line)
    return {utt: why for utt, why in before.items() if utt not in kept}


def load_tokenizer(name: str) -> WordPieceTokenizer:
    """The word pieces of a BERT.

    `name` is a vocab.txt, the folder of a model, or a Hugging Face name.
    """
    path = Path(name)
    if path.is_dir() and (path / "vocab.txt").is_file():
        path = path / "vocab.txt"
    return WordPieceTokenizer(read_vocabulary(path) if path.is_file() else load_vocabulary(name))


def count_tokens(text: dict[str, str], tokenizer: str) -> dict[str, int]:
    """Return the number of tokens of each transcript, with [CLS] and [SEP]."""
    return dict(zip(text, load_tokenizer(tokenizer).counts(text.values()), strict=True))
