"""Text classifiers (the toplines, the pipelines' second stage): training, use, errors."""

from types import SimpleNamespace

import pytest
import torch
from tiny import TEXT, VOCABULARY, save, speech_config, text_arguments
from tiny_sources import write_tiny_sources
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import PreTrainedTokenizerFast, RobertaConfig, RobertaModel

from espnet_wabert.errors import UserError
from espnet_wabert.inference.api import WaBERTInference
from espnet_wabert.models.builder import build_model
from espnet_wabert.models.checkpoint import pack
from espnet_wabert.modules.text_encoder import TextEncoder, build_tokenizer

LABELS = torch.tensor([[0], [1], [2]])


def text_batch() -> dict:
    torch.manual_seed(0)
    return dict(text=torch.randint(5, len(VOCABULARY), (3, 7)),
                text_lengths=torch.tensor([7, 4, 2]), sentiment=LABELS)  # fmt: skip


@pytest.mark.parametrize("kind", TEXT)
def test_every_text_encoder_trains_and_ignores_the_padding(kind):
    torch.manual_seed(0)
    model = build_model(text_arguments(kind))
    loss, stats, _ = model(**text_batch())
    loss.backward()
    data = text_batch()
    torch.testing.assert_close(stats["loss"], loss.detach())
    without_gradient = [
        n for n, p in model.named_parameters() if p.requires_grad and p.grad is None
    ]
    assert not without_gradient
    model.eval()
    scores = model.classify(data["text"], data["text_lengths"])
    for row, length in enumerate(data["text_lengths"].tolist()):
        alone = model.classify(data["text"][row : row + 1, :length], torch.tensor([length]))
        torch.testing.assert_close(alone[0], scores[row], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("kind", TEXT)
def test_every_text_encoder_trains_in_mixed_precision(kind):
    """DeBERTa's masks would overflow in bfloat16."""
    model = build_model(text_arguments(kind))
    with torch.autocast("cpu", torch.bfloat16):
        loss, *_ = model(**text_batch())
    loss.backward()
    assert bool(loss.isfinite())


def test_lower_layers_of_a_text_encoder_can_be_frozen():
    model = build_model(text_arguments(freeze=1))
    layers = model.frontend.model.encoder.layer
    assert not any(p.requires_grad for p in layers[0].parameters())
    assert all(p.requires_grad for p in layers[1].parameters())
    with pytest.raises(UserError, match="frontend_conf.freeze: 9: none, all or a number of"):
        build_model(text_arguments(freeze=9))


def test_inference_of_a_text_model(tmp_path, monkeypatch):
    """From its files or packed, it gives the same scores, for transcripts only."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    weights = save(text_arguments(), tmp_path)
    model = WaBERTInference.from_pretrained(weights)
    texts = ["the good film", ""]
    found = model.classify(texts)
    assert [c.label in model.model.labels for c in found] == [True, True]
    packed = WaBERTInference.from_pretrained(pack(weights, tmp_path / "text.zip"))
    for before, after in zip(found, packed.classify(texts), strict=True):
        assert after.scores == pytest.approx(before.scores, abs=1e-6)
    with pytest.raises(UserError, match="a 'text_sentiment' model takes transcripts"):
        model.classify([torch.zeros(16000).numpy()])
    with pytest.raises(UserError, match="a 'text_sentiment' model cannot"):
        model.align([torch.zeros(16000).numpy()], ["a"])


def test_a_text_longer_than_the_positions_is_truncated(tmp_path):
    """Recognizers that repeat themselves write such texts."""
    _, source = write_tiny_sources(tmp_path)
    conf = dict(model_name_or_path=str(source), config=None, tokenizer=None)
    model = WaBERTInference.from_pretrained(save(text_arguments(**conf), tmp_path))
    ids = model.text_tokenizer.encode("not bad " * 200).ids
    assert len(ids) == 128 and ids[-1] == VOCABULARY.index("[SEP]")
    (result,), (cut,) = model.classify(["not bad " * 200]), model.classify(["not bad " * 63])
    assert result.scores == pytest.approx(cut.scores, abs=1e-6)  # 126 pieces and two ends


def test_robertas_positions_begin_after_that_of_padding(tmp_path):
    config = RobertaConfig(vocab_size=len(VOCABULARY), hidden_size=8, num_hidden_layers=1,
                           num_attention_heads=2, intermediate_size=8, pad_token_id=1,
                           max_position_embeddings=66)  # fmt: skip
    RobertaModel(config).save_pretrained(tmp_path)
    vocabulary = {piece: index for index, piece in enumerate(VOCABULARY)}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer).save_pretrained(tmp_path)
    encoder = TextEncoder(str(tmp_path))
    ids = build_tokenizer(dict(tokenizer=encoder.tokenizer)).encode("good " * 100).ids
    assert len(ids) == 64
    assert encoder(torch.tensor([ids]), torch.tensor([64]))[0].isfinite().all()


def test_an_error_for_scores_that_are_not_finite_names_the_utterance(tmp_path):
    model = WaBERTInference.from_pretrained(save(text_arguments(), tmp_path))
    with torch.no_grad():
        model.model.classifier[-1].bias[1] = float("nan")
    with pytest.raises(UserError, match="utterance u7: the model's scores are .*nan"):
        model.classify(["the good film"], ["u7"])


def test_an_empty_file_of_hypotheses_is_refused(tmp_path):
    from espnet_wabert.inference.decoding import decode_text_sentiment

    model = WaBERTInference.from_pretrained(save(text_arguments(), tmp_path))
    (tmp_path / "text").write_text("")
    with pytest.raises(UserError, match="text:1: is empty"):
        decode_text_sentiment(lambda: model, tmp_path / "text", tmp_path / "out")
    (tmp_path / "text").write_text("a the good\nb\n")  # an empty hypothesis is allowed
    decode_text_sentiment(lambda: model, tmp_path / "text", tmp_path / "out")
    lines = (tmp_path / "out/sentiment").read_text().splitlines()
    assert [line.split()[0] for line in lines] == ["a", "b"]
    (tmp_path / "text").write_text("a the good\na again\n")
    with pytest.raises(UserError, match="text:2: utterance a occurs twice"):
        decode_text_sentiment(lambda: model, tmp_path / "text", tmp_path / "out")


def test_a_set_that_has_no_transcripts_any_more_keeps_no_sentiment(tmp_path):
    """Stage 13 would score that of an earlier run."""
    from espnet_wabert.bin.decode import decode

    (tmp_path / "out").mkdir()
    (tmp_path / "out/sentiment").write_text("a Neutral\n")
    model = SimpleNamespace(reads_text=True)
    made = decode(lambda: model, tmp_path / "data", "", None, tmp_path / "out", 60.0, None)
    assert made == [] and not (tmp_path / "out/sentiment").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(frontend="huggingface"), "text_sentiment and frontend text go together"),
        (dict(model="wabert_sentiment"), "text_sentiment and frontend text go together"),
        (dict(frontend_conf=dict(tokenizer=None)), "frontend_conf.tokenizer: missing"),
        (dict(frontend_conf=dict(config=speech_config())), "not a text encoder such as BERT"),
        (dict(model_conf=dict(prosody_pooling="mean")), "model_conf.prosody_pooling: unknown"),
    ],
)
def test_wrong_combinations_are_refused(changes, message):
    args = text_arguments()
    for name, change in changes.items():
        own = getattr(args, name)
        setattr(args, name, {**own, **change} if isinstance(change, dict) else change)
    with pytest.raises(UserError, match=message):
        build_model(args)
