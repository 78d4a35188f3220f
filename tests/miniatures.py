"""The corpora and the hub of the real run in miniature: official layouts, real architectures."""

import io
import tarfile
import zipfile
from pathlib import Path

import pyarrow
import torch
from pyarrow import parquet
from tiny import VOCABULARY, speech_config, text_conf
from tiny_sources import write_tiny_recognizer
from tokenizers import Tokenizer
from transformers import AutoConfig, AutoModel, BertConfig, BertForMaskedLM, PreTrainedTokenizerFast

from espnet_wabert.corpora.slue_hub import SPLITS
from espnet_wabert.corpora.slue_tables import read_table
from espnet_wabert.mini.corpus import make_corpus

PARTS = ("train-clean-100", "train-clean-360", "train-other-500", "dev-clean", "dev-other",
         "test-clean", "test-other")  # fmt: skip
SPEECH = {
    "facebook/data2vec-audio-base": "data2vec-audio",
    "facebook/data2vec-audio-base-960h": "data2vec-audio",
    "facebook/wav2vec2-base": "wav2vec2",
    "facebook/wav2vec2-base-100k-voxpopuli": "wav2vec2",
    "facebook/hubert-base-ls960": "hubert",
    "facebook/wav2vec2-large-lv60": "wav2vec2-large",
}
RECOGNIZERS = ("facebook/wav2vec2-base-960h", "facebook/wav2vec2-large-960h-lv60")
TEXT = ("bert-base-cased", "microsoft/deberta-base", "microsoft/deberta-large")
LAYERS = 12  # as base models have: the configurations freeze 8 and drop 3, 6, 9 or 12


def write_speech(folder: Path, kind: str) -> None:
    """Write a speech encoder of 12 layers of 64 channels, without a preprocessor config."""
    config = {**speech_config(kind), "num_hidden_layers": LAYERS, "hidden_size": 64}
    model_type = config.pop("model_type")
    AutoModel.from_config(AutoConfig.for_model(model_type, **config)).save_pretrained(folder)


def write_bert(folder: Path) -> None:
    """Write a BERT of 12 layers with its masked-LM head and a vocabulary."""
    config = BertConfig(
        vocab_size=len(VOCABULARY), hidden_size=24, num_hidden_layers=LAYERS, num_attention_heads=2,
        intermediate_size=48, max_position_embeddings=128,
    )  # fmt: skip
    BertForMaskedLM(config).save_pretrained(folder)
    (folder / "vocab.txt").write_text("".join(f"{piece}\n" for piece in VOCABULARY))
    (folder / "tokenizer_config.json").write_text(
        '{"tokenizer_class": "BertTokenizer", "do_lower_case": true}'
    )


def write_text(folder: Path, kind: str) -> None:
    """Write a text encoder with a tokenizer of its own."""
    conf = text_conf(kind)
    config = dict(conf["config"])
    model_type = config.pop("model_type")
    AutoModel.from_config(AutoConfig.for_model(model_type, **config)).save_pretrained(folder)
    tokenizer = Tokenizer.from_str(conf["tokenizer"])
    ends = dict(cls_token="[CLS]", sep_token="[SEP]", pad_token="[PAD]", unk_token="[UNK]")
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **ends).save_pretrained(folder)


def make_models(folder: Path) -> dict[str, dict[str, bytes]]:
    """Return every model that the recipes name, as repositories of a hub: {name: {file: bytes}}."""
    torch.manual_seed(0)
    for name, kind in SPEECH.items():
        write_speech(folder / name, kind)
    for name in RECOGNIZERS:
        write_tiny_recognizer(folder / name)
    for name in TEXT:
        write_text(folder / name, "deberta" if "deberta" in name else "bert")
    write_bert(folder / "bert-base-uncased")
    names = [*SPEECH, *RECOGNIZERS, *TEXT, "bert-base-uncased"]
    return {
        name: {f.name: f.read_bytes() for f in (folder / name).iterdir() if f.is_file()}
        for name in names
    }


def make_archives(folder: Path) -> dict[str, bytes]:
    """Return the archives of both corpora by their address on the server, and the checksums."""
    from hashlib import md5

    make_corpus(folder, seed=1, size="tiny", jobs=1, models=False)
    files = {}
    for part in PARTS:
        files[f"/12/{part}.tar.gz"] = _tar(folder, [folder / "LibriSpeech" / part])
    slue = folder / "slue-voxceleb"
    blind = [path for path in slue.rglob("*") if path.name not in ("slue-voxceleb_test.tsv",)]
    files["/slue/slue-voxceleb_v0.2_blind.zip"] = _zip(folder, blind)
    files["/slue/slue-voxceleb_blind.tar.gz"] = _tar(folder, blind)
    sums = [f"{md5(files[f'/12/{part}.tar.gz']).hexdigest()}  {part}.tar.gz\n" for part in PARTS]
    (folder / "md5sum.txt").write_text("".join(sums))
    return files


def make_hub_copy(slue: Path, out: Path) -> Path:
    """Write the hub's copy of the corpus in `slue`: parquet with audio and all labels."""
    for split, name in SPLITS.items():
        rows = []
        for row in read_table(slue / f"slue-voxceleb_{split}.tsv", ("id",)).rows.values():
            audio = (slue / f"{split}_raw" / f"{row.id}.flac").read_bytes()
            fields = row._asdict() | {"audio": {"bytes": audio, "path": f"{row.id}.flac"}}
            rows.append({key: value for key, value in fields.items() if key != "where"})
        path = out / "voxceleb" / f"{name}-00000-of-00001.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    return out


def _tar(root: Path, paths: list[Path]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for path in paths:
            tar.add(path, path.relative_to(root), recursive=path.parent.name == "LibriSpeech")
    return buffer.getvalue()


def _zip(root: Path, paths: list[Path]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as zipped:
        for path in paths:
            zipped.write(path, path.relative_to(root))
    return buffer.getvalue()
