"""The embedded corpus in TIMIT's layout: SPHERE audio, .TXT, and .WRD with times in samples.

`TRAIN|TEST/DRn/SPEAKER/SENTENCE.{WAV,TXT,WRD}`; the test speakers of dialect regions 7 and 8 have
lower-case file names, as some copies of the corpus do.
"""

import itertools
from pathlib import Path

from espnet_wabert.mini.pools import Pools
from espnet_wabert.mini.prosody import jitter
from espnet_wabert.mini.sizes import Size
from espnet_wabert.mini.utterance import Plan, Spoken
from espnet_wabert.mini.voices import draw_conditions, make_speaker

FOLDER = "TIMIT"
# Speakers of TIMIT by dialect region; the first letter is the sex.
CORE = {
    1: "MDAB0 MWBT0 FELC0",
    2: "MTAS1 MWEW0 FPAS0",
    3: "MJMP0 MLNT0 FPKT0",
    4: "MLLL0 MTLS0 FJLM0",
    5: "MBPM0 MKLT0 FNLP0",
    6: "MCMJ0 MJDH0 FMGD0",
    7: "MGRT0 MNJM0 FDHC0",
    8: "MJLN0 MPAM0 FMLD0",
}
OTHERS = {1: "FAKS0 MREB0", 2: "FCMR0 MABW0", 3: "FCMH0 MBWM0"}
TRAIN = {1: "FCJF0 MCPM0", 2: "FAEM0 MARC0"}
# The two sentences of all TIMIT speakers.
DIALECT = {
    "SA1": "she had your dark suit in greasy wash water all year",
    "SA2": "don't ask me to carry an oily rag like that",
}
LOWER_CASE_FROM = 7  # dialect region


def plan_timit(corpus: Size, pools: Pools, rng) -> list[Plan]:
    """Plan the speakers' utterances, whose vocabulary is open.

    As in TIMIT, several speakers read the same sentence.
    """
    size, robots = corpus.timit, corpus.robots
    test, train = pools.splits["test"].open, pools.splits["train"].read
    sentences = list(enumerate(test[: size.sentences], 1))
    numbered = itertools.cycle(sentences)
    plans = []
    for index, (region, name) in enumerate(_speakers(CORE)[: size.core]):
        texts = _texts(numbered, size.utterances, index < size.dialect)
        plans += _plan_speaker("TEST", region, name, texts, robots, rng)
    for region, name in _speakers(OTHERS)[: size.others]:
        texts = _texts(numbered, size.utterances)
        plans += _plan_speaker("TEST", region, name, texts, robots, rng)
    learnt = itertools.cycle(list(enumerate(train, 1001)))
    for region, name in _speakers(TRAIN)[: size.train]:
        texts = _texts(learnt, size.utterances, True)
        plans += _plan_speaker("TRAIN", region, name, texts, robots, rng)
    return plans


def _speakers(regions: dict[int, str]) -> list[tuple[int, str]]:
    return [(region, name) for region, names in regions.items() for name in names.split()]


def _texts(numbered, count: int, dialect: bool = False) -> dict[str, str]:
    texts = dict(DIALECT) if dialect else {}
    for _ in range(count):
        number, text = next(numbered)
        texts[f"{'SX' if number % 2 else 'SI'}{number}"] = text
    return texts


def _plan_speaker(
    side: str, region: int, name: str, texts: dict[str, str], robots: float, rng
) -> list[Plan]:
    speaker = make_speaker(name, side.lower(), robots, rng, sex=name[0])
    plans = []
    for sentence, text in texts.items():
        file = f"{sentence}.WAV"
        if side == "TEST" and region >= LOWER_CASE_FROM:
            file = file.lower()
        plans.append(
            Plan(
                f"{name}_{sentence}",
                f"{FOLDER}/{side}/DR{region}/{name}/{file}",
                text,
                speaker.voice,
                jitter(speaker.manner, rng),
                draw_conditions(speaker, False, rng),
            )
        )
    return plans


def write_timit(root: Path, plans: list[Plan], spoken: dict[str, Spoken]) -> None:
    """Write .TXT and .WRD beside the audio of the utterances that were spoken."""
    for plan in plans:
        if plan.key not in spoken:
            continue
        found, audio = spoken[plan.key], root / plan.path
        lower = audio.suffix.islower()
        text = f"0 {found.samples} {plan.text.capitalize()}.\n"
        audio.with_suffix(".txt" if lower else ".TXT").write_text(text)
        lines = [f"{start} {end} {word}\n" for word, start, end in found.words]
        audio.with_suffix(".wrd" if lower else ".WRD").write_text("".join(lines))
