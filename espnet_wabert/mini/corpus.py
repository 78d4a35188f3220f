"""The embedded corpus: plan it, synthesize it in shards, and describe it in a manifest.

The plan depends on the seed only. It is cut into shards of a fixed size, each synthesized in a new
process (espeak-ng keeps state between calls), so the audio does not depend on the number of
processes.
"""

import hashlib
import json
import shutil
from concurrent.futures import ProcessPoolExecutor, as_completed
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import numpy as np

from espnet_wabert.box.encoders import bert_vocabulary, make_encoders
from espnet_wabert.constants import SAMPLE_RATE
from espnet_wabert.errors import UserError
from espnet_wabert.mini import librispeech, slue, timit
from espnet_wabert.mini.flite import check_flite
from espnet_wabert.mini.hibari import known_words
from espnet_wabert.mini.open_text import spelled, with_rare_words
from espnet_wabert.mini.pools import Pools, contained_texts, make_pools
from espnet_wabert.mini.sentences import read_lexicon, read_snippets
from espnet_wabert.mini.sizes import SIZES, Size
from espnet_wabert.mini.sources import source_folder
from espnet_wabert.mini.utterance import Plan, Spoken, speak, write_audio

SHARD = 250  # utterances per process
SPELLED = 2000  # utterances of numbers and letters, where the text is open
MANIFEST = "mini.json"
UNFINISHED = "mini.unfinished"  # exists while the corpus is being made
FOLDERS = (librispeech.FOLDER, slue.FOLDER, timit.FOLDER, "models")
PACKAGES = (
    "audiomentations", "espeakng-loader", "hibari-tts", "numpy", "onnxruntime", "pyroomacoustics",
    "soundfile", "soxr",
)  # fmt: skip
# Modules of this room that listen to models; no corpus depends on them.
LISTENERS = ("calibration", "hearing", "more_speech", "non_speech", "real_speech", "robustness")
# What the processes need: 1 s, if each one imports it.
IMPORTED = [
    "audiomentations", "espnet_wabert.mini.corpus", "hibari", "onnx", "onnxruntime",
    "pyroomacoustics", "scipy.signal", "soundfile", "soxr",
]  # fmt: skip


class Planned(NamedTuple):
    """The plan of the whole corpus."""

    librispeech: librispeech.Planned
    slue: list[slue.Item]
    timit: list[Plan]

    @property
    def plans(self) -> list[Plan]:
        """Return all utterances in the order of the shards."""
        return [
            *self.librispeech.plans,
            *(item.plan for item in self.slue),
            *self.timit,
        ]


class Made(NamedTuple):
    """Result of `make_corpus`."""

    fresh: bool  # False: it existed
    manifest: dict


def make_plan(seed: int, size: str, sources: Path | None = None) -> Planned:
    """Plan the corpus: sentences, voices and manners, all drawn from the seed."""
    rng = np.random.default_rng(seed)
    wanted = SIZES[size]
    if wanted.flite:
        check_flite()
    pools = read_pools(size, rng, sources)
    texts = read_texts(pools, wanted, rng)
    read = librispeech.plan_librispeech(wanted, texts, rng)
    if wanted.actors:
        read = librispeech.with_actors(read, wanted.actors, sources, rng.spawn(1)[0])
    items = slue.plan_slue(wanted, pools, rng)
    return Planned(read, items, timit.plan_timit(wanted, pools, rng))


def read_pools(size: str, rng, sources: Path | None = None) -> Pools:
    """Read the sentences and divide them into those of the splits."""
    folder, wanted = source_folder("vader", sources), SIZES[size]
    return make_pools(read_snippets(folder), read_lexicon(folder), wanted.shares, wanted.open, rng)


def read_texts(pools: Pools, size: Size, rng) -> dict[str, list[str]]:
    """Return the sentences of each split that speakers read, enough of them in any order."""
    count = size.read("train")
    if size.open:
        texts = pools.splits["train"].open
        pronounced = known_words()
        words = [word for word in bert_vocabulary() if word in pronounced]
        train = spelled(SPELLED, rng) + texts + with_rare_words(texts, words, rng)
        train = train[:count]
    else:
        train = contained_texts(pools, count)
    train = [train[index] for index in rng.permutation(len(train))]
    tests = {name: pools.splits[name].contained for name in ("dev", "test")}
    return {"train": train, **tests}


def make_corpus(
    root: Path,
    seed: int = 0,
    size: str = "full",
    jobs: int = 2,
    models: bool = True,
    sources: Path | None = None,
    progress=None,
) -> Made:
    """Make the corpus in `root`, unless it exists with the same arguments.

    Args:
        root: folder; a corpus of other arguments, or an incomplete one, is replaced.
        seed: seed of all random numbers.
        size: a key of `SIZES`.
        jobs: number of processes.
        models: also write the models.
        sources: folder of the fetched sources.
        progress: called with the number of finished utterances.
    """
    root = Path(root)
    wanted = {"seed": seed, "size": size, "models": models, "maker": fingerprint()}
    found = read_manifest(root)
    if found and {key: found.get(key) for key in wanted} == wanted:
        return Made(False, found)
    plan = make_plan(seed, size, sources)
    _clear(root, bool(found))
    spoken = speak_all(root, plan.plans, jobs, progress)
    librispeech.write_librispeech(root, plan.librispeech, spoken)
    slue.write_slue(root, plan.slue, spoken)
    timit.write_timit(root, plan.timit, spoken)
    if models:
        make_encoders(root / "models")
    manifest = {
        **wanted,
        "utterances": len(spoken),
        "hours": round(sum(s.samples for s in spoken.values()) / SAMPLE_RATE / 3600, 3),
        "unspoken": sorted(p.key for p in plan.plans if p.key not in spoken),
    }
    (root / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n")
    (root / UNFINISHED).unlink()
    return Made(True, manifest)


def fingerprint() -> str:
    """Return a hash of the code that makes a corpus and of the versions of its packages."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        if path.stem not in LISTENERS:
            digest.update(path.read_bytes())
    for package in PACKAGES:
        digest.update(f"{package} {version(package)}\n".encode())
    return digest.hexdigest()[:16]


def read_manifest(root: Path) -> dict | None:
    """Return the manifest of a complete corpus, or None."""
    path = Path(root) / MANIFEST
    if not path.is_file() or (Path(root) / UNFINISHED).exists():
        return None
    try:
        return json.loads(path.read_text())
    except json.JSONDecodeError:
        return None


def _clear(root: Path, finished: bool) -> None:
    """Remove an older embedded corpus, never other files."""
    ours = finished or (root / MANIFEST).exists() or (root / UNFINISHED).exists()
    for name in FOLDERS:
        if (root / name).exists() and not ours:
            raise UserError(f"{root / name}: exists and was not made by make_mini; it is kept")
    root.mkdir(parents=True, exist_ok=True)
    (root / UNFINISHED).touch()
    (root / MANIFEST).unlink(missing_ok=True)
    for name in FOLDERS:
        shutil.rmtree(root / name, ignore_errors=True)


def speak_all(root: Path, plans: list[Plan], jobs: int, progress=None) -> dict[str, Spoken]:
    """Synthesize and write all utterances, without those whose word times are not known."""
    shards = [plans[at : at + SHARD] for at in range(0, len(plans), SHARD)]
    spoken: dict[str, Spoken] = {}
    # A new process per shard, forked from one that has imported the packages and done nothing.
    context = get_context("forkserver")
    context.set_forkserver_preload(IMPORTED)
    with ProcessPoolExecutor(jobs, mp_context=context, max_tasks_per_child=1) as executor:
        tasks = [executor.submit(speak_shard, root, shard) for shard in shards]
        try:
            for task in as_completed(tasks):
                done = task.result()
                spoken.update((found.key, found) for found in done)
                if progress:
                    progress(len(done))
        except BaseException:  # Ctrl-C, too: the end would wait for all shards, up to an hour
            executor.shutdown(cancel_futures=True)
            raise
    return spoken


def speak_shard(root: Path, plans: list[Plan]) -> list[Spoken]:
    """Synthesize and write one shard; must run in a new process."""
    found = []
    for plan in plans:
        result = speak(plan)
        if result is not None:
            audio, spoken = result
            write_audio(Path(root) / plan.path, audio)
            found.append(spoken)
    return found
