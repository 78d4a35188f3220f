"""Sentiment models: pooling, losses, the voice path, mixed layers, text encoders, bad input."""

import pytest
import torch
from tiny import TEXT, VOCABULARY, arguments, speech_config, text_conf
from tiny_sources import write_tiny_sources
from torch.nn import functional as F

from espnet_wabert.builder import build_model
from espnet_wabert.checkpoint import pack
from espnet_wabert.errors import UserError
from espnet_wabert.inference import WaBERTInference
from espnet_wabert.sentiment import VoicePath
from espnet_wabert.sentiment_head import Pooling, balanced_weights

ALONE = dict(encoder=None, postencoder=None)
LABELS = torch.tensor([[0], [1], [2]])


def text_arguments(kind: str = "bert", **frontend_conf):
    """Return the configuration of a tiny text classifier."""
    conf = {**text_conf(kind), **frontend_conf}
    return arguments("text_sentiment", **ALONE, frontend="text", frontend_conf=conf, token_list=[])


def speech_batch() -> dict:
    torch.manual_seed(0)
    lengths = torch.tensor([16000, 12345, 9000])
    return dict(speech=torch.randn(3, 16000) * 0.1, speech_lengths=lengths, sentiment=LABELS)


def text_batch() -> dict:
    torch.manual_seed(0)
    return dict(text=torch.randint(5, len(VOCABULARY), (3, 7)),
                text_lengths=torch.tensor([7, 4, 2]), sentiment=LABELS)  # fmt: skip


def save(args, folder):
    """Write a model's files as training does; return its .pth."""
    import yaml

    torch.manual_seed(2)
    model = build_model(args)
    (folder / "config.yaml").write_text(yaml.safe_dump(vars(args)))
    torch.save(model.state_dict(), folder / "model.pth")
    return folder / "model.pth"


@pytest.mark.parametrize("kind", ["mean", "attention", "statistics"])
def test_pooling_does_not_see_the_padding(kind):
    torch.manual_seed(0)
    pooling, x = Pooling(6, kind), torch.randn(2, 5, 6)
    lengths = torch.tensor([5, 1])
    pooled = pooling(x, lengths)
    x[1, 1:] = 99.0
    torch.testing.assert_close(pooling(x, lengths), pooled)
    assert pooled.shape == (2, pooling.size)
    if kind == "statistics":
        torch.testing.assert_close(pooled[0, 6:], x[0].std(dim=0, correction=0))


def test_an_unknown_pooling_is_refused():
    with pytest.raises(UserError, match="model_conf.pooling: 'max': one of mean, attention, stat"):
        Pooling(6, "max")


def test_the_loss_is_the_cross_entropy_weighted_or_focal():
    scores = torch.tensor([[2.0, 0.0, -1.0], [0.0, 0.5, 0.0], [1.0, 1.0, 0.0]])
    model = build_model(arguments("wabert_sentiment", **ALONE))
    loss, _, count = model.classification_loss(scores, LABELS)
    torch.testing.assert_close(loss[0], F.cross_entropy(scores, LABELS[:, 0]))
    assert count == 3
    weights = [0.5, 1.0, 4.0]
    args = arguments("wabert_sentiment", **ALONE, model_conf=dict(class_weights=weights))
    weighted = build_model(args)
    loss, *_ = weighted.classification_loss(scores, LABELS)
    expected = F.cross_entropy(scores, LABELS[:, 0], weight=torch.tensor(weights))
    torch.testing.assert_close(loss[0], expected)
    assert "class_weights" not in weighted.state_dict()
    focal = build_model(arguments("wabert_sentiment", **ALONE, model_conf=dict(focal_gamma=2.0)))
    p = scores.softmax(-1).gather(1, LABELS)[:, 0]
    loss, *_ = focal.classification_loss(scores, LABELS)
    torch.testing.assert_close(loss[0], (-((1 - p) ** 2) * p.log()).mean())


def test_balanced_weights_give_each_class_the_same_part():
    counts = {"Neutral": 6, "Positive": 3, "Negative": 1}
    weights = balanced_weights(counts, ("Negative", "Neutral", "Positive"))
    assert [w * n for w, n in zip(weights, (1, 6, 3))] == pytest.approx([10 / 3] * 3, rel=1e-5)
    assert balanced_weights({"Neutral": 2}, ("Negative", "Neutral")) == [0.0, 1.0]
    with pytest.raises(UserError, match="balanced, but no training label is known"):
        balanced_weights({}, ("Negative", "Neutral"))
    for wrong in ("balanced", [1.0, 2.0]):
        with pytest.raises(UserError, match="model_conf.class_weights: .* one number for each of"):
            build_model(arguments("wabert_sentiment", model_conf=dict(class_weights=wrong)))


@pytest.mark.parametrize("kind", ["data2vec-audio", "wav2vec2", "wav2vec2-large", "hubert",
                                  "whisper"])  # fmt: skip
@pytest.mark.parametrize("aligned", [True, False])
def test_every_speech_encoder_with_mixed_layers_and_a_voice_path(kind, aligned):
    """End to end or past the aligner: all that is not frozen gets a gradient."""
    frontend = dict(config=speech_config(kind), freeze="all", all_layers=True)
    parts = {} if aligned else ALONE
    torch.manual_seed(0)
    model = build_model(arguments("wabert_sentiment", **parts, frontend_conf=frontend,
                                  model_conf=dict(voice_path="statistics")))  # fmt: skip
    model.train()
    loss, *_ = model(**speech_batch())
    loss.backward()
    lost = [n for n, p in model.named_parameters() if p.requires_grad and p.grad is None]
    assert not lost
    assert model.mix.scores.grad.abs().sum() > 0
    assert not any(p.requires_grad for p in model.frontend.parameters())


def transcripts() -> dict:
    text = torch.randint(5, len(VOCABULARY), (3, 6), generator=torch.Generator().manual_seed(0))
    return dict(text=text, text_lengths=torch.tensor([6, 4, 2]))


def test_transcripts_in_training_add_their_own_loss():
    """BERT's states of the text stand in the place of the tokens, beside the same voice."""
    torch.manual_seed(0)
    conf = dict(text_weight=0.5, voice_path="mean", voice_size=4)
    model = build_model(arguments("wabert_sentiment", model_conf=conf)).eval()
    data, said = speech_batch(), transcripts()
    loss, stats, _ = model(**data, **said)
    *_, voice = model.hear(data["speech"], data["speech_lengths"])
    heard = F.cross_entropy(model.classify(data["speech"], data["speech_lengths"]), LABELS[:, 0])
    states = model.teacher(said["text"], said["text_lengths"])
    read = F.cross_entropy(model.judge(states, said["text_lengths"], voice), LABELS[:, 0])
    torch.testing.assert_close(loss[0], heard + 0.5 * read)
    torch.testing.assert_close(stats["loss"][0], loss[0].detach())
    loss.backward()
    assert not any(p.requires_grad for p in model.teacher.parameters())
    assert model.voice_path.project[2].weight.grad.abs().sum() > 0


def test_a_model_trained_with_transcripts_is_packed_without_their_teacher(tmp_path):
    weights = save(arguments("wabert_sentiment", model_conf=dict(text_weight=1.0)), tmp_path)
    speech = [torch.randn(9000).numpy() * 0.1]
    before = WaBERTInference.from_pretrained(weights).classify(speech)[0]
    packed = WaBERTInference.from_pretrained(pack(weights, tmp_path / "model.zip"))
    assert packed.model.teacher is None
    assert packed.classify(speech)[0].scores == pytest.approx(before.scores, abs=1e-6)


def test_transcripts_can_stand_in_the_place_of_the_tokens(tmp_path):
    weights = save(arguments("wabert_sentiment", model_conf=dict(text_weight=1.0)), tmp_path)
    model = WaBERTInference.from_pretrained(weights)
    speech, texts = [torch.randn(n).numpy() * 0.1 for n in (9000, 7000)], ["the good film", "bad"]
    found = model.classify(speech, texts=texts)
    for said, text in zip(found, texts):
        ids = torch.tensor([model.pieces.encode(text).ids])
        lengths = torch.tensor([ids.shape[1]])
        scores = model.model.judge(model.model.teacher(ids, lengths), lengths, None)
        assert said.scores == pytest.approx(scores.softmax(-1)[0].tolist(), abs=1e-5)
    packed = WaBERTInference.from_pretrained(pack(weights, tmp_path / "model.zip"))
    with pytest.raises(UserError, match="reads no transcripts beside speech; one trained with"):
        packed.classify(speech, texts=texts)


def test_transcripts_want_an_aligner():
    with pytest.raises(UserError, match="model_conf.text_weight: wants an encoder and a poste"):
        build_model(arguments("wabert_sentiment", **ALONE, model_conf=dict(text_weight=1.0)))


def test_the_voice_path_knows_how_fast_a_voice_speaks():
    torch.manual_seed(0)
    path, frames, lengths = VoicePath(6, "mean", 4, 0.5).eval(), torch.randn(2, 9, 6), [9, 5]
    lengths = torch.tensor(lengths)
    fast, slow = (path(frames, lengths, lengths // n) for n in (1, 2))
    assert (fast - slow).abs().min(dim=1).values.gt(0).all()
    frames[1, 5:] = 99.0  # padding
    torch.testing.assert_close(path(frames, lengths, lengths), fast)


def test_the_voice_path_takes_the_convolutions_alone():
    conf = dict(config=speech_config("whisper"), convolutions=True, all_layers=True)
    model = build_model(arguments("wabert_sentiment", frontend_conf=conf,
                                  model_conf=dict(voice_path="statistics")))  # fmt: skip
    assert model.voice_path.pooling.size == 2 * model.frontend.convolved_size
    assert model.mix is None


@pytest.mark.parametrize("kind", ["data2vec-audio", "wav2vec2-large", "whisper"])
def test_all_layers_end_in_the_top_layer(kind):
    torch.manual_seed(0)
    frontend = dict(config=speech_config(kind), all_layers=True)
    model = build_model(arguments("wabert_sentiment", **ALONE, frontend_conf=frontend)).eval()
    data = speech_batch()
    features, lengths = model.features(data["speech"], data["speech_lengths"])
    assert features.shape[-1] == 2 * model.frontend.output_size()
    model.frontend.layers = 1
    top, _ = model.features(data["speech"], data["speech_lengths"])
    torch.testing.assert_close(model.frontend.top(features), top)
    model.frontend.layers = 2
    cached, _ = model.features(features, lengths)
    torch.testing.assert_close(cached, features)


def test_frozen_parts_have_no_dropout():
    """What ESPnet's --freeze_param names stays in eval mode too."""
    model = build_model(arguments("wabert_sentiment"))
    model.encoder.requires_grad_(False)
    model.train()
    assert not any(m.training for m in model.encoder.modules()) and model.classifier.training


def test_upper_layers_of_bert_can_be_trained():
    args = arguments("wabert_sentiment", postencoder_conf=dict(train_layers=1))
    model = build_model(args)
    trained = [
        any(p.requires_grad for p in layer.parameters()) for layer in model.postencoder.layers
    ]
    assert trained == [False, True]
    with pytest.raises(UserError, match="postencoder_conf.train_layers: 3: a number from 0 to 2"):
        build_model(arguments("wabert_sentiment", postencoder_conf=dict(train_layers=3)))


@pytest.mark.parametrize("kind", TEXT)
def test_every_text_encoder_trains_and_does_not_see_the_padding(kind):
    torch.manual_seed(0)
    model = build_model(text_arguments(kind))
    loss, stats, _ = model(**text_batch())
    loss.backward()
    assert stats["loss"].isfinite()
    lost = [n for n, p in model.named_parameters() if p.requires_grad and p.grad is None]
    assert not lost
    model.eval()
    data = text_batch()
    scores = model.classify(data["text"], data["text_lengths"])
    for row, length in enumerate(data["text_lengths"].tolist()):
        alone = model.classify(data["text"][row : row + 1, :length], torch.tensor([length]))
        torch.testing.assert_close(alone[0], scores[row], atol=1e-5, rtol=1e-4)


def test_lower_layers_of_a_text_encoder_can_be_frozen():
    model = build_model(text_arguments(freeze=1))
    layers = model.frontend.model.encoder.layer
    assert not any(p.requires_grad for p in layers[0].parameters())
    assert all(p.requires_grad for p in layers[1].parameters())
    with pytest.raises(UserError, match="frontend_conf.freeze: 9: none, all or a number of"):
        build_model(text_arguments(freeze=9))


def test_a_text_model_in_use(tmp_path, monkeypatch):
    """From its files or packed: the same answers, to transcripts only."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    weights = save(text_arguments(), tmp_path)
    model = WaBERTInference.from_pretrained(weights)
    texts = ["the good film", ""]
    found = model.classify(texts)
    assert [c.label in model.model.labels for c in found] == [True, True]
    packed = WaBERTInference.from_pretrained(pack(weights, tmp_path / "text.zip"))
    for before, after in zip(found, packed.classify(texts)):
        assert after.scores == pytest.approx(before.scores, abs=1e-6)
    with pytest.raises(UserError, match="a 'text_sentiment' model takes transcripts"):
        model.classify([torch.zeros(16000).numpy()])
    with pytest.raises(UserError, match="a 'text_sentiment' model cannot"):
        model.align([torch.zeros(16000).numpy()], ["a"])


def test_a_text_longer_than_the_model_has_positions_is_cut(tmp_path):
    """Recognisers that repeat themselves write such."""
    _, source = write_tiny_sources(tmp_path)
    conf = dict(model_name_or_path=str(source), config=None, tokenizer=None)
    model = WaBERTInference.from_pretrained(save(text_arguments(**conf), tmp_path))
    ids = model.tokenizer.encode("not bad " * 200).ids
    assert len(ids) == 128 and ids[-1] == VOCABULARY.index("[SEP]")
    assert model.classify(["not bad " * 200])


def test_scores_that_are_no_numbers_name_the_utterance(tmp_path):
    model = WaBERTInference.from_pretrained(save(text_arguments(), tmp_path))
    with torch.no_grad():
        model.model.classifier[-1].bias[1] = float("nan")
    with pytest.raises(UserError, match="utterance u7: the model's scores are .*nan"):
        model.classify(["the good film"], ["u7"])


def test_an_empty_hypothesis_is_refused(tmp_path):
    from espnet_wabert.decoding import decode_text_sentiment

    model = WaBERTInference.from_pretrained(save(text_arguments(), tmp_path))
    (tmp_path / "text").write_text("")
    with pytest.raises(UserError, match="text:1: is empty"):
        decode_text_sentiment(model, tmp_path / "text", tmp_path / "out")
    (tmp_path / "text").write_text("a the good\nb\n")  # silence is a transcript too
    decode_text_sentiment(model, tmp_path / "text", tmp_path / "out")
    said = (tmp_path / "out/sentiment").read_text().splitlines()
    assert [line.split()[0] for line in said] == ["a", "b"]
    (tmp_path / "text").write_text("a the good\na again\n")
    with pytest.raises(UserError, match="text:2: utterance a is there a second time"):
        decode_text_sentiment(model, tmp_path / "text", tmp_path / "out")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(frontend="huggingface"), "text_sentiment and frontend text go together"),
        (dict(model="wabert_sentiment"), "text_sentiment and frontend text go together"),
        (dict(frontend_conf=dict(tokenizer=None)), "frontend_conf.tokenizer: missing"),
        (dict(frontend_conf=dict(config=speech_config())), "not a text encoder such as BERT"),
        (dict(model_conf=dict(voice_path="mean")), "model_conf.voice_path: unknown"),
    ],
)
def test_what_does_not_go_together_is_refused(changes, message):
    args = text_arguments()
    for name, change in changes.items():
        own = getattr(args, name)
        setattr(args, name, {**own, **change} if isinstance(change, dict) else change)
    with pytest.raises(UserError, match=message):
        build_model(args)
