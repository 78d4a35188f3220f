"""The embedded corpus in SLUE-VoxCeleb's layout, with a text part and a voice part.

Text part: the words have the label, the voice has jitter only. Voice part: the words are neutral
and the voice has the label (`prosody.SHIFTS`). `parts.tsv`, which the real corpus does not have,
has the part of each utterance; `slue-voxceleb_test.tsv` is like the gated copy of the test labels.
"""

import itertools
import string
from pathlib import Path
from typing import NamedTuple

from espnet_wabert.constants import SAMPLE_RATE
from espnet_wabert.mini.pools import Pool, Pools
from espnet_wabert.mini.prosody import manner_of
from espnet_wabert.mini.sentences import words
from espnet_wabert.mini.sizes import Set, Size
from espnet_wabert.mini.utterance import Plan, Spoken
from espnet_wabert.mini.voices import draw_conditions, make_speaker

FOLDER = "slue-voxceleb"
SHARES = {"Neutral": 0.55, "Positive": 0.25, "Negative": 0.20}  # of the labels, in each part
VOICE_PART = 0.4  # fraction of the utterances with the label in the voice
CONTEXT = 0.15  # fraction of the files with other words before (half also after) the utterance
NOISY = 0.3  # fraction of the utterances with the noise of an "other" part
FIRST_SPEAKER = {"fine-tune": 10012, "dev": 10262, "test": 11001}
COLUMNS = (
    "id",
    "normalized_text",
    "speaker_id",
    "split",
    "sentiment",
    "start_second",
    "end_second",
)
BLIND = tuple(column for column in COLUMNS if column not in ("normalized_text", "sentiment"))


class Item(NamedTuple):
    """One utterance of this layout."""

    plan: Plan
    speaker: str
    split: str
    sentiment: str
    part: str  # "text", "voice", or "odd" for a label that is not used


def plan_slue(size: Size, pools: Pools, rng) -> list[Item]:
    """Plan all splits. Sentences and voices are those of the split alone."""
    return [item for name in size.slue for item in _plan_set(name, size, pools, rng)]


def label_counts(count: int) -> dict[str, int]:
    """Return how many of `count` utterances have each label; Neutral gets the remainder."""
    rare = {label: round(SHARES[label] * count) for label in ("Positive", "Negative")}
    return {"Neutral": count - sum(rare.values()), **rare}


def contents(size: Set, pool: Pool) -> list[tuple[str, str, str]]:
    """Text, label and part of each utterance, in the order of the parts.

    A list of sentences is repeated when it ends: a neutral sentence can occur with several voices
    and labels.
    """
    texts = {label: itertools.cycle(found) for label, found in pool.sentiment.items()}
    in_voice = round(VOICE_PART * size.utterances)
    rows = []
    for label, count in label_counts(size.utterances - in_voice).items():
        rows += [(next(texts[label]), label, "text") for _ in range(count)]
    for label, count in label_counts(in_voice).items():
        rows += [(next(texts["Neutral"]), label, "voice") for _ in range(count)]
    unclear = itertools.cycle(pool.unclear)
    odd = ["<mixed>"] * size.mixed + ["Disagreement"] * size.disagreement + [""] * size.empty
    return rows + [(next(unclear), label, "odd") for label in odd]


def _plan_set(name: str, corpus: Size, pools: Pools, rng) -> list[Item]:
    size = corpus.slue[name]
    pool = pools.splits[size.split]
    numbers = range(FIRST_SPEAKER[name], FIRST_SPEAKER[name] + size.speakers)
    speakers = [make_speaker(f"id{number}", size.split, corpus.robots, rng) for number in numbers]
    rows = contents(size, pool)
    order = rng.permutation(len(rows))
    others = pool.open[-40:]  # the TIMIT layout uses the beginning of the list
    items = []
    for place, index in enumerate(order):
        text, label, part = rows[index]
        speaker = speakers[place % len(speakers)]
        key = f"{speaker.name}_{_video(rng)}_{place // len(speakers) + 1:05d}"
        chance = rng.random(3)
        plan = Plan(
            key,
            f"{FOLDER}/{name}_raw/{key}.flac",
            text,
            speaker.voice,
            manner_of(label if part == "voice" else "Neutral", speaker.manner, rng),
            draw_conditions(speaker, bool(chance[2] < NOISY), rng),
            before=str(rng.choice(others)) if chance[0] < CONTEXT else "",
            after=str(rng.choice(others)) if chance[0] < CONTEXT and chance[1] < 0.5 else "",
        )
        items.append(Item(plan, speaker.name, name, label, part))
    return sorted(items, key=lambda item: item.plan.key)


def _video(rng) -> str:
    return "".join(rng.choice(list(string.ascii_letters + string.digits), 11))


def write_slue(root: Path, items: list[Item], spoken: dict[str, Spoken]) -> None:
    """Write the tsv files of the utterances that were spoken."""
    items = [item for item in items if item.plan.key in spoken]
    for split in FIRST_SPEAKER:
        rows = [_row(item, spoken[item.plan.key]) for item in items if item.split == split]
        _write_table(root / FOLDER / f"{FOLDER}_{split}.tsv", COLUMNS, rows)
        if split == "test":
            _write_table(root / FOLDER / f"{FOLDER}_test_blind.tsv", BLIND, rows)
    parts = [{"id": item.plan.key, "part": item.part} for item in items]
    _write_table(root / FOLDER / "parts.tsv", ("id", "part"), parts)


def _row(item: Item, spoken: Spoken) -> dict[str, str]:
    return {
        "id": item.plan.key,
        "normalized_text": " ".join(words(item.plan.text)),
        "speaker_id": item.speaker,
        "split": item.split,
        "sentiment": item.sentiment,
        "start_second": f"{_seconds(spoken.start):.3f}",
        "end_second": f"{_seconds(spoken.end):.3f}",
    }


def _seconds(sample: int) -> float:
    return (
        int(sample * 1000 / SAMPLE_RATE) / 1000
    )  # rounded down, so that no end is after the end of the file


def _write_table(path: Path, columns, rows: list[dict[str, str]]) -> None:
    lines = ["\t".join(columns)] + ["\t".join(row[name] for name in columns) for row in rows]
    path.write_text("\n".join(lines) + "\n")
