"""Inference from audio: WaBERT beside its bare speech encoder, and beside pipelines of two models.

    python benchmarks/inference.py          # 5, 30 and 600 s, one recording and eight
    python benchmarks/inference.py --seconds 5 --batch 1
    python benchmarks/inference.py --data dump/raw/dev_clean    # what bfloat16 costs

The models have the sizes of data2vec base, wav2vec 2.0 base and BERT base, and random weights,
which take as long as trained ones. The pipelines read letters with a CTC head (the most likely
ones) and run all of BERT on as many tokens as WaBERT does. WaBERT reads more than 30 s in chunks
with context, as `wabert` does, the others in windows of 30 s. The systems take turns. All times are
of this run: compare the ratios, which are those of the medians; the machine's noise is between the
minimum and the maximum.
"""

import itertools
import re
import subprocess
import sys
import time
from argparse import Namespace
from functools import partial
from pathlib import Path

import click
import torch
from describe import describe, save, spread
from torch import nn
from transformers import (
    BertConfig,
    BertModel,
    Data2VecAudioConfig,
    Data2VecAudioModel,
    Wav2Vec2Config,
    Wav2Vec2Model,
)

from espnet_wabert.alignment.chunking import ChunkedFrontend
from espnet_wabert.constants import PRECISIONS, SAMPLE_RATE
from espnet_wabert.models.builder import build_model
from espnet_wabert.modules.precision import has_bfloat16

ROOT = Path(__file__).resolve().parent.parent
WARM, MOST = 5, 600  # seconds: of the call that is not counted; of all recordings of a call
TOKENS = 3.0  # per second: of LibriSpeech, with [CLS] and [SEP]
LETTERS = 32  # of wav2vec 2.0's CTC head
DROPPED = 3  # BERT's layers below the graft (i)
BASE = "Hugging Face's data2vec"
SYSTEMS = (
    BASE, "its frontend", "WaBERT", "pipeline", "pipeline, wav2vec 2.0",
    "its frontend, bfloat16", "WaBERT, bfloat16",
)  # fmt: skip
START = {
    "import espnet_wabert": "import espnet_wabert",
    "load the model in the box": "from espnet_wabert import WaBERT; WaBERT.from_pretrained()",
    "align 5 s": "import numpy; from espnet_wabert import WaBERT;"
    " m = WaBERT.from_pretrained(); m.align(numpy.random.randn(80000) / 10, 'one two three')",
}


def wabert():
    """WaBERT of the paper, packed: without BERT's lower layers and without the subword head."""
    args = Namespace(
        frontend="huggingface", encoder="cif", postencoder="bert", model="wabert", token_list=[],
        frontend_conf={"model_name_or_path": None, "config": config(Data2VecAudioConfig())},
        postencoder_conf={
            "model_name_or_path": None, "config": config(BertConfig()), "drop_layers": DROPPED,
        },
        encoder_conf={}, model_conf={"subword_weight": 0},
    )  # fmt: skip
    return build_model(args, pretrained=False).eval()


def config(of):
    """A Hugging Face configuration as `*_conf.config` has it."""
    return {**of.to_diff_dict(), "model_type": of.model_type}


class Pipeline:
    """CTC letters of an encoder, then all of BERT on `tokens` tokens.

    Args:
        frames: function from the batch to the encoder's output (B, T, D).
        bert: the text model.
    """

    def __init__(self, frames, bert):
        self.frames, self.bert = frames, bert
        self.ctc = nn.Linear(768, LETTERS)

    def __call__(self, speech, tokens):
        letters = self.ctc(self.frames(speech)).argmax(-1)
        for row in letters.tolist():
            "".join(chr(97 + key) for key, _ in itertools.groupby(row))
        return self.bert(torch.full((len(speech), tokens), 1000)).last_hidden_state


def systems():
    """Return functions of a batch of waveforms (B, S) and the number of tokens, by name."""
    torch.manual_seed(0)
    model, bert = wabert(), BertModel(BertConfig()).eval()
    other = Wav2Vec2Model(Wav2Vec2Config()).eval()
    bare = Data2VecAudioModel(Data2VecAudioConfig()).eval()
    cut = ChunkedFrontend(model.features, model.frontend.encoder)  # audio above 30 s

    def encode(speech, precision="float32"):
        model.frontend.precision = precision
        return cut(list(speech))

    def graft(speech, tokens, precision="float32"):
        counts = torch.full((len(speech),), tokens)
        return model.graft(*encode(speech, precision), counts).hidden

    def windows(encoder, speech):
        """A bare encoder on windows of at most 30 s, without context."""
        parts = speech.split(30 * SAMPLE_RATE, dim=1)
        return torch.cat([encoder(part).last_hidden_state for part in parts], dim=1)

    found = {
        BASE: lambda speech, tokens: windows(bare, speech),
        "its frontend": lambda speech, tokens: encode(speech),
        "WaBERT": graft,
        "pipeline": Pipeline(partial(windows, bare), bert),
        "pipeline, wav2vec 2.0": Pipeline(partial(windows, other), bert),
        "its frontend, bfloat16": lambda speech, tokens: encode(speech, "bfloat16"),
        "WaBERT, bfloat16": lambda speech, tokens: graft(speech, tokens, "bfloat16"),
    }
    return {name: found[name] for name in SYSTEMS if has_bfloat16() or "bfloat16" not in name}


@torch.inference_mode()
def measure(functions, seconds, batch, repeats):
    """Return the seconds of each system and repetition, after a short call that is not counted."""
    speech = torch.randn(batch, int(seconds * SAMPLE_RATE)) / 10
    tokens = min(int(seconds * TOKENS) + 2, 512)  # BERT has 512 positions
    times = {name: [] for name in functions}
    for function in functions.values():
        function(speech[:, : WARM * SAMPLE_RATE], int(WARM * TOKENS))
    for _ in range(repeats):
        for name, function in functions.items():
            begin = time.perf_counter()
            function(speech, tokens)
            times[name].append(time.perf_counter() - begin)
    return times


def row(name, times, base):
    """A line of the table and of the JSON file."""
    own = spread(times)
    return {"system": name, **own, "ratio": own["median"] / spread(base)["median"]}


def accuracy(data, most):
    """Boundary errors and WER of the model in the box with each precision, as lines of a table."""
    from espnet_wabert.formats.words import read_words
    from espnet_wabert.inference.api import WaBERTInference
    from espnet_wabert.inference.recordings import load, many_recordings
    from espnet_wabert.scoring.boundaries import score_boundaries
    from espnet_wabert.scoring.tokens import word_error_rate

    recordings = many_recordings(str(data / "wav.scp"), str(data / "text")).recordings[:most]
    known = read_words(data / "words.ctm")
    speech = {one.utterance: load(one) for one in recordings}
    texts = {one.utterance: one.text for one in recordings}
    words = {}
    for precision in PRECISIONS if has_bfloat16() else PRECISIONS[:1]:
        model = WaBERTInference.from_pretrained(precision=precision)
        read = {u: model.read([x])[0] for u, x in speech.items()}
        words[precision] = {u: model.align([x], [texts[u]])[0].words for u, x in speech.items()}
        found = score_boundaries({u: known[u] for u in speech}, words[precision])
        moved = score_boundaries(words["float32"], words[precision]).mean_ms
        rate = word_error_rate({u: t.lower() for u, t in texts.items()}, read)
        figures = f"{found.mean_ms:.1f} / {found.median_ms:.1f} | {moved:.2f} | {rate:.3f}"
        yield f"| {data.name}, {len(speech)} utterances | {precision} | {figures} |"


def start(code):
    """Seconds and peak memory in MB of a new process."""
    code += "; print(open('/proc/self/status').read())"
    begin = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    took = time.perf_counter() - begin
    return took, int(re.search(r"VmHWM:\s+(\d+) kB", done.stdout)[1]) / 1e3


@click.command()
@click.option("--seconds", multiple=True, type=float, default=(5, 30, 600), show_default=True)
@click.option("--batch", multiple=True, type=int, default=(1, 8), show_default=True)
@click.option("--repeats", default=5, show_default=True)
@click.option("--threads", default=2, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=ROOT / "benchmarks/results")
@click.option(
    "--data",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Data folders with a words.ctm: only the accuracy of bfloat16 on them.",
)
@click.option("--most", default=60, show_default=True, help="Utterances of each.")
def main(seconds, batch, repeats, threads, out, data, most):
    """Measure, print tables and write inference.json."""
    torch.set_num_threads(threads)
    if data:
        print("| data | precision | mean / median ms | ms from float32 | WER |")
        print("| :-- | :-- | --: | --: | --: |")
        for folder in data:
            for line in accuracy(folder, most):
                print(line, flush=True)
        return
    result = {**describe(threads), "inference": [], "start": []}
    print("| task | s | peak MB |\n| :-- | --: | --: |")
    for name, code in START.items():
        took, memory = start(code)
        result["start"].append({"task": name, "seconds": took, "peak_mb": memory})
        print(f"| {name} | {took:.1f} | {memory:.0f} |")
    print("\n| s | recordings | system | min | median | max | over the bare encoder |")
    print("| --: | --: | :-- | --: | --: | --: | --: |")
    functions = systems()
    for length, count in itertools.product(seconds, batch):
        if count > 1 and length * count > MOST:
            continue
        times = measure(functions, length, count, repeats)
        for name, own in times.items():
            found = row(name, own, times[BASE])
            result["inference"].append({"seconds": length, "recordings": count, **found})
            figures = " | ".join(f"{found[key]:.2f}" for key in ("min", "median", "max", "ratio"))
            print(f"| {length:g} | {count} | {name} | {figures} |", flush=True)
    save(out, "inference", result)


if __name__ == "__main__":
    main()
