"""The embedded corpus in LibriSpeech's layout: seven parts, transcripts, word times, speakers.

`<part>/<speaker>/<chapter>/<speaker>-<chapter>-NNNN.flac` with `.trans.txt` (id, upper-case text)
and `.alignment.txt` in the published format of word times: end times in seconds, an empty word is
silence.
"""

from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

from espnet_wabert.constants import SAMPLE_RATE
from espnet_wabert.mini.actors import ActorVoice, lines_by_actor
from espnet_wabert.mini.prosody import SHIFTS, manner_of
from espnet_wabert.mini.sentences import words
from espnet_wabert.mini.sizes import RATE, Part, Size
from espnet_wabert.mini.speech import Manner
from espnet_wabert.mini.utterance import Plan, Spoken
from espnet_wabert.mini.voices import Speaker, draw_conditions, make_speaker

FOLDER = "LibriSpeech"
FIRST_SPEAKER, FIRST_CHAPTER = 101, 120001
CHAPTERS = 2  # of each speaker
EXPRESSIVE = 0.3  # fraction of the training utterances with sentiment in the voice
SPEED = 0.88, 1.14  # limits of the actors' speed in the copies after the first


class Planned(NamedTuple):
    """The plan of this layout."""

    plans: list[Plan]
    speakers: list[tuple[str, Speaker]]  # part and speaker


def plan_librispeech(size: Size, texts: dict[str, list[str]], rng) -> Planned:
    """Plan all parts; each sentence of a split is used once."""
    left = {split: iter(sentences) for split, sentences in texts.items()}
    plans: list[Plan] = []
    speakers: list[tuple[str, Speaker]] = []
    for name, part in size.librispeech.items():
        train = part.split == "train"
        flite, rates = (size.flite, size.rates) if train else (0.0, RATE)
        cut = size.cut if train else 0.0
        for _ in range(part.speakers):
            number = FIRST_SPEAKER + len(speakers)
            speaker = make_speaker(
                str(number), part.split, size.robots, rng, flite=flite, rates=rates
            )
            speakers.append((name, speaker))
            spoken = [next(left[part.split]) for _ in range(part.utterances)]
            plans += _plan_speaker(name, part, speaker, spoken, cut, rng)
    return Planned(plans, speakers)


def with_actors(planned: Planned, copies: int, sources: Path | None, rng) -> Planned:
    """Add recordings of actors to the training parts, clean and noisy ones in turns.

    In each copy the speakers have other speeds, rooms and microphones, and are other speakers.

    Args:
        planned: the parts without them.
        copies: of each recording; the first one has the actor's own speed.
        sources: folder of the fetched sources.
    """
    plans, speakers = planned.plans.copy(), planned.speakers.copy()
    of_actor = lines_by_actor(sources)
    for copy in range(copies):
        noisy = copy % 2 == 1
        part = "train-other-500" if noisy else "train-clean-360"
        for actor, lines in of_actor.items():
            number = FIRST_SPEAKER + len(speakers)
            voice = ActorVoice(actor, round(float(rng.uniform(*SPEED)), 4) if copy else 1.0)
            room, microphone = (int(seed) for seed in rng.integers(2**32, size=2))
            speaker = Speaker(str(number), "?", voice, Manner(), room, microphone)
            speakers.append((part, speaker))
            chapter = FIRST_CHAPTER + CHAPTERS * number
            for index, line in enumerate(lines):
                key = f"{number}-{chapter}-{index:04d}"
                path = f"{FOLDER}/{part}/{number}/{chapter}/{key}.flac"
                said = voice._replace(clip=line.clip, sources=sources)
                conditions = draw_conditions(speaker, noisy, rng)
                plans.append(Plan(key, path, line.text, said, speaker.manner, conditions))
    return Planned(plans, speakers)


def _plan_speaker(
    name: str, part: Part, speaker: Speaker, texts: list[str], cut: float, rng
) -> list[Plan]:
    plans, each = [], -(-len(texts) // CHAPTERS)
    for index, text in enumerate(texts):
        chapter = FIRST_CHAPTER + CHAPTERS * int(speaker.name) + index // each
        key = f"{speaker.name}-{chapter}-{index % each:04d}"
        path = f"{FOLDER}/{name}/{speaker.name}/{chapter}/{key}.flac"
        mood = "Neutral"
        if part.split == "train" and rng.random() < EXPRESSIVE:
            mood = str(rng.choice(sorted(SHIFTS)))
        manner = manner_of(mood, speaker.manner, rng)
        conditions = draw_conditions(speaker, part.noisy, rng)
        close = cut > 0 and rng.random() < cut  # without a random number where none is cut
        plans.append(Plan(key, path, text, speaker.voice, manner, conditions, cut=close))
    return plans


def write_librispeech(root: Path, planned: Planned, spoken: dict[str, Spoken]) -> None:
    """Write transcripts, word times and SPEAKERS.TXT beside the audio of the spoken utterances."""
    chapters: dict[Path, list[Plan]] = defaultdict(list)
    minutes: dict[str, float] = defaultdict(float)
    for plan in planned.plans:
        if plan.key in spoken:
            chapters[Path(plan.path).parent].append(plan)
            minutes[plan.key.split("-")[0]] += spoken[plan.key].samples / SAMPLE_RATE / 60
    for folder, plans in chapters.items():
        name = f"{folder.parent.name}-{folder.name}"
        transcripts = [f"{p.key} {' '.join(words(p.text)).upper()}\n" for p in plans]
        (root / folder / f"{name}.trans.txt").write_text("".join(transcripts))
        timed = [p.key for p in plans if spoken[p.key].words]
        if timed:
            aligned = "".join(f"{key} {alignment(spoken[key])}\n" for key in timed)
            (root / folder / f"{name}.alignment.txt").write_text(aligned)
    lines = [";ID  |SEX| SUBSET           |MINUTES| NAME\n"]
    for part, speaker in planned.speakers:
        spent = f"{minutes[speaker.name]:.2f}"
        lines.append(
            f"{speaker.name:<4} | {speaker.sex} | {part:<16} | {spent:<5} | {speaker.voice.name}\n"
        )
    (root / FOLDER / "SPEAKERS.TXT").write_text("".join(lines))


def alignment(spoken: Spoken) -> str:
    """The words and their end times in seconds, silence as an empty word, as two quoted lists."""
    names, ends, at = [], [], 0
    for word, start, end in spoken.words:
        if start > at:
            names.append("")
            ends.append(start)
        names.append(word.upper())
        ends.append(end)
        at = end
    if spoken.samples > at:
        names.append("")
        ends.append(spoken.samples)
    times = ",".join(f"{end / SAMPLE_RATE:.3f}" for end in ends)
    return f'"{",".join(names)}" "{times}"'
