"""Speed of the alignment of recordings with cached features, in times real time.

    python benchmarks/align.py            # 1,000 utterances of 10 s; writes results/align.json
    python benchmarks/align.py --utterances 100

The utterances are cached features of a test set, concatenated to `--seconds`, with their
transcripts; make mini caches what the encoder's frozen convolutions give. The time is that of
`wabert align MODEL feats.scp` after loading the model: read the features, align, write TextGrids,
CTMs and JSON. One utterance runs before, so that compilation is not included.
"""

import json
import tempfile
import time
from itertools import cycle
from pathlib import Path

import click
import kaldiio
import numpy as np
import torch
from describe import describe, save

from espnet_wabert.formats.aligned_files import KINDS, Writer
from espnet_wabert.formats.lines import read_table
from espnet_wabert.inference.align_corpus import align_all
from espnet_wabert.inference.api import WaBERTInference
from espnet_wabert.inference.recordings import many_recordings

ROOT = Path(__file__).resolve().parent.parent
MINI = ROOT / "exp/mini/librispeech_wabert"


def make_utterances(source, feats, out, count, frames):
    """Write `count` utterances of `frames` frames, at least, as feats.scp and text below `out`."""
    matrices, texts = read_table(feats / "feats.scp"), read_table(source / "text")
    parts = cycle(sorted(matrices.keys() & texts.keys()))
    lines, sizes = [], []
    with kaldiio.WriteHelper(
        f"ark,scp:{out / 'feats.ark'},{out / 'feats.scp'}", compression_method=3
    ) as writer:
        for index in range(count):
            pieces, words, size = [], [], 0
            while size < frames:
                name = next(parts)
                ark, _, place = matrices[name].rpartition(":")
                pieces.append(kaldiio.load_mat(f"{feats / Path(ark).name}:{place}"))
                words.append(texts[name])
                size += len(pieces[-1])
            writer(f"u{index:05}", np.concatenate(pieces))
            lines.append(f"u{index:05} {' '.join(words)}\n")
            sizes.append(f"u{index:05} {size}\n")
    (out / "text").write_text("".join(lines), encoding="utf-8")
    (out / "utt2num_frames").write_text("".join(sizes), encoding="utf-8")


@click.command()
@click.option("--model", default=str(MINI / "exp/align/align.zip"), show_default=True)
@click.option("--dump", type=click.Path(path_type=Path), default=MINI / "dump", show_default=True)
@click.option("--name", default="test_clean", show_default=True, help="Set to take speech from.")
@click.option("--utterances", default=1000, show_default=True)
@click.option("--seconds", default=10.0, show_default=True, help="At least, an utterance.")
@click.option("--batch_seconds", default=100.0, show_default=True)
@click.option("--threads", default=2, show_default=True)
@click.option("--method", help="Default: the model's best.")
@click.option("--out", type=click.Path(path_type=Path), default=ROOT / "benchmarks/results")
def main(model, dump, name, utterances, seconds, batch_seconds, threads, method, out):
    """Measure, print and write align.json."""
    torch.set_num_threads(threads)
    inference = WaBERTInference.from_pretrained(model)
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        raw, cached = dump / "raw" / name, dump / "feats_convolutions" / name
        make_utterances(raw, cached, folder, utterances, seconds * 50)
        scp, text = str(folder / "feats.scp"), str(folder / "text")
        first = many_recordings(scp, text).recordings[:1]
        align_all(inference, first, lambda *found: None, method, bar=False)
        begin, cpu = time.perf_counter(), time.process_time()
        writer = Writer(folder / "out", KINDS, Path(model).name)
        given = many_recordings(scp, text)
        done = align_all(inference, given.recordings, writer.add, method, batch_seconds)
        writer.close()
        took, cpu = time.perf_counter() - begin, time.process_time() - cpu
    audio = sum(found.duration for found in writer.found.values())
    used = sorted({found.method for found in writer.found.values()})
    words = sum(len(found.words) for found in writer.found.values())
    result = {
        "utterances": done.aligned, "audio_seconds": round(audio, 1), "words": words,
        "method": ", ".join(used), "seconds": round(took, 2), "cpu_seconds": round(cpu, 2),
        "times_real_time": round(audio / took, 1), **describe(threads),
    }  # fmt: skip
    print(json.dumps(result, indent=1))
    save(out, "align", result)


if __name__ == "__main__":
    main()
