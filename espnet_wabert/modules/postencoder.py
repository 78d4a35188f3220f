"""The postencoder: BERT without its first i layers; and the teacher: those first i layers.

Shapes: B utterances, N tokens with [CLS] and [SEP], H BERT's width, V its vocabulary.

The special tokens' part (the paper is silent). [CLS] and [SEP] are tokens like the others: the
aligner fires N = 2 + word pieces tokens, the first stands for [CLS] and the last for [SEP], with
BERT's layer-i states of both as their targets. Every utterance begins and ends with some silence,
which gives them their frames; BERT's upper layers get the sequence they were trained on, without
learned stand-ins; and training, decoding and fine-tuning do the same.
"""

from typing import Any, cast

import torch
from torch import nn
from transformers import BertConfig, BertForMaskedLM, PretrainedConfig

from espnet_wabert.errors import UserError
from espnet_wabert.modules.espnet_bases import AbsPostEncoder
from espnet_wabert.modules.frozen import FrozenInEval, freeze
from espnet_wabert.modules.masking import attention_mask, valid_mask
from espnet_wabert.modules.precision import token_attention
from espnet_wabert.modules.pretrained import load_config, load_weights


class TruncatedBert(FrozenInEval, AbsPostEncoder):
    """BERT's layers i+1..L, frozen, continuing exactly from layer-i states (paper, section 3.2).

    Args:
        model_name_or_path: name on the Hub or folder of a BERT; None: a new one from `config`.
        config: the Hugging Face config as a dictionary. Training fills it in, so that a
            checkpoint can be rebuilt without the source.
        drop_layers: i, from 0 (only the embeddings are dropped) to L (all layers are dropped).
        train_layers: number of upper layers that are trained; 0 (the paper): BERT is frozen.
        pretrained: load the weights from `model_name_or_path`; False in a packed model.
    """

    def __init__(
        self,
        model_name_or_path: str | None = "bert-base-uncased",
        config: dict | None = None,
        drop_layers: int = 3,
        train_layers: int = 0,
        pretrained: bool = True,
    ):
        super().__init__()
        hf_config, bert, trained_head = load_bert(model_name_or_path, config, pretrained)
        total, width = hf_config.num_hidden_layers, hf_config.hidden_size
        if not isinstance(drop_layers, int) or not 0 <= drop_layers <= total:
            raise UserError(
                f"postencoder_conf.drop_layers: {drop_layers!r}: a number from 0 (the embeddings)"
                f" to {total} (all layers of {model_name_or_path or 'the config'})"
            )
        layers = bert.bert.encoder.layer
        self.config, self.width = hf_config.to_diff_dict(), width
        self.layers = layers[drop_layers:]
        freeze([self])
        if not isinstance(train_layers, int) or not 0 <= train_layers <= len(self.layers):
            raise UserError(
                f"postencoder_conf.train_layers: {train_layers!r}: a number from 0 to"
                f" {len(self.layers)}, the layers that are left"
            )
        self.layers[len(self.layers) - train_layers :].requires_grad_(True)
        teacher = BertTeacher(bert.bert.embeddings, layers[:drop_layers])
        # In a tuple, so that the dropped layers are not registered as parts of this module.
        self.dropped: tuple[BertTeacher, SubwordHead] | None = (
            teacher,
            SubwordHead(bert.cls.predictions, trained_head),
        )

    def take_dropped(self) -> "tuple[BertTeacher, SubwordHead]":
        """Return the dropped layers and the masked-LM head; can be called once."""
        taken, self.dropped = self.dropped, None
        assert taken is not None, "take_dropped was called before"
        return taken

    def output_size(self) -> int:
        return self.width

    def forward(
        self, input: torch.Tensor, input_lengths: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Continue BERT from its layer-i states (B, N, H); return its output and the lengths."""
        if input.shape[1] == 0:  # silence: attention needs at least one token
            return input, input_lengths
        mask = attention_mask(input_lengths, input)
        with token_attention(input.device):
            for layer in self.layers:
                input = layer(input, mask)
        return input, input_lengths


class BertTeacher(FrozenInEval):
    """BERT's embeddings and layers 1..i, frozen: the linguistic targets L_i (paper, 3.1)."""

    embeddings: Any  # of Hugging Face, without types
    layers: Any
    positions: int  # maximum number of tokens

    def __init__(self, embeddings: nn.Module, layers: nn.ModuleList):
        super().__init__()
        self.embeddings = embeddings
        self.layers = layers
        self.positions = self.embeddings.position_embeddings.num_embeddings
        freeze([self])

    def last_norm(self) -> nn.LayerNorm:
        """Return the last layer norm of layer i, or of the embeddings."""
        return self.layers[-1].output.LayerNorm if len(self.layers) else self.embeddings.LayerNorm

    @torch.no_grad()
    def forward(self, tokens: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Return the layer-i states (B, N, H) of token ids (B, N), ignoring ids after a length."""
        if tokens.shape[1] > self.positions:
            raise UserError(
                f"a transcript of {tokens.shape[1]} tokens: this BERT has positions for"
                f" {self.positions}"
            )
        tokens = tokens.masked_fill(~valid_mask(lengths, tokens.shape[1]), 0)
        hidden = self.embeddings(input_ids=tokens)
        mask = attention_mask(lengths, hidden)
        with token_attention(hidden.device):
            for layer in self.layers:
                hidden = layer(hidden, mask)
        return hidden


class SubwordHead(FrozenInEval):
    """BERT's masked-LM head, which predicts the vocabulary id of each token (paper, 3.2).

    A language model without one (a sentence encoder) gets a new transform, which is trained, before
    its frozen word embeddings.
    """

    def __init__(self, predictions: nn.Module, trained: bool):
        super().__init__()
        self.predictions = predictions
        self.trained = trained  # in its source
        freeze([self])
        if not trained:
            predictions.transform.requires_grad_(True)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """Return the scores (..., V) of states (..., H)."""
        return self.predictions(hidden)


def load_bert(
    model: str | None, config: dict | None, pretrained: bool
) -> tuple[PretrainedConfig, BertForMaskedLM, bool]:
    """Return the config, the whole BERT, and whether its masked-LM head is trained."""
    hf_config, source = load_config("postencoder_conf", model, config, pretrained)
    if hf_config.model_type != "bert":
        raise UserError(
            f"postencoder_conf.model_name_or_path: {source or 'config'} is a"
            f" {hf_config.model_type!r} model; the postencoder continues BERT models"
        )
    if source is None:
        return hf_config, BertForMaskedLM(cast(BertConfig, hf_config)), False
    bert, lacking = load_weights(BertForMaskedLM, "postencoder_conf", source, "cls.")
    return hf_config, bert, not any("transform" in key for key in lacking)
