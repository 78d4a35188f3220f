"""Make a data folder from the utterances of a corpus, with the checks of all corpora."""

from collections import Counter
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

from espnet_wabert.constants import SAMPLE_RATE
from espnet_wabert.corpora.rejects import Rejects
from espnet_wabert.errors import UserError
from espnet_wabert.formats.audio import AudioFault, AudioInfo, inspect
from espnet_wabert.formats.kaldi import DataFolder, Segment, write_folder
from espnet_wabert.formats.kaldi_checks import PAST_END
from espnet_wabert.formats.word import Word
from espnet_wabert.workers.progress import progress
from espnet_wabert.workers.workers import Workers

# Of headers, which take 0.1 ms each: how many a worker gets at a time, and is started for.
HEADERS_AT_A_TIME, WORTH_A_WORKER = 256, 200


class Utterance(NamedTuple):
    """One utterance of a corpus; `where` is its file and line.

    `text` is None if the corpus does not publish it; `span` is (start, end) in seconds if the
    utterance is a part of the audio file.
    """

    utt: str
    speaker: str
    audio: str
    where: str
    text: str | None = None
    sentiment: str | None = None
    words: tuple[Word, ...] | None = None
    span: tuple[float, float] | None = None


class Assembled(NamedTuple):
    """The data folder, and one line with counts."""

    folder: DataFolder
    summary: str


def finish(
    utterances: list[Utterance],
    rejects: Rejects,
    out: str | Path,
    skip_bad: bool,
    workers: Workers,
) -> Assembled:
    """Check the audio of all `utterances`, handle the rejects, write the data folder `out`."""
    _no_duplicates(utterances)
    infos = workers.map(inspect, (u.audio for u in utterances), HEADERS_AT_A_TIME, WORTH_A_WORKER)
    counts: Counter = Counter()
    usable = []
    with progress(len(utterances), f"{out}: audio headers") as bar:
        for utterance, info in zip(utterances, infos, strict=True):
            bar.update()
            checked = _check(utterance, info, rejects, counts)
            if checked is not None:
                usable.append(checked)
    rejects.settle(out, skip_bad)
    if not usable:
        raise UserError(f"{out}: no utterances left; left out: {rejects.counts()}")
    folder = _folder(usable)
    write_folder(folder, out)
    return Assembled(folder, _summary(folder, rejects, counts, out))


def _no_duplicates(utterances: list[Utterance]) -> None:
    seen: dict[str, str] = {}
    for utterance in utterances:
        if utterance.utt in seen:
            raise UserError(
                f"{utterance.where}: utterance id {utterance.utt!r} is also in "
                f"{seen[utterance.utt]}; ids must be unique"
            )
        seen[utterance.utt] = utterance.where


class _Timed(NamedTuple):
    utterance: Utterance
    seconds: float


def _check(
    utterance: Utterance, info: AudioInfo | AudioFault, rejects: Rejects, counts: Counter
) -> _Timed | None:
    """Return the utterance with times within its audio; None if it is rejected."""
    utt, where = utterance.utt, utterance.where
    if isinstance(info, AudioFault):
        if info.kind == "missing audio file":
            rejects.add(utt, "transcript without audio", f"{where}: no file {utterance.audio}")
        else:
            rejects.add(utt, info.kind, f"{utterance.audio}: {info.detail}")
        return None
    if utterance.text == "":
        rejects.add(utt, "empty transcript", where)
        return None
    seconds = info.samples / info.rate
    if utterance.span is not None:
        start, end = utterance.span
        if not 0 <= start < min(end, seconds):
            rejects.add(utt, "span outside the audio", f"{where}: {start} to {end} s")
            return None
        if end > seconds:
            counts["ends_cut"] += 1
            utterance = utterance._replace(span=(start, seconds))
        seconds = min(end, seconds) - start
    words = utterance.words
    if words and max(word.end for word in words) > seconds + PAST_END:
        counts["words_past_end"] += 1
        utterance = utterance._replace(words=None)
    counts["stereo"] += info.channels != 1
    counts["other_rate"] += info.rate != SAMPLE_RATE
    return _Timed(utterance, seconds)


def _folder(usable: list[_Timed]) -> DataFolder:
    """Return the data folder, with the maps that the utterances have."""
    utterances = [timed.utterance for timed in usable]

    def column(field: str, make=lambda value: value) -> dict | None:
        """Return one map; None if no utterance has a value."""
        pairs = ((u, getattr(u, field)) for u in utterances)
        return {u.utt: make(value) for u, value in pairs if value is not None} or None

    spans = {u.utt: Segment(u.utt, *u.span) for u in utterances if u.span is not None}
    return DataFolder(
        wav={u.utt: u.audio for u in utterances},
        utt2spk={u.utt: u.speaker for u in utterances},
        text=column("text"),
        sentiment=column("sentiment"),
        segments=spans or None,
        words=column("words", lambda words: tuple(sorted(words, key=attrgetter("start")))),
        seconds={timed.utterance.utt: timed.seconds for timed in usable},
    )


def _summary(folder: DataFolder, rejects: Rejects, counts: Counter, out: str | Path) -> str:
    line = (
        f"{out}: {len(folder.utt2spk)} utterances, {len(set(folder.utt2spk.values()))} speakers, "
        f"{folder.hours():.2f} h; left out as bad: {rejects.counts()}; format_wav will convert "
        f"{counts['stereo']} stereo and {counts['other_rate']} not at {SAMPLE_RATE} Hz"
    )
    if counts["ends_cut"]:
        line += f"; {counts['ends_cut']} spans end after their audio and were cut to it"
    if folder.words or counts["words_past_end"]:
        line += (
            f"; word times for {len(folder.words or ())} of them "
            f"({counts['words_past_end']} dropped: past the end of the audio)"
        )
    return line
