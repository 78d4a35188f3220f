"""What the tests of models share."""

import pytest
import torch
from tiny import BERT
from transformers import BertConfig, BertModel


@pytest.fixture(scope="module")
def bert_folder(tmp_path_factory):
    """Write a tiny BERT without a masked-LM head, as published sentence encoders are."""
    torch.manual_seed(3)
    folder = tmp_path_factory.mktemp("bert")
    config = {k: v for k, v in BERT.items() if k != "model_type"}
    BertModel(BertConfig(**config), add_pooling_layer=False).save_pretrained(folder)
    return folder
