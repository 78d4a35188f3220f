"""Convert Whisper tiny.en from the CTranslate2 file of a package to a Hugging Face folder."""

import json
from pathlib import Path

import numpy as np

from espnet_wabert.box.ct2 import read_container
from espnet_wabert.errors import UserError

# CTranslate2's name of a module -> transformers' name.
BLOCK = {
    "self_attention/layer_norm": "self_attn_layer_norm",
    "self_attention/linear_1": "self_attn.out_proj",
    "attention/layer_norm": "encoder_attn_layer_norm",
    "attention/linear_0": "encoder_attn.q_proj",
    "attention/linear_2": "encoder_attn.out_proj",
    "ffn/layer_norm": "final_layer_norm",
    "ffn/linear_0": "fc1",
    "ffn/linear_1": "fc2",
}
# Projections that are fused in CTranslate2, in the order of their rows.
FUSED = {
    "self_attention/linear_0": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    "attention/linear_1": ("encoder_attn.k_proj", "encoder_attn.v_proj"),
}
TOP = {
    "layer_norm": "layer_norm",
    "conv1": "conv1",
    "conv2": "conv2",
    "embeddings": "embed_tokens",
}
PARAMETER = {"weight": "weight", "bias": "bias", "gamma": "weight", "beta": "bias"}

# The special tokens of the English-only models.
END, START, NO_TIMESTAMPS = 50256, 50257, 50362


def state_dict(tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Rename CTranslate2's tensors to those of `WhisperForConditionalGeneration`, in float32."""
    state = {}
    for name, array in tensors.items():
        part, _, rest = name.partition("/")
        if array.dtype != np.float16 or name == "decoder/projection/weight":
            continue  # settings of CTranslate2; the projection is the tied embedding
        if rest == "position_encodings/encodings":
            state[f"model.{part}.embed_positions.weight"] = array
            continue
        module, _, parameter = rest.rpartition("/")
        prefix, names = f"model.{part}.", None
        if module.startswith("layer_") and "/" in module:
            layer, _, module = module.partition("/")
            prefix += f"layers.{layer.removeprefix('layer_')}."
            names = FUSED.get(module) or (BLOCK[module],)
        else:
            names = (TOP[module],)
        for target, piece in zip(names, np.split(array, len(names)), strict=True):
            if target.endswith("k_proj") and parameter == "bias":
                if np.any(piece):
                    raise UserError(f"{name}: Whisper's keys have no bias, but this one is not 0")
                continue
            state[prefix + target + "." + PARAMETER[parameter]] = piece
    return {name: array.astype(np.float32) for name, array in state.items()}


def write_whisper(package_model: Path, folder: Path) -> None:
    """Write `folder`: weights, configuration, feature extractor, tokenizer, generation settings.

    Args:
        package_model: the folder with CTranslate2's model.bin, config.json and tokenizer.json.
        folder: what `from_pretrained` of WhisperModel, WhisperForConditionalGeneration,
            WhisperFeatureExtractor, WhisperTokenizer and WhisperProcessor will load.
    """
    from safetensors.numpy import save_file

    container = read_container(package_model / "model.bin")
    if container.spec != "WhisperSpec":
        raise UserError(f"{package_model / 'model.bin'}: holds a {container.spec}, not Whisper")
    state = state_dict(container.tensors)
    folder.mkdir(parents=True, exist_ok=True)
    weights = folder / "model.safetensors"
    save_file(state, weights, metadata={"format": "pt"})
    weights.chmod(0o644)  # is written readable for its owner only
    _write_settings(container.tensors, state, package_model, folder)


def _write_settings(tensors, state, package_model: Path, folder: Path) -> None:
    from transformers import (
        GenerationConfig,
        PreTrainedTokenizerFast,
        WhisperConfig,
        WhisperFeatureExtractor,
        WhisperTokenizer,
    )

    def layers(part):
        return len({name.split(".")[3] for name in state if name.startswith(f"{part}.layers.")})

    vocabulary, width = state["model.decoder.embed_tokens.weight"].shape
    tokens = {
        "pad_token_id": END,
        "bos_token_id": START,
        "eos_token_id": END,
        "decoder_start_token_id": START,
    }
    inner = state["model.encoder.layers.0.fc1.weight"].shape[0]
    encoder_heads = int(tensors["encoder/num_heads"])
    decoder_heads = int(tensors["decoder/num_heads"])
    config = WhisperConfig(
        vocab_size=vocabulary,
        d_model=width,
        num_mel_bins=state["model.encoder.conv1.weight"].shape[1],
        encoder_layers=layers("model.encoder"),
        encoder_attention_heads=encoder_heads,
        encoder_ffn_dim=inner,
        decoder_layers=layers("model.decoder"),
        decoder_attention_heads=decoder_heads,
        decoder_ffn_dim=inner,
        architectures=["WhisperForConditionalGeneration"],
        dtype="float32",
        **tokens,  # type: ignore[arg-type]
    )
    config.save_pretrained(folder)
    settings = json.loads((package_model / "config.json").read_text())
    GenerationConfig(
        max_length=448,
        is_multilingual=False,
        no_timestamps_token_id=NO_TIMESTAMPS,
        alignment_heads=settings["alignment_heads"],
        suppress_tokens=settings["suppress_ids"],
        begin_suppress_tokens=settings["suppress_ids_begin"],
        **tokens,  # type: ignore[arg-type]
    ).save_pretrained(folder)
    WhisperFeatureExtractor(feature_size=config.num_mel_bins).save_pretrained(folder)
    PreTrainedTokenizerFast(  # reads a tokenizer.json
        tokenizer_file=str(package_model / "tokenizer.json"),
        bos_token="<|startoftranscript|>",
        eos_token="<|endoftext|>",
        pad_token="<|endoftext|>",
        unk_token="<|endoftext|>",
    ).save_pretrained(folder)
    WhisperTokenizer.from_pretrained(folder).save_pretrained(folder)
