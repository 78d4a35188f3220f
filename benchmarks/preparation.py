"""Time and memory of the data stages by the number of utterances: stages 1, 3, 4, 5 and 10.

A corpus in LibriSpeech's layout is made of hard links to a few short FLAC files, with transcripts
of 34 words as LibriSpeech's. The files have 2 to 4 s of noise (LibriSpeech's have 12 s on average,
so that stage 3, which decodes every sample, takes longer); with `--silent true` they have silence,
whose decoding takes nearly no time, so that all other work is seen. The stages are the recipe's
commands, each in a process of its own. `cpu_seconds` are those of all processes of a stage: compare
these, if the machine has other work. `peak_mb` is the largest sum of their memory, with shared
pages counted once, seen ten times per second. `digest` is of all that was written.

    python benchmarks/preparation.py --folder exp/preparation --text_model DIR --count 10000
"""

import hashlib
import json
import os
import resource
import shutil
import sys
import time
from itertools import batched
from pathlib import Path

import click
import numpy as np
import psutil
import soundfile
from describe import describe

from espnet_wabert.constants import SAMPLE_RATE

PART = "train-clean-100"
SOURCES = 40  # files; ext4 allows 65,000 links to each
PER_CHAPTER, CHAPTERS = 48, 12  # utterances, and chapters of a speaker, as in LibriSpeech
WORDS = 34


def make_corpus(root: Path, count: int, vocabulary: Path, silent: bool = False) -> Path:
    """Make a corpus of `count` utterances; return its folder LibriSpeech."""
    rng = np.random.default_rng(0)
    sources = [root / "sources" / f"{number}.flac" for number in range(SOURCES)]
    (root / "sources").mkdir(parents=True)
    for source in sources:
        samples = np.cumsum(rng.normal(size=int(SAMPLE_RATE * rng.uniform(2, 4))))
        samples -= np.convolve(samples, np.ones(100) / 100, "same")
        samples *= 0.0 if silent else 0.5 / np.abs(samples).max()
        soundfile.write(source, samples, SAMPLE_RATE, subtype="PCM_16")
    pieces = vocabulary.read_text(encoding="utf-8").split("\n")
    words = [piece.upper() for piece in pieces if piece.isascii() and piece.isalpha()]
    # Some words are two of these together, which BERT has in pieces.
    words += [first + second for first, second in zip(words[::9], words[1::9], strict=False)]
    corpus = root / "LibriSpeech"
    for chapter, numbers in enumerate(batched(range(count), PER_CHAPTER)):
        speaker = 1000 + chapter // CHAPTERS
        name = f"{speaker}-{100000 + chapter}"
        folder = corpus / PART / str(speaker) / str(100000 + chapter)
        folder.mkdir(parents=True)
        lines = []
        for place, number in enumerate(numbers):
            utterance = f"{name}-{place:04d}"
            os.link(sources[number % SOURCES], folder / f"{utterance}.flac")
            chosen = rng.integers(len(words), size=WORDS)
            lines.append(f"{utterance} {' '.join(words[index] for index in chosen)}\n")
        (folder / f"{name}.trans.txt").write_text("".join(lines), encoding="utf-8")
    return corpus


def stages(root: Path, corpus: Path, text_model: Path, nj: int) -> dict[str, list[str]]:
    """Return the command of each stage."""
    data, org, raw = root / "data", root / "dump/raw/org", root / "dump/raw"
    vocabulary = root / "dump/vocab.txt"
    commands = {
        "1 data preparation": ["prepare_data", "librispeech", "--corpus", corpus, "--parts", PART,
                               "--nj", nj, "--out", data],
        "3 audio": ["format_wav", "--data", data, "--out", org, "--nj", nj],
        "4 lengths": ["filter_lengths", "--data", org, "--out", raw, "--tokenizer", text_model],
        "5 vocabulary": ["make_vocabulary", "--text_model", text_model, "--out", vocabulary],
        "10 statistics": ["collect_stats", "--data", raw, "--feats", "", "--out", root / "stats",
                          "--vocabulary", vocabulary],
    }  # fmt: skip
    return {name: [str(argument) for argument in command] for name, command in commands.items()}


def measure(command: list[str]) -> dict[str, float]:
    """Run one command; return its time, the CPU time of its processes and their peak memory."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begin = time.monotonic()
    module = f"espnet_wabert.bin.{command[0]}"
    process = psutil.Popen([sys.executable, "-m", module, *command[1:]], stdout=sys.stderr)
    peak = 0
    while process.poll() is None:
        peak = max(peak, memory(process))
        time.sleep(0.1)
    if process.returncode:
        raise SystemExit(f"{module}: status {process.returncode}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    seconds = time.monotonic() - begin
    return {
        "seconds": round(seconds, 1),
        "cpu_seconds": round(cpu, 1),
        "peak_mb": round(peak / 1e6),
    }


def memory(process: psutil.Process) -> int:
    """Return bytes of a process and its children, shared pages counted once."""
    total = 0
    for one in [process, *process.children(recursive=True)]:
        try:
            total += one.memory_full_info().pss
        except psutil.Error:  # it has just ended
            continue
    return total


def digest(root: Path) -> str:
    """Return a digest of what the stages wrote, without the name of the folder."""
    found = hashlib.sha256()
    for path in sorted(p for name in ("data", "dump", "stats") for p in (root / name).rglob("*")):
        if path.is_file() and not path.name.startswith("."):
            found.update(str(path.relative_to(root)).encode())
            found.update(path.read_bytes().replace(str(root.absolute()).encode(), b""))
    return found.hexdigest()[:16]


@click.command()
@click.option(
    "--folder", required=True, type=click.Path(path_type=Path), help="Removed at the end."
)
@click.option(
    "--text_model", required=True, type=click.Path(path_type=Path), help="With vocab.txt."
)
@click.option("--count", "counts", multiple=True, type=int, default=(10_000,), show_default=True)
@click.option("--nj", default=2, show_default=True, help="Processes of stages 1 and 3.")
@click.option("--silent", type=bool, default=False, show_default=True, help="Silent recordings.")
def main(folder, text_model, counts, nj, silent):
    """Print lines of JSON: the machine, each stage, and each number of utterances."""
    click.echo(json.dumps(describe(nj)))
    for count in counts:
        root = folder / str(count)
        corpus = make_corpus(root, count, text_model / "vocab.txt", silent)
        rows = []
        for name, command in stages(root, corpus, text_model, nj).items():
            rows.append({"utterances": count, "stage": name, **measure(command)})
            click.echo(json.dumps(rows[-1]))
        counted = [row for row in rows if not row["stage"].startswith("5")]
        times = ("seconds", "cpu_seconds")
        total = {key: round(sum(row[key] for row in counted), 1) for key in times}
        total["ms_of_cpu_per_utterance"] = round(1000 * total["cpu_seconds"] / count, 3)
        total["peak_mb"] = max(row["peak_mb"] for row in counted)
        about = {"stage": "1, 3, 4 and 10", **total, "digest": digest(root)}
        click.echo(json.dumps({"utterances": count, "silent": silent, "nj": nj, **about}))
        shutil.rmtree(root)


if __name__ == "__main__":
    main()
