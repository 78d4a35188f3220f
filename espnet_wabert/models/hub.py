"""Publish a packed model on the Hugging Face Hub, as espnet_model_zoo downloads it."""

import glob
import json
import zipfile
from collections.abc import Iterable
from pathlib import Path

from espnet_wabert.config import read_yaml
from espnet_wabert.constants import LABELS
from espnet_wabert.errors import UserError, first_line
from espnet_wabert.formats.lines import write_atomically
from espnet_wabert.models.checkpoint import read_args
from espnet_wabert.models.download import CONFIG_KEY, KEYS, MODEL_KEY, packed_files
from espnet_wabert.models.packed_zip import META, check_zip

COMMANDS = {
    "wabert": "result, = WaBERTInference.from_pretrained({repo!r}).align([speech], [transcript])",
    "wabert_sentiment": "result, = WaBERTInference.from_pretrained({repo!r}).classify([speech])",
    "text_sentiment": "result, = WaBERTInference.from_pretrained({repo!r}).classify([text])",
}

CARD = """---
license: {license}
library_name: espnet
tags:
- espnet
- wabert
- {task}
---

# {name}

{description}

| part | source |
|---|---|
{parts}

{scores}
## Use

```python
from espnet_wabert.inference.api import WaBERTInference

{command}
```
{recipe}
Files: `meta.yaml` names the configuration (`{config_key}`) and the weights (`{model_key}`), as
espnet_model_zoo expects. The weights are complete: no other model is downloaded.
"""
RECIPE = """
With the recipe it was trained with, in `{recipe}`, to decode and score that corpus:

```
./run.sh --download_model {repo} --stage 12 --stop_stage 13
```
"""
DESCRIPTIONS = {
    "wabert": "Speech aligned with BERT: a speech encoder, a CIF aligner and BERT's upper layers"
    " (WaBERT).",
    "wabert_sentiment": "{what} of speech: {labels} (WaBERT).",
    "text_sentiment": "{what} of transcripts: {labels}.",
}
CARD_FILE = "README.md"


def make_repository(
    packed: Path, out: Path, repo: str, license: str, scores: Iterable[Path] = ()
) -> Path:
    """Write the files of a repository: the unpacked model and a model card.

    Args:
        packed: the .zip of stage 14.
        out: the folder to write.
        repo: name on the Hub, such as you/wabert.
        license: of the weights, one of the Hub's identifiers such as apache-2.0.
        scores: Markdown tables or JSON scores of stage 13, for the card; missing ones are left out.

    Raises:
        UserError: the zip is missing or no packed model.
    """
    if not packed.is_file():
        raise UserError(f"{packed}: no such packed model; stage 14 writes it")
    check_zip(packed, KEYS)
    out.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(packed) as archive:
        archive.extractall(out)
    args = read_args(packed_files(out).config)
    parts = [
        f"| {part} | {source['name'] or 'new'} (config {source['config']}) |"
        for part, source in (getattr(args, "sources", None) or {}).items()
    ]
    labels = list((args.model_conf or {}).get("labels", LABELS))
    own = labels != list(LABELS)  # of `wabert finetune`: no recipe has them
    recipe = "egs2/librispeech_wabert" if args.model == "wabert" else "egs2/slue_sa"
    found = "\n\n".join(_scores(path) for path in scores if path.is_file())
    card = CARD.format(
        license=license,
        task="text-classification" if "sentiment" in args.model else "forced-alignment",
        name=repo,
        description=DESCRIPTIONS[args.model].format(
            what="Classes" if own else "Sentiment",
            labels=f"{', '.join(labels[:-1])} or {labels[-1]}",
        ),
        parts="\n".join(parts),
        scores=f"## Scores\n\n{found}\n" if found else "",
        command=COMMANDS[args.model].format(repo=repo),
        recipe="" if own else RECIPE.format(recipe=recipe, repo=repo),
        config_key=CONFIG_KEY,
        model_key=MODEL_KEY,
    )
    write_atomically(out / CARD_FILE, card)
    return out


def _scores(path: Path) -> str:
    """Return the scores of a file as Markdown."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".json":
        return text.strip()
    rows = json.loads(text)["rows"]["sentiment"]
    metrics = ("weighted_recall", "weighted_f1", "macro_f1")
    lines = [f"| {path.parent.name} | {' | '.join(metrics)} |", "|---|---|---|---|"]
    for name, row in rows.items():
        lines.append(f"| {name} | {' | '.join(f'{100 * row[m]:.1f}' for m in metrics)} |")
    return "\n".join(lines)


def upload(folder: Path, repo: str) -> str:
    """Upload the files that `make_repository` has written, and no others; return the address.

    The repository is created if it is missing.

    Raises:
        UserError: the Hub refuses it.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    meta = read_yaml(folder / META)
    names = [CARD_FILE, META, *meta["files"].values(), *meta["yaml_files"].values()]
    api = HfApi()
    try:
        address = api.create_repo(repo, exist_ok=True)
        api.upload_folder(
            repo_id=repo, folder_path=folder, commit_message="Upload model",
            allow_patterns=[glob.escape(name) for name in names],
        )  # fmt: skip
    except (HfHubHTTPError, OfflineModeIsEnabled, ValueError, OSError) as error:
        reason = first_line(error)
        raise UserError(f"--hf_repo {repo}: {reason}") from error
    return str(address)
