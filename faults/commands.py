"""Commands on damaged files and odd places for output: one line, or all that was asked for."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import soundfile
from aligners import write_model
from click.testing import CliRunner, Result
from corpora_makers import noise
from tiny import arguments, save

from espnet_wabert.bin import (
    filter_lengths,
    format_wav,
    make_vocabulary,
    score_alignment,
    score_sentiment,
    show_predictions,
    show_results,
    update_results,
    validate_data,
)
from espnet_wabert.cli.main import main as wabert
from espnet_wabert.errors import UserError
from faults import damage, parsers
from faults.drawn import drawn
from faults.outcomes import Outcome, Try, Verdict

LABELS = b"u1 Neutral\nu2 Positive\nu3 Negative\n"


class Case(NamedTuple):
    """A command with a file that gets damaged; `{file}`, `{out}` and `{model}` stand for paths."""

    command: Any
    options: tuple[str, ...]
    name: str
    content: bytes


def cases(work: Path) -> list[Case]:
    """Return the commands, with their other files in `work`."""
    for n in range(2):
        soundfile.write(work / f"u{n}.wav", noise(0.5, seed=n), 16000)
    (work / "ref.ctm").write_bytes(parsers.CTM)
    (work / "labels").write_bytes(LABELS)
    (work / "text").write_text("u0 the good film\nu1 bad\n")
    scp = f"u0 {work}/u0.wav\nu1 {work}/u1.wav\n".encode()
    (work / "wav.scp").write_bytes(scp)
    text = b"u0 the good film\nu1 bad caf\xc3\xa9 2\n"
    ref, scored = f"{work}/ref.ctm", f"{work}/labels"
    model = ("--model", "{model}")
    return [
        Case(wabert, ("convert", "{file}", "--out", "{out}", "--format",
             "textgrid,json,srt,vtt,audacity,ctm"), "x.ctm", parsers.CTM),
        Case(wabert, ("convert", "{file}", "--out", "{out}"), "u.json", parsers.JSON),
        Case(wabert, ("align", "{file}", "--text", f"{work}/text", "--out", "{out}", *model),
             "wav.scp", scp),
        Case(wabert, ("align", f"{work}/wav.scp", "--text", "{file}", "--out", "{out}", *model),
             "text", text),
        Case(wabert, ("align", f"{work}/u0.wav", "--text", "{file}", *model), "t.txt", b"the film"),
        Case(wabert, ("encode", "{file}", "--out", "{out}", *model), "wav.scp", scp),
        Case(wabert, ("sentiment", "{file}", "--format", "csv", "--model", "{classifier}"),
             "wav.scp", scp),
        Case(score_alignment.main, ("--ref", ref, "--hyp", "{file}"), "x.ctm", parsers.CTM),
        Case(score_alignment.main, ("--ref", "{file}", "--hyp", ref), "x.ctm", parsers.CTM),
        Case(score_sentiment.main, ("--ref", scored, "--hyp", "{file}", "--resamples", "20"),
             "hyp", parsers.PREDICTIONS),
        Case(score_sentiment.main, ("--ref", "{file}", "--hyp", scored, "--resamples", "20"),
             "ref", LABELS),
        Case(show_results.main, ("{file}",), "results.json", parsers.RESULTS),
        Case(update_results.main, ("{file}", "a.b=1"), "results.json", parsers.RESULTS),
        Case(show_predictions.main, ("--decoding", "{file}", "--text", f"{work}/text", "--out",
             "{out}"), "decoding.jsonl", parsers.DECODING),
        Case(validate_data.main, ("{folder}",), "text", b"a-1 ONE\n"),
        Case(format_wav.main, ("--data", "{folder}", "--out", "{out}"), "wav.scp", scp),
        Case(filter_lengths.main, ("--data", "{folder}", "--out", "{out}"), "utt2num_samples",
             b"a-1 24000\n"),
    ]  # fmt: skip


PLACES = ("/dev/full", "/proc/none", "/dev/null/x", "{file}/x", "a" * 300, "x\ty", "é/ü")


def act(command: Any, options: list[str]) -> Result:
    """Run a command; its error is a clean one if it is one line, a usage error if click's."""
    done = CliRunner().invoke(command, options)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    if done.exit_code:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        errors = [line for line in lines if line.lower().startswith(("error: ", "skipped: "))]
        if not errors or "Traceback" in done.stderr:
            raise AssertionError(f"status {done.exit_code}: {done.stderr[-300:]}")
        raise UserError(errors[-1])
    return done


def _said(done: Result) -> Verdict:
    """Accept a success without NaN in what it prints; the parsers have judges of their own."""
    if "nan" in done.output.lower().split():
        return Verdict(Outcome.WRONG, f"exit 0: {done.output[:200]!r}")
    return Verdict(Outcome.RIGHT)


def tries(count: int, seed: int, work: Path) -> Iterator[Try]:
    """Yield `count` damaged files for each command, and the places for output."""
    work.mkdir(parents=True, exist_ok=True)
    paths = {
        "model": str(write_model(work / "model")),
        "classifier": str(save(arguments("wabert_sentiment"), work / "classifier")),
    }
    for number, case in enumerate(cases(work)):
        folder = work / f"case{number}"
        folder.mkdir()
        file = folder / case.name
        for index, content in enumerate([case.content, *drawn(damage.of_text(case.content), count,
                                                              seed)]):  # fmt: skip
            file.write_bytes(content)
            paths |= {"file": str(file), "folder": str(folder), "out": str(work / f"out{number}")}
            options = [option.format_map(paths) for option in case.options]
            name = f"{case.command.name} {case.options[0]} {case.name} {index}: {content[:60]!r}"
            yield Try(name, partial(act, case.command, options), _said)
        file.write_bytes(case.content)
        if "{out}" in case.options:
            for place in PLACES:
                paths["out"] = place.format_map(paths)
                if not place.startswith(("/", "{")):
                    paths["out"] = str(folder / place)
                options = [option.format_map(paths) for option in case.options]
                name = f"{case.command.name} {case.options[0]} to {place[:20]!r}"
                yield Try(name, partial(act, case.command, options), _said)
    options = ["--text_model", str(work), "--out", str(work / "vocab.txt")]
    yield Try("a folder without a tokenizer", partial(act, make_vocabulary.main, options), _said)
