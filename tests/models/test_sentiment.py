"""Sentiment models: pooling, losses, the prosody branch, mixed layers, wrong options."""

import pytest
import torch
from tiny import VOCABULARY, arguments, save, speech_config
from torch.nn import functional as F

from espnet_wabert.errors import UserError
from espnet_wabert.inference.api import WaBERTInference
from espnet_wabert.models.builder import build_model
from espnet_wabert.models.checkpoint import pack
from espnet_wabert.modules.prosody_branch import ProsodyBranch, RunningNorm
from espnet_wabert.modules.sentiment_head import Pooling, balanced_weights

ALONE = dict(encoder=None, postencoder=None)
LABELS = torch.tensor([[0], [1], [2]])


def speech_batch() -> dict:
    torch.manual_seed(0)
    lengths = torch.tensor([16000, 12345, 9000])
    return dict(speech=torch.randn(3, 16000) * 0.1, speech_lengths=lengths, sentiment=LABELS)


@pytest.mark.parametrize("kind", ["mean", "attention", "statistics"])
def test_pooling_ignores_the_padding(kind):
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
    for kind in ("max", ""):
        with pytest.raises(UserError, match=f"model_conf.prosody_pooling: '{kind}': one of mean"):
            ProsodyBranch(6, kind, 4, 0.5)


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


def test_the_accuracy_has_the_class_weights_of_the_loss():
    """With balanced weights it is the mean recall over all batches."""
    labels = torch.tensor([[1]] * 6 + [[0]] * 3 + [[2]])
    neutral = torch.eye(3)[torch.ones(10, dtype=torch.long)]
    for weights, accuracy in (
        (None, 0.6),
        (balanced_weights({"n": 3, "u": 6, "p": 1}, "nup"), 1 / 3),
    ):
        args = arguments("wabert_sentiment", **ALONE, model_conf=dict(class_weights=weights))
        _, stats, _ = build_model(args).classification_loss(neutral, labels)
        assert float(stats["acc"]) == pytest.approx(accuracy, abs=1e-5)


def test_balanced_weights_give_each_class_an_equal_part():
    counts = {"Neutral": 6, "Positive": 3, "Negative": 1}
    weights = balanced_weights(counts, ("Negative", "Neutral", "Positive"))
    assert [w * n for w, n in zip(weights, (1, 6, 3), strict=True)] == pytest.approx(
        [10 / 3] * 3, rel=1e-5
    )
    assert balanced_weights({"Neutral": 2}, ("Negative", "Neutral")) == [0.0, 1.0]
    with pytest.raises(UserError, match="balanced, but no training label is known"):
        balanced_weights({}, ("Negative", "Neutral"))
    for wrong in ("balanced", [1.0, 2.0]):
        with pytest.raises(UserError, match="model_conf.class_weights: .* one number for each of"):
            build_model(arguments("wabert_sentiment", model_conf=dict(class_weights=wrong)))


@pytest.mark.parametrize("kind", ["data2vec-audio", "wav2vec2", "wav2vec2-large", "hubert",
                                  "whisper"])  # fmt: skip
@pytest.mark.parametrize("aligned", [True, False])
def test_every_speech_encoder_with_mixed_layers_and_a_prosody_branch(kind, aligned):
    """With and without the aligner, every parameter that is not frozen gets a gradient."""
    frontend = dict(config=speech_config(kind), freeze="all", all_layers=True)
    parts = {} if aligned else ALONE
    torch.manual_seed(0)
    model = build_model(arguments("wabert_sentiment", **parts, frontend_conf=frontend,
                                  model_conf=dict(prosody_pooling="statistics")))  # fmt: skip
    model.train()
    loss, *_ = model(**speech_batch())
    loss.backward()
    without_gradient = [
        n for n, p in model.named_parameters() if p.requires_grad and p.grad is None
    ]
    assert not without_gradient
    assert model.mix.scores.grad.abs().sum() > 0
    assert not any(p.requires_grad for p in model.frontend.parameters())


def transcripts() -> dict:
    text = torch.randint(5, len(VOCABULARY), (3, 6), generator=torch.Generator().manual_seed(0))
    return dict(text=text, text_lengths=torch.tensor([6, 4, 2]))


def test_transcripts_add_a_loss_in_training():
    """BERT's states of the text replace the tokens; the prosody branch is the same."""
    torch.manual_seed(0)
    conf = dict(text_weight=0.5, prosody_pooling="mean", prosody_size=4)
    model = build_model(arguments("wabert_sentiment", model_conf=conf)).eval()
    data, text = speech_batch(), transcripts()
    loss, stats, _ = model(**data, **text)
    prosody = model.encode(data["speech"], data["speech_lengths"]).prosody
    speech_loss = F.cross_entropy(
        model.classify(data["speech"], data["speech_lengths"]), LABELS[:, 0]
    )
    states = model.teacher(text["text"], text["text_lengths"])
    scores = model.classify_states(states, text["text_lengths"], prosody)
    text_loss = F.cross_entropy(scores, LABELS[:, 0])
    torch.testing.assert_close(loss[0], speech_loss + 0.5 * text_loss)
    torch.testing.assert_close(stats["loss"][0], loss[0].detach())
    loss.backward()
    assert not any(p.requires_grad for p in model.teacher.parameters())
    assert model.prosody_branch.project[2].weight.grad.abs().sum() > 0


def test_a_model_trained_with_transcripts_is_packed_without_the_teacher(tmp_path):
    weights = save(arguments("wabert_sentiment", model_conf=dict(text_weight=1.0)), tmp_path)
    speech = [torch.randn(9000).numpy() * 0.1]
    before = WaBERTInference.from_pretrained(weights).classify(speech)[0]
    packed = WaBERTInference.from_pretrained(pack(weights, tmp_path / "model.zip"))
    assert packed.model.teacher is None
    assert packed.classify(speech)[0].scores == pytest.approx(before.scores, abs=1e-6)


def test_transcripts_can_replace_the_tokens(tmp_path):
    weights = save(arguments("wabert_sentiment", model_conf=dict(text_weight=1.0)), tmp_path)
    model = WaBERTInference.from_pretrained(weights)
    speech, texts = [torch.randn(n).numpy() * 0.1 for n in (9000, 7000)], ["the good film", "bad"]
    found = model.classify(speech, texts=texts)
    for result, text in zip(found, texts, strict=True):
        ids = torch.tensor([model.tokenizer.encode(text).ids])
        lengths = torch.tensor([ids.shape[1]])
        scores = model.model.classify_states(model.model.teacher(ids, lengths), lengths, None)
        assert result.scores == pytest.approx(scores.softmax(-1)[0].tolist(), abs=1e-5)
    packed = WaBERTInference.from_pretrained(pack(weights, tmp_path / "model.zip"))
    with pytest.raises(
        UserError, match="takes no transcripts with speech; one that was trained with"
    ):
        packed.classify(speech, texts=texts)


def test_the_speech_encoder_is_frozen_for_the_first_updates():
    conf = dict(frontend_conf=dict(freeze=1), model_conf=dict(frozen_steps=2))
    model = build_model(arguments("wabert_sentiment", **conf)).train()
    of_encoder = [p for p in model.frontend.parameters() if p.requires_grad]
    gradients = []
    for _ in range(3):
        model.zero_grad()
        model(**speech_batch())[0].backward()
        assert model.classifier[-1].weight.grad.abs().sum() > 0
        assert all(p.grad is not None for p in of_encoder)  # DDP waits for each
        gradients.append(sum(float(p.grad.abs().sum()) for p in of_encoder))
    assert gradients[:2] == [0.0, 0.0] and gradients[2] > 0
    assert int(model.state_dict()["updates"]) == 3


def test_the_number_of_tokens_is_logged_and_can_be_held():
    torch.manual_seed(0)
    model = build_model(arguments("wabert_sentiment", model_conf=dict(quantity_weight=0.5))).eval()
    data, text = speech_batch(), transcripts()
    loss, stats, _ = model(**data, **text)
    encoded = model.encode(data["speech"], data["speech_lengths"])
    torch.testing.assert_close(stats["tokens"][0], encoded.quantity.mean().detach())
    scores = model.classify(data["speech"], data["speech_lengths"])
    expected = F.cross_entropy(scores, LABELS[:, 0])
    expected = expected + 0.5 * (encoded.quantity - text["text_lengths"]).abs().mean()
    torch.testing.assert_close(loss[0], expected)
    torch.testing.assert_close(stats["loss"][0], expected.detach())
    with pytest.raises(UserError, match="model_conf.quantity_weight: needs an encoder and a pos"):
        build_model(arguments("wabert_sentiment", **ALONE, model_conf=dict(quantity_weight=1.0)))


def test_transcripts_need_an_aligner():
    with pytest.raises(UserError, match="model_conf.text_weight: needs an encoder and a poste"):
        build_model(arguments("wabert_sentiment", **ALONE, model_conf=dict(text_weight=1.0)))


def test_the_prosody_branch_has_the_rate_of_speech():
    torch.manual_seed(0)
    branch, frames, lengths = ProsodyBranch(6, "mean", 4, 0.5).eval(), torch.randn(2, 9, 6), [9, 5]
    lengths = torch.tensor(lengths)
    fast, slow = (branch(frames, lengths, lengths // n) for n in (1, 2))
    assert (fast - slow).abs().min(dim=1).values.gt(0).all()
    frames[1, 5:] = 99.0  # padding
    torch.testing.assert_close(branch(frames, lengths, lengths), fast)


def test_the_prosody_branch_is_normalized_over_all_batches():
    """A batch may have one utterance."""
    torch.manual_seed(0)
    norm, seen = RunningNorm(5), 3.0 + 0.5 * torch.randn(40, 5)
    for batch in (seen[:1], seen[1:9], seen[9:]):
        found = norm(batch)
    expected = (seen[9:] - seen.mean(dim=0)) / seen.std(dim=0, correction=0)
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)
    norm.eval()
    torch.testing.assert_close(norm(seen[9:]), found)


@pytest.mark.parametrize("utterances", [1, 2])
def test_utterances_without_tokens_are_classified(utterances):
    conf = dict(prosody_pooling="statistics", prosody_size=4)
    model = build_model(arguments("wabert_sentiment", model_conf=conf)).train()
    with torch.no_grad():
        model.encoder.weight_predictor.projection.bias.fill_(-30.0)
    speech = torch.randn(utterances, 8000) * 0.1
    lengths = torch.full((utterances,), 8000)
    assert model.encoder(*model.features(speech, lengths))[0].shape[1] == 0
    loss, *_ = model(speech, lengths, LABELS[:utterances])
    loss.backward()
    trained = [p for p in model.parameters() if p.requires_grad and p.grad is not None]
    assert all(p.grad.isfinite().all() for p in trained)
    assert model.classifier[-1].weight.grad.abs().sum() > 0
    scores = model.eval().classify(speech, lengths)
    assert scores.shape == (utterances, 3) and scores.isfinite().all()


def test_the_prosody_branch_takes_the_convolutions_only():
    conf = dict(config=speech_config("whisper"), convolutions=True, all_layers=True)
    model = build_model(arguments("wabert_sentiment", frontend_conf=conf,
                                  model_conf=dict(prosody_pooling="statistics")))  # fmt: skip
    assert model.prosody_branch.pooling.size == 2 * model.frontend.conv_size
    assert model.mix is None


@pytest.mark.parametrize("kind", ["data2vec-audio", "wav2vec2-large", "whisper"])
def test_all_layers_end_with_the_last_layer(kind):
    torch.manual_seed(0)
    frontend = dict(config=speech_config(kind), all_layers=True)
    model = build_model(arguments("wabert_sentiment", **ALONE, frontend_conf=frontend)).eval()
    data = speech_batch()
    features, lengths = model.features(data["speech"], data["speech_lengths"])
    assert features.shape[-1] == 2 * model.frontend.output_size()
    model.frontend.layers = 1
    last, _ = model.features(data["speech"], data["speech_lengths"])
    torch.testing.assert_close(model.frontend.last_layer(features), last)
    model.frontend.layers = 2
    cached, _ = model.features(features, lengths)
    torch.testing.assert_close(cached, features)


def test_frozen_parts_have_no_dropout():
    """Parts named by ESPnet's --freeze_param stay in eval mode."""
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
