"""Tiny models of the real architectures, for tests."""

from argparse import Namespace
from pathlib import Path

import torch
import yaml
from tokenizers import BertWordPieceTokenizer
from torch import nn

from espnet_wabert.models.builder import build_model

VOCABULARY = (
    ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    + [chr(c) for c in range(ord("a"), ord("z") + 1)]
    + ["##" + chr(c) for c in range(ord("a"), ord("z") + 1)]
    + ["the", "good", "bad", "and", "of", "film", "'", "not", "to"]
)

WAVEFORM = dict(
    hidden_size=32,
    num_hidden_layers=2,
    num_attention_heads=2,
    intermediate_size=48,
    conv_dim=[16, 16, 16, 16, 16, 16, 16],
    num_conv_pos_embedding_groups=4,
)
SPEECH: dict[str, dict] = {
    "data2vec-audio": {**WAVEFORM, "conv_pos_kernel_size": 5, "num_conv_pos_embeddings": 5},
    "wav2vec2": {**WAVEFORM, "num_conv_pos_embeddings": 16},  # group norm, as base models have
    "wav2vec2-large": {
        **WAVEFORM,
        "num_conv_pos_embeddings": 16,
        "feat_extract_norm": "layer",
        "do_stable_layer_norm": True,
    },
    "hubert": {**WAVEFORM, "num_conv_pos_embeddings": 16},
    "wavlm": {**WAVEFORM, "num_conv_pos_embeddings": 16},
    "whisper": dict(
        d_model=32,
        encoder_layers=2,
        encoder_attention_heads=2,
        encoder_ffn_dim=48,
        decoder_layers=1,
        decoder_attention_heads=2,
        decoder_ffn_dim=48,
        vocab_size=60,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        decoder_start_token_id=1,
        begin_suppress_tokens=None,
    ),
}
BERT = dict(
    model_type="bert",
    vocab_size=len(VOCABULARY),
    hidden_size=24,
    num_hidden_layers=3,
    num_attention_heads=2,
    intermediate_size=48,
    max_position_embeddings=128,
)
ALONE = dict(encoder=None, postencoder=None)
TEXT = {
    "bert": BERT,
    "deberta": dict(
        vocab_size=len(VOCABULARY), hidden_size=24, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=48, max_position_embeddings=128, relative_attention=True,
        pos_att_type=["c2p", "p2c"], type_vocab_size=0, position_biased_input=False,
    ),
}  # fmt: skip
TEXT["deberta-v2"] = {**TEXT["deberta"], "norm_rel_ebd": "layer_norm", "share_att_key": True}


def text_conf(kind: str = "bert") -> dict:
    """Return the frontend_conf of a tiny text encoder."""
    ids = {piece: index for index, piece in enumerate(VOCABULARY)}
    return dict(
        model_name_or_path=None,
        config={**TEXT[kind], "model_type": kind},
        tokenizer=BertWordPieceTokenizer(vocab=ids).to_str(),
    )


def speech_config(kind: str = "data2vec-audio") -> dict:
    """Return the config dictionary of a tiny speech encoder."""
    return {"model_type": kind.removesuffix("-large"), **SPEECH[kind]}


def arguments(model: str = "wabert", **changes) -> Namespace:
    """Return a configuration of tiny parts, with `changes` merged into each `*_conf`."""
    args: dict = dict(
        frontend="huggingface",
        frontend_conf=dict(model_name_or_path=None, config=speech_config()),
        encoder="cif",
        encoder_conf=dict(adapter_layers=1, hidden_size=16),
        postencoder="bert",
        postencoder_conf=dict(model_name_or_path=None, config=dict(BERT), drop_layers=1),
        model=model,
        model_conf={},
        token_list=list(VOCABULARY),
    )
    for name, change in changes.items():
        if isinstance(change, dict):
            args[name] = {**(args[name] or {}), **change}
        else:
            args[name] = change
    return Namespace(**args)


def save(args: Namespace, folder: Path, model: nn.Module | None = None, seed: int = 2) -> Path:
    """Write a model's files as training does; return its .pth.

    Without `model`, a new one is built from `seed`.
    """
    if model is None:
        torch.manual_seed(seed)
        model = build_model(args)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.yaml").write_text(yaml.safe_dump(vars(args)))
    torch.save(model.state_dict(), folder / "model.pth")
    return folder / "model.pth"


def text_arguments(kind: str = "bert", **frontend_conf):
    """Return the configuration of a tiny text classifier."""
    conf = {**text_conf(kind), **frontend_conf}
    return arguments("text_sentiment", **ALONE, frontend="text", frontend_conf=conf, token_list=[])


def batch(size: int = 3) -> dict:
    """Return a batch of noise with transcripts."""
    torch.manual_seed(0)
    lengths = torch.tensor([9000, 16000, 12345][:size])
    text = torch.randint(5, len(VOCABULARY), (size, 8))
    text[:, 0] = VOCABULARY.index("[CLS]")
    text_lengths = torch.tensor([8, 5, 2][:size])
    speech = torch.randn(size, 16000) * 0.1
    return dict(speech=speech, speech_lengths=lengths, text=text, text_lengths=text_lengths)
