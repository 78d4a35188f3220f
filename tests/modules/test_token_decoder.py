"""What WaBERT reads, and the sentiment of it beside that of what it hears."""

import pytest
import torch
from tiny import BERT, VOCABULARY, arguments, save

from espnet_wabert.errors import UserError
from espnet_wabert.inference.api import WaBERTInference
from espnet_wabert.models.builder import build_model
from espnet_wabert.models.checkpoint import init_from, pack

READING = dict(text_weight=1.0, self_transcript_weight=0.25)
FIRST, LAST = (VOCABULARY.index(piece) for piece in ("[CLS]", "[SEP]"))


def with_decoder(**conf):
    """Return the configuration of a model that reads."""
    return arguments("wabert_sentiment", model_conf={**READING, **conf})


def speech(*seconds: float) -> tuple[torch.Tensor, torch.Tensor]:
    lengths = torch.tensor([int(x * 16000) for x in seconds])
    return torch.randn(len(seconds), int(lengths.max())) * 0.1, lengths


def test_the_decoded_text_is_that_of_the_aligned_model():
    """The same weights below: its candidates, between [CLS] and [SEP]."""
    torch.manual_seed(0)
    aligned = build_model(arguments()).eval()
    model = build_model(with_decoder()).eval()
    model.encoder.load_state_dict(aligned.encoder.state_dict())
    model.frontend.load_state_dict(aligned.frontend.state_dict())
    model.token_decoder.postencoder.load_state_dict(aligned.postencoder.state_dict())
    model.token_decoder.head.load_state_dict(aligned.subword_head.state_dict())
    data = speech(1.0, 0.6)
    grafted = aligned.graft(*aligned.features(*data))
    expected = aligned.subword_head(grafted.hidden).argmax(-1)
    heard, lengths, _ = model.encode(*data)
    ids = model.token_decoder(heard, lengths)
    assert torch.equal(lengths, grafted.lengths)
    for row, own, n in zip(ids, expected, lengths.tolist(), strict=True):
        assert row[0] == FIRST and row[n - 1] == LAST
        assert torch.equal(row[1 : n - 1], own[1 : n - 1])


def test_the_self_transcript_is_fused_with_its_weight():
    torch.manual_seed(0)
    model = build_model(with_decoder(prosody_pooling="mean", prosody_size=4)).eval()
    data = speech(1.0, 0.6)
    heard, lengths, voice = model.encode(*data)
    ids = model.token_decoder(heard, lengths)
    read = model.classify_states(model.teacher(ids, lengths), lengths, voice).softmax(-1)
    expected = 0.75 * model.classify_states(heard, lengths, voice).softmax(-1) + 0.25 * read
    torch.testing.assert_close(model.classify(*data).softmax(-1), expected)
    loss, _stats, _ = model(
        *data, torch.tensor([[0], [2]]), text=ids, text_lengths=lengths
    )  # on the dev set: it chooses the checkpoint
    on_text = model.classify_states(model.teacher(ids, lengths), lengths, voice)
    terms = expected.log(), on_text
    wanted = sum(torch.nn.functional.cross_entropy(x, torch.tensor([0, 2])) for x in terms)
    torch.testing.assert_close(loss[0], wanted)


def test_training_does_not_use_the_token_decoder():
    model = build_model(with_decoder()).train()
    text = torch.tensor([[FIRST, 60, LAST]] * 2)
    data = dict(zip(("speech", "speech_lengths"), speech(1.0, 0.6), strict=True))
    said = dict(text=text, text_lengths=torch.tensor([3, 3]), sentiment=torch.tensor([[0], [2]]))
    assert not any(m.training for m in model.token_decoder.modules())
    assert not any(p.requires_grad for p in model.token_decoder.parameters())
    torch.manual_seed(1)  # of dropout
    with_reader, *_ = model(**data, **said)
    model.token_decoder = None
    torch.manual_seed(1)
    without, *_ = model(**data, **said)
    torch.testing.assert_close(with_reader, without)


def test_the_token_decoder_starts_from_the_aligned_model(tmp_path):
    weights = save(arguments(), tmp_path)
    model = build_model(with_decoder())
    init_from(model, weights)
    state = torch.load(weights, weights_only=True)
    name = "predictions.transform.dense.weight"
    assert torch.equal(model.token_decoder.head.state_dict()[name], state[f"subword_head.{name}"])
    (tmp_path / "mute").mkdir()
    weights = save(arguments(model_conf=dict(subword_weight=0.0)), tmp_path / "mute")
    with pytest.raises(UserError, match="has no subword head; model_conf.self_transcript_weight"):
        init_from(model, weights)


def test_a_packed_model_has_its_token_decoder(tmp_path):
    weights = save(with_decoder(), tmp_path)
    data = [torch.randn(n).numpy() * 0.1 for n in (16000, 9000)]
    before = WaBERTInference.from_pretrained(weights).classify(data)
    packed = WaBERTInference.from_pretrained(pack(weights, tmp_path / "model.zip"))
    assert packed.model.token_decoder is not None
    for one, other in zip(before, packed.classify(data), strict=True):
        assert one.scores == pytest.approx(other.scores, abs=1e-6)


def test_the_beginning_of_a_long_recording_is_decoded():
    """BERT has positions for so many tokens only; all of it is heard."""
    torch.manual_seed(0)
    model = build_model(with_decoder()).eval()
    torch.nn.init.constant_(model.encoder.weight_predictor.projection.bias, 3.0)
    data = speech(6.0, 1.0)
    assert model.encode(*data)[1].max() > BERT["max_position_embeddings"]
    assert model.classify(*data).isfinite().all()


@pytest.mark.parametrize("silent", [(0,), (0, 1)])
def test_silence_is_decoded_to_nothing(silent):
    torch.manual_seed(0)
    model = build_model(with_decoder()).eval()
    data = speech(1.0, 0.6)
    heard, lengths, voice = model.encode(*data)
    lengths[list(silent)] = 0
    heard = heard[:, : max(1, int(lengths.max()))]
    scores = model.fuse(model.classify_states(heard, lengths, voice), heard, lengths, voice)
    assert scores.isfinite().all()


@pytest.mark.parametrize(
    ("conf", "message"),
    [
        (
            dict(self_transcript_weight=1.5),
            "model_conf.self_transcript_weight: 1.5: must be a number from 0 to 1",
        ),
        (
            dict(self_transcript_weight="x"),
            "model_conf.self_transcript_weight: 'x': must be a number from 0 to 1",
        ),
        (
            dict(text_weight=0.0),
            "model_conf.self_transcript_weight: needs text_weight, which trains",
        ),
    ],
)
def test_a_share_that_makes_no_sense_is_refused(conf, message):
    with pytest.raises(UserError, match=message):
        build_model(with_decoder(**conf))


def test_the_token_decoder_needs_a_vocabulary():
    args = with_decoder()
    args.token_list = []
    with pytest.raises(
        UserError, match="model_conf.self_transcript_weight: needs BERT's vocabulary"
    ):
        build_model(args)
