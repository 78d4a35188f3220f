"""The text frontend: a Hugging Face text encoder for the tokens of a transcript.

Shapes: B utterances, N tokens with the special ones, H the encoder's width.
"""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import nn
from transformers import AutoModel, AutoTokenizer, PretrainedConfig

from espnet_wabert.errors import UserError, first_line
from espnet_wabert.modules.espnet_bases import AbsFrontend
from espnet_wabert.modules.frozen import FrozenInEval, freeze
from espnet_wabert.modules.masking import valid_mask
from espnet_wabert.modules.precision import token_attention
from espnet_wabert.modules.pretrained import load_config, load_weights


class TextEncoder(FrozenInEval, AbsFrontend):
    """A whole BERT or DeBERTa with its own tokenizer (the NLP toplines of Table 3).

    Args:
        model_name_or_path: name on the Hub or folder; None: a new one from `config`.
        config: the Hugging Face config as a dictionary. Training fills it in, so that a
            checkpoint can be rebuilt without the source.
        tokenizer: a tokenizer.json as text; also filled in by training.
        freeze: "none" (the SLUE toolkit); a number k (the embeddings and layers 1..k); "all".
        pretrained: load weights and tokenizer from `model_name_or_path`; False in a packed
            model.
    """

    def __init__(
        self,
        model_name_or_path: str | None = "bert-base-cased",
        config: dict | None = None,
        tokenizer: str | None = None,
        freeze: str | int = "none",
        pretrained: bool = True,
    ):
        super().__init__()
        hf_config, source = load_config("frontend_conf", model_name_or_path, config, pretrained)
        self.model = load_text_model(hf_config, source)
        self.config = hf_config.to_diff_dict()
        self.tokenizer = tokenizer
        if source:
            self.tokenizer = read_tokenizer(source, _positions(self.model))
        if not self.tokenizer:
            raise UserError("frontend_conf.tokenizer: missing; give it, or model_name_or_path")
        self.width = hf_config.hidden_size
        self.padding = hf_config.pad_token_id or 0
        self._freeze(freeze)

    def _freeze(self, what: str | int) -> None:
        layers = getattr(getattr(self.model, "encoder", None), "layer", [])
        if str(what) == "all":
            freeze([self])
        elif str(what).isdigit() and int(what) <= len(layers):
            freeze([self.model.get_submodule("embeddings"), *layers[: int(what)]])
        elif str(what) != "none":
            raise UserError(
                f"frontend_conf.freeze: {what!r}: none, all"
                f" or a number of layers from 0 to {len(layers)}"
            )

    def output_size(self) -> int:
        """Return the width H of a token."""
        return self.width

    def forward(
        self, input: torch.Tensor, input_lengths: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Encode token ids (B, N) into (B, N, H); ids after a length are ignored."""
        input = input[:, : int(input_lengths.max())]
        mask = valid_mask(input_lengths, input.shape[1])
        ids = input.masked_fill(~mask, self.padding)  # RoBERTa derives positions from it
        with token_attention(ids.device), self._precision(ids.device):
            hidden = self.model(input_ids=ids, attention_mask=mask.long()).last_hidden_state
        return hidden, input_lengths

    def _precision(self, device: torch.device) -> AbstractContextManager:
        """Keep the first DeBERTa out of autocast: its masks would overflow there."""
        if self.config["model_type"] == "deberta":
            return torch.autocast(device.type, enabled=False)
        return nullcontext()


def _positions(model: Any) -> int:
    """Return the largest number of tokens; RoBERTa's first position is after that of padding."""
    table = getattr(getattr(model, "embeddings", None), "position_embeddings", None)
    padding = getattr(table, "padding_idx", None)
    return getattr(model.config, "max_position_embeddings", 512) - (
        0 if padding is None else padding + 1
    )


def load_text_model(config: PretrainedConfig, source: str | None) -> nn.Module:
    """Return the model of a source with all its weights, or a new one of the config."""
    # An unused pooler has no gradient, which breaks DDP.
    deberta = config.model_type.startswith("deberta")
    options: dict[str, Any] = {} if deberta else {"add_pooling_layer": False}
    try:
        if source is None:
            return AutoModel.from_config(config, **options)
        return load_weights(AutoModel, "frontend_conf", source, **options)[0]
    except TypeError as error:
        raise UserError(
            f"frontend_conf.model_name_or_path: {source or 'config'} is a {config.model_type!r}"
            " model, not a text encoder such as BERT or DeBERTa"
        ) from error


def read_tokenizer(source: str, positions: int) -> str:
    """Return a source's tokenizer as the text of a tokenizer.json; it truncates at `positions`."""
    try:
        wrapped = AutoTokenizer.from_pretrained(source)
        tokenizer = wrapped.backend_tokenizer
    except (OSError, ValueError, AttributeError) as error:
        reason = first_line(error)
        raise UserError(f"{source}: its tokenizer cannot be loaded: {reason}") from error
    tokenizer.no_padding()
    # A recognizer that repeats itself may give more tokens than the model has positions.
    tokenizer.enable_truncation(min(wrapped.model_max_length, positions))
    return tokenizer.to_str()


def build_tokenizer(conf: dict) -> Tokenizer:
    """Return the tokenizer that the text frontend wrote into its configuration.

    Raises:
        UserError: it is damaged.
    """
    try:
        return Tokenizer.from_str(conf["tokenizer"])
    except Exception as error:  # tokenizers raises Exception itself
        raise UserError(f"frontend_conf.tokenizer: no tokenizer: {first_line(error)}") from error
