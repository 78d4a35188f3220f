"""Where the time of a training step goes, and what cached features save.

    python benchmarks/training.py                # the configurations of make mini
    python benchmarks/training.py --bfloat16     # as use_amp in a configuration
    python benchmarks/training.py --paper --frozen --batch 4

The models are those of conf/mini (Whisper tiny, MiniLM) with random weights, and of conf (data2vec
base, BERT base) with `--paper`. The paper trains its speech encoder; with `--frozen` its features
can be cached (`--slu_args "--frontend_conf freeze=all"`). Each step has forward, backward, clipping
and the optimizer; steps with waveforms and with cached features take turns. All times are of this
run: compare the shares.
"""

import statistics
import time
from argparse import Namespace
from collections import defaultdict
from contextlib import ExitStack, contextmanager
from itertools import product
from pathlib import Path

import click
import torch
import yaml
from describe import describe, save, spread
from transformers import BertConfig, Data2VecAudioConfig, WhisperConfig

from espnet_wabert.constants import SAMPLE_RATE
from espnet_wabert.models import wabert
from espnet_wabert.models.builder import build_model

ROOT = Path(__file__).resolve().parent.parent
TOKENS = 3.0  # per second
MINILM = dict(
    hidden_size=384, num_hidden_layers=6, num_attention_heads=12, intermediate_size=1536
)  # fmt: skip
PARTS = {
    "frontend": ("frontend", "forward"),
    "aligner": ("encoder", "forward"),
    "CIF": ("encoder", "fire"),
    "teacher": ("teacher", "forward"),
    "BERT's upper layers": ("postencoder", "forward"),
    "alignment loss": ("align_loss", "forward"),
    "grapheme loss": ("grapheme_head", "loss"),
    "prosody branch": ("prosody", "forward"),
}
CONFIGURATIONS = {
    False: ("mini/align.yaml", "mini/sentiment_prosody.yaml"),
    True: ("align_bert_i3.yaml", "sentiment_bert_i3.yaml"),
}


def pieces(count):
    """As many different word pieces of letters as a vocabulary has."""
    ends = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    words = ("".join(letters) for letters in product("abcdefghij", repeat=5))
    return ends + [word for word, _ in zip(words, range(count - len(ends)), strict=False)]


def build(configuration, paper, frozen):
    """The model of a configuration, with its frozen encoder, and random weights."""
    args = yaml.safe_load((ROOT / "conf" / configuration).read_text())
    if frozen:
        args["frontend_conf"]["freeze"] = "all"
    speech = Data2VecAudioConfig() if paper else WhisperConfig(d_model=384)
    text = BertConfig() if paper else BertConfig(**MINILM)
    for part, config in (("frontend", speech), ("postencoder", text)):
        args[f"{part}_conf"] |= {
            "model_name_or_path": None,
            "config": {**config.to_diff_dict(), "model_type": config.model_type},
        }
    args["model_conf"].pop("self_transcript_weight", None)  # random pieces are no transcript
    if args["model_conf"].get("class_weights") == "balanced":
        args["model_conf"]["class_weights"] = [1.0, 1.0, 1.0]
    torch.manual_seed(0)
    model = build_model(Namespace(token_list=pieces(text.vocab_size), **args))
    for name in args.get("freeze_param", []):
        model.get_submodule(name).requires_grad_(False)
    return model.train()


def batch_of(model, seconds, count, cached):
    """Arguments of a model's forward."""
    speech = torch.randn(count, int(seconds * SAMPLE_RATE)) / 10
    lengths = torch.full((count,), speech.shape[1])
    if cached:
        with torch.no_grad():
            speech, lengths = model.features(speech, lengths)
    tokens = int(seconds * TOKENS)
    text = torch.randint(4, 10_000, (count, tokens))
    text[:, 0], text[:, -1] = 2, 3
    found = dict(speech=speech, speech_lengths=lengths, text=text)
    found["text_lengths"] = torch.full((count,), tokens)
    if not isinstance(model, wabert.WaBERT):
        found["sentiment"] = torch.randint(0, 3, (count, 1))
    elif model.grapheme_head is not None:
        edges = torch.linspace(0, seconds, tokens + 1)
        found["token_times"] = torch.stack([edges[:-1], edges[1:]], dim=1).expand(count, -1, -1)
    return found


@contextmanager
def timed(owner, name, spent, label):
    """Add the time of an object's method to `spent`."""
    method = getattr(owner, name)

    def call(*args, **kwargs):
        begin = time.perf_counter()
        try:
            return method(*args, **kwargs)
        finally:
            spent[label] += time.perf_counter() - begin

    setattr(owner, name, call)
    try:
        yield
    finally:
        setattr(owner, name, method)


def step(model, optimizer, batch, bfloat16):
    """Do one step of training; return the seconds of its parts."""
    spent, begin = defaultdict(float), time.perf_counter()
    with ExitStack() as stack:
        for label, (part, method) in PARTS.items():
            owner = getattr(model, part, None)
            if owner is not None and hasattr(owner, method):
                stack.enter_context(timed(owner, method, spent, label))
        stack.enter_context(timed(wabert, "subword_loss", spent, "subword loss"))
        stack.enter_context(torch.autocast("cpu", torch.bfloat16, enabled=bfloat16))
        loss = model(**batch)[0]
    forward = time.perf_counter()
    if "aligner" in spent:
        spent["aligner"] -= spent["CIF"]  # its forward calls fire
    loss.backward()
    backward = time.perf_counter()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
    optimizer.step()
    optimizer.zero_grad()
    end = time.perf_counter()
    spent["other forward"] = forward - begin - sum(spent.values())
    spent |= {"backward": backward - forward, "clipping, optimizer": end - backward}
    return dict(spent)


def measure(model, seconds, count, repeats, bfloat16):
    """Return the seconds of a step and, as medians, of its parts, by the kind of input."""
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-5, fused=True)  # as in training
    whole = not any(p.requires_grad for p in model.frontend.parameters())
    kinds = {"waveforms": False, "cached": True} if whole else {"waveforms": False}
    batches = {kind: batch_of(model, seconds, count, cached) for kind, cached in kinds.items()}
    steps = {kind: [] for kind in kinds}
    for turn in range(repeats + 1):
        for kind, batch in batches.items():
            done = step(model, optimizer, batch, bfloat16)
            if turn:
                steps[kind].append(done)
    return {
        kind: {
            "step": spread([sum(one.values()) for one in rows]),
            "parts": {part: statistics.median(one[part] for one in rows) for part in rows[0]},
        }
        for kind, rows in steps.items()
    }


@click.command()
@click.option("--paper", is_flag=True, help="The paper's sizes instead of make mini's.")
@click.option("--frozen", is_flag=True, help="Freeze all of the speech encoder.")
@click.option("--bfloat16", is_flag=True, help="Forward in bfloat16, as with use_amp.")
@click.option("--seconds", default=6.0, show_default=True, help="Of an utterance.")
@click.option("--batch", default=12, show_default=True, help="Utterances.")
@click.option("--repeats", default=5, show_default=True)
@click.option("--threads", default=2, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=ROOT / "benchmarks/results")
def main(paper, frozen, bfloat16, seconds, batch, repeats, threads, out):
    """Measure, print tables and write training.json."""
    torch.set_num_threads(threads)
    result = {**describe(threads), "utterances": batch, "seconds": seconds, "steps": {}}
    result |= {"frozen": frozen, "bfloat16": bfloat16}
    for configuration in CONFIGURATIONS[paper]:
        found = measure(build(configuration, paper, frozen), seconds, batch, repeats, bfloat16)
        result["steps"][configuration] = found
        print(f"\n| {configuration} | " + " | ".join(f"{kind}, s | %" for kind in found) + " |")
        print("| :-- |" + " --: | --: |" * len(found))
        for part in next(iter(found.values()))["parts"]:
            shares = [
                (own["parts"].get(part, 0), sum(own["parts"].values())) for own in found.values()
            ]
            cells = [f"{own:.3f} | {100 * own / whole:.0f}" for own, whole in shares]
            print(f"| {part} | " + " | ".join(cells) + " |")
        steps = [own["step"] for own in found.values()]
        rates = [f"{one['median']:.3f} | {batch / one['median']:.0f} per s" for one in steps]
        print("| **step, utterances** | " + " | ".join(rates) + " |")
        ends = [f"{one['min']:.3f} to {one['max']:.3f} |" for one in steps]
        print("| minimum to maximum | " + " | ".join(ends) + " |")
    kinds = {"paper": paper, "frozen": frozen, "bfloat16": bfloat16}
    name = "_".join(["training", *(kind for kind, given in kinds.items() if given)])
    save(out, name, result)


if __name__ == "__main__":
    main()
