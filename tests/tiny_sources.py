"""Tiny models of the real architectures on disk, for `--speech_model` and `--text_model`."""

import json
from pathlib import Path

import torch
from tiny import BERT, VOCABULARY, speech_config
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from transformers import (
    BertConfig,
    BertForMaskedLM,
    Data2VecAudioConfig,
    Data2VecAudioModel,
    PreTrainedTokenizerFast,
    Wav2Vec2Config,
    Wav2Vec2CTCTokenizer,
    Wav2Vec2ForCTC,
    WhisperConfig,
    WhisperFeatureExtractor,
    WhisperForConditionalGeneration,
)


def write_tiny_sources(folder: Path) -> tuple[Path, Path]:
    """Write a tiny data2vec and a tiny BERT with its vocabulary; return the two folders."""
    torch.manual_seed(0)
    speech, language = folder / "data2vec", folder / "bert"
    config = {k: v for k, v in speech_config().items() if k != "model_type"}
    Data2VecAudioModel(Data2VecAudioConfig(**config)).save_pretrained(speech)
    config = {k: v for k, v in BERT.items() if k != "model_type"}
    BertForMaskedLM(BertConfig(**config)).save_pretrained(language)
    (language / "vocab.txt").write_text("".join(f"{piece}\n" for piece in VOCABULARY))
    (language / "tokenizer_config.json").write_text(
        '{"tokenizer_class": "BertTokenizer", "do_lower_case": true}'
    )
    return speech, language


def write_tiny_recognizer(folder: Path) -> Path:
    """Write a tiny wav2vec 2.0 with a CTC head and its characters; return its folder."""
    torch.manual_seed(1)
    characters = ["<pad>", "<s>", "</s>", "<unk>", "|", "'"] + [chr(c) for c in range(65, 91)]
    config = {k: v for k, v in speech_config("wav2vec2").items() if k != "model_type"}
    model = Wav2Vec2ForCTC(Wav2Vec2Config(**config, vocab_size=len(characters), pad_token_id=0))
    model.save_pretrained(folder)
    (folder / "vocab.json").write_text(json.dumps({x: i for i, x in enumerate(characters)}))
    Wav2Vec2CTCTokenizer(str(folder / "vocab.json")).save_pretrained(folder)
    return folder


def write_tiny_whisper(folder: Path) -> Path:
    """Write a tiny Whisper with a tokenizer of a few words; return its folder."""
    torch.manual_seed(1)
    config = {k: v for k, v in speech_config("whisper").items() if k != "model_type"}
    model = WhisperForConditionalGeneration(WhisperConfig(**config, max_target_positions=16))
    model.generation_config.update(max_length=8)
    model.save_pretrained(folder)
    WhisperFeatureExtractor().save_pretrained(folder)
    words = ["<pad>", "<s>", "</s>"] + [f"Word{n}," for n in range(57)]
    tokenizer = Tokenizer(WordLevel({word: i for i, word in enumerate(words)}, unk_token="<pad>"))
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>")
    fast.save_pretrained(folder)
    return folder


# A bigram model of three words; ARPA files have base-10 logarithms.
ARPA = """
\\data\\
ngram 1=6
ngram 2=3

\\1-grams:
-1.0\t<unk>
0\t<s>\t-0.3
-1.0\t</s>
-0.7\tGOOD\t-0.3
-0.7\tFILM\t-0.3
-2.0\tFILL\t-0.3

\\2-grams:
-0.3\t<s> GOOD
-0.2\tGOOD FILM
-0.2\tFILM </s>

\\end\\
"""
