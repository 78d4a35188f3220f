"""Checks between the files of a data folder."""

import math
from collections.abc import Iterator

PAST_END = 0.1  # seconds: tolerance for times after the end of the audio (rounding)


def inconsistencies(folder) -> Iterator[str]:
    """Yield each broken rule of a `kaldi.DataFolder`, as `file: offender: rule`."""
    if not folder.utt2spk:
        yield "utt2spk: no utterances"
    yield from _ids(folder)
    yield from _same_utterances(folder)
    yield from _speaker_order(folder)
    yield from _recordings(folder)
    yield from _values(folder)
    yield from _words(folder)


def _ids(folder) -> Iterator[str]:
    """Ids are one word each and usable as a file name."""
    for name, ids in (("utt2spk", folder.utt2spk), ("wav.scp", folder.wav)):
        for key in ids:
            if key.split() != [key] or "/" in key or key.startswith("."):
                yield f"{name}: {key!r}: an id is one word, without '/' and no '.' in front"
    for utt, speaker in folder.utt2spk.items():
        if speaker.split() != [speaker] or "/" in speaker or speaker.startswith("."):
            yield f"utt2spk: {utt!r}: speaker {speaker!r} is no id"


def _same_utterances(folder) -> Iterator[str]:
    """All maps have the utterances of utt2spk; words.ctm may have fewer."""
    maps = {
        "text": folder.text,
        "sentiment": folder.sentiment,
        "segments": folder.segments,
        "utt2speed": folder.speed,
        "utt2dur": folder.seconds,
        "utt2num_samples": folder.samples,
        "wav.scp": folder.wav if folder.segments is None else None,
    }
    for name, table in maps.items():
        if table is None or table.keys() == folder.utt2spk.keys():
            continue
        for utt in sorted(folder.utt2spk.keys() - table.keys()):
            yield f"{name}: utterance {utt!r} of utt2spk is missing"
        for utt in sorted(table.keys() - folder.utt2spk.keys()):
            yield f"{name}: utterance {utt!r} is not in utt2spk"
    for utt in sorted((folder.words or {}).keys() - folder.utt2spk.keys()):
        yield f"words.ctm: utterance {utt!r} is not in utt2spk"


def _speaker_order(folder) -> Iterator[str]:
    """Sorting by utterance sorts by speaker too, as Kaldi's tools expect."""
    previous = ("", "")
    for utt in sorted(folder.utt2spk):
        speaker = folder.utt2spk[utt]
        if speaker < previous[0]:
            yield (
                f"utt2spk: {utt!r} of {speaker!r} comes after {previous[1]!r} of {previous[0]!r}: "
                "let every utterance id begin with its speaker id"
            )
            return
        previous = (speaker, utt)


def _recordings(folder) -> Iterator[str]:
    """Segments lie in recordings of wav.scp, and have a length."""
    for utt, segment in (folder.segments or {}).items():
        if segment.recording not in folder.wav:
            yield f"segments: {utt!r}: recording {segment.recording!r} is not in wav.scp"
        if not 0 <= segment.start < segment.end < math.inf:
            yield f"segments: {utt!r}: no time from {segment.start} to {segment.end} s"


def _values(folder) -> Iterator[str]:
    """Texts, labels and paths are not empty and have one line."""
    maps = {"wav.scp": folder.wav, "text": folder.text, "sentiment": folder.sentiment}
    for name, table in maps.items():
        for key, value in (table or {}).items():
            if not value or value != value.strip() or "\n" in value or "\r" in value:
                yield f"{name}: {key!r}: {value!r} is empty, padded or not one line"


def _words(folder) -> Iterator[str]:
    """The words of words.ctm are the words of text, in order, and lie within the audio."""
    for utt, words in (folder.words or {}).items():
        if not words:
            yield f"words.ctm: {utt!r}: no words"
        if folder.text and " ".join(w.word for w in words) != folder.text.get(utt):
            yield f"words.ctm: {utt!r}: its words are not the words of text"
        starts = [w.start for w in words]
        if starts != sorted(starts) or any(not 0 <= w.start <= w.end < math.inf for w in words):
            yield f"words.ctm: {utt!r}: word times are negative or out of order"
        end = max((w.end for w in words), default=0.0)
        seconds = (folder.seconds or {}).get(utt, math.inf)
        if end > seconds + PAST_END:
            yield f"words.ctm: {utt!r}: a word ends at {end:g} s, after the audio ({seconds:g} s)"
