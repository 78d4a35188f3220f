"""Export what was trained of a model: safetensors, and a configuration that names no folder."""

import shutil
from pathlib import Path

import yaml
from safetensors.torch import save_file

from espnet_wabert.box.encoders import MINILM, WHISPER
from espnet_wabert.box.files import CONFIG, PACKAGE, SOURCE, WEIGHTS
from espnet_wabert.formats.lines import replacing
from espnet_wabert.models.checkpoint import NGRAM, drop_paths, find_files, load_model

# The parts of a configuration that build the model; the rest says how it was trained.
KEPT = (
    "frontend", "frontend_conf", "encoder", "encoder_conf", "postencoder", "postencoder_conf",
    "model", "model_conf",
)  # fmt: skip
FROM_SOURCE = ("config", "tokenizer")  # what a frozen encoder's folder has


def export(
    model: str | Path, out: Path, classifier: str | None = None, recognizer: str | None = None
) -> int:
    """Write the trained weights of a model into `out`; return the size of all files in bytes.

    Weights are stored in float16: half the size, and a difference that no figure shows. Buffers
    keep their type: a running variance is a difference of moments, and rounding would spoil it. The
    frozen encoders are left out and named by their packages.

    Args:
        model: .pth of a slim checkpoint, whose encoders are those of packages.
        out: folder.
        classifier: name of the text model that judges what this one reads.
        recognizer: name of the model whose text the letters of this one check.
    """
    files = find_files(model)
    loaded, args = load_model(files)
    buffers = {name for name, _ in loaded.named_buffers()}
    state = {
        key: (value if key in buffers else value.half()).contiguous()
        for key, value in loaded.state_dict().items()
    }
    out.mkdir(parents=True, exist_ok=True)
    with replacing(out / WEIGHTS) as partial:  # with the permissions of other files, too
        save_file(state, partial)
    drop_paths(args)
    conf = {name: getattr(args, name) for name in KEPT}
    if hasattr(args, "provenance"):
        conf["provenance"] = args.provenance
    reads_text = args.frontend == "text"
    encoders = {"frontend_conf": MINILM if reads_text else WHISPER, "postencoder_conf": MINILM}
    for part, encoder in encoders.items():
        if conf[part]:
            conf[part] = {k: v for k, v in conf[part].items() if k not in FROM_SOURCE}
            conf[part][SOURCE] = f"{PACKAGE}{encoder}"
    conf["token_list"] = None if reads_text else f"{PACKAGE}{MINILM}"
    others = {"classifier": classifier, "recognizer": recognizer}
    conf |= {part: name for part, name in others.items() if name}
    (out / CONFIG).write_text(yaml.safe_dump(conf, sort_keys=False), encoding="utf-8")
    if files.ngram is not None:
        shutil.copyfile(files.ngram, out / NGRAM)
    return sum(path.stat().st_size for path in out.iterdir())
