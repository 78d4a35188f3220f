"""The token decoder: decoded ids, late fusion, loading and packing."""

import shutil

import pytest
import torch
from tiny import BERT, VOCABULARY, arguments, save

from espnet_wabert.errors import UserError
from espnet_wabert.inference.api import WaBERTInference
from espnet_wabert.models.builder import build_model
from espnet_wabert.models.checkpoint import init_from, pack
from espnet_wabert.models.download import NGRAM
from espnet_wabert.text.ngram import estimate, write_arpa

DECODING = dict(text_weight=1.0, self_transcript_weight=0.25)
FIRST, LAST = (VOCABULARY.index(piece) for piece in ("[CLS]", "[SEP]"))


def decoding_arguments(**conf):
    """Return the configuration of a model with a token decoder."""
    return arguments("wabert_sentiment", model_conf={**DECODING, **conf})


def speech(*seconds: float) -> tuple[torch.Tensor, torch.Tensor]:
    lengths = torch.tensor([int(x * 16000) for x in seconds])
    return torch.randn(len(seconds), int(lengths.max())) * 0.1, lengths


def test_the_decoded_text_is_that_of_the_aligned_model():
    """With equal weights: its top subword predictions, between [CLS] and [SEP]."""
    torch.manual_seed(0)
    aligned = build_model(arguments()).eval()
    model = build_model(decoding_arguments()).eval()
    model.encoder.load_state_dict(aligned.encoder.state_dict())
    model.frontend.load_state_dict(aligned.frontend.state_dict())
    model.token_decoder.postencoder.load_state_dict(aligned.postencoder.state_dict())
    model.token_decoder.head.load_state_dict(aligned.subword_head.state_dict())
    data = speech(1.0, 0.6)
    grafted = aligned.graft(*aligned.features(*data))
    expected = aligned.subword_head(grafted.hidden).argmax(-1)
    _, lengths, *_, spoken = model.encode(*data)
    ids, kept = model.token_decoder(spoken)
    assert torch.equal(kept, lengths)
    assert torch.equal(lengths, grafted.lengths)
    for row, own, n in zip(ids, expected, lengths.tolist(), strict=True):
        assert row[0] == FIRST and row[n - 1] == LAST
        assert torch.equal(row[1 : n - 1], own[1 : n - 1])


def test_the_self_transcript_is_fused_with_its_weight():
    torch.manual_seed(0)
    model = build_model(decoding_arguments(prosody_pooling="mean", prosody_size=4)).eval()
    data = speech(1.0, 0.6)
    tokens, lengths, prosody, _, spoken = model.encode(*data)
    ids, _ = model.token_decoder(spoken)
    of_text = model.classify_states(model.teacher(ids, lengths), lengths, prosody)
    of_speech = model.classify_states(tokens, lengths, prosody)
    expected = 0.75 * of_speech.softmax(-1) + 0.25 * of_text.softmax(-1)
    torch.testing.assert_close(model.classify(*data).softmax(-1), expected)
    loss, _stats, _ = model(
        *data, torch.tensor([[0], [2]]), text=ids, text_lengths=lengths
    )  # in eval mode the loss is of the fused scores: it chooses the checkpoint
    terms = expected.log(), of_text
    expected_loss = sum(torch.nn.functional.cross_entropy(x, torch.tensor([0, 2])) for x in terms)
    torch.testing.assert_close(loss[0], expected_loss)


def test_training_does_not_use_the_token_decoder():
    model = build_model(decoding_arguments()).train()
    text = torch.tensor([[FIRST, 60, LAST]] * 2)
    data = dict(zip(("speech", "speech_lengths"), speech(1.0, 0.6), strict=True))
    targets = dict(text=text, text_lengths=torch.tensor([3, 3]), sentiment=torch.tensor([[0], [2]]))
    assert not any(m.training for m in model.token_decoder.modules())
    assert not any(p.requires_grad for p in model.token_decoder.parameters())
    torch.manual_seed(1)  # for dropout
    with_decoder, *_ = model(**data, **targets)
    model.token_decoder = None
    torch.manual_seed(1)
    without, *_ = model(**data, **targets)
    torch.testing.assert_close(with_decoder, without)


def test_the_token_decoder_starts_from_the_aligned_model(tmp_path):
    weights = save(arguments(), tmp_path)
    args = decoding_arguments()
    model = build_model(args)
    init_from(model, weights, args)
    state = torch.load(weights, weights_only=True)
    name = "predictions.transform.dense.weight"
    assert torch.equal(model.token_decoder.head.state_dict()[name], state[f"subword_head.{name}"])
    weights = save(arguments(model_conf=dict(subword_weight=0.0)), tmp_path / "no_head")
    with pytest.raises(UserError, match="has no subword head; model_conf.self_transcript_weight"):
        init_from(model, weights, args)


def test_the_token_decoder_has_the_bert_of_a_packed_model(tmp_path, monkeypatch):
    """A packed model is the only source of it; without it, the layers would be random."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    aligned = build_model(arguments())
    weights = save(arguments(), tmp_path, aligned)
    args = decoding_arguments()
    model = build_model(args)
    init_from(model, pack(weights, tmp_path / "model.zip", with_teacher=True), args)
    for name, value in aligned.postencoder.state_dict().items():
        assert torch.equal(model.token_decoder.postencoder.state_dict()[name], value), name


def test_a_packed_model_has_its_token_decoder(tmp_path):
    weights = save(decoding_arguments(), tmp_path)
    data = [torch.randn(n).numpy() * 0.1 for n in (16000, 9000)]
    before = WaBERTInference.from_pretrained(weights).classify(data)
    packed = WaBERTInference.from_pretrained(pack(weights, tmp_path / "model.zip"))
    assert packed.model.token_decoder is not None
    for one, other in zip(before, packed.classify(data), strict=True):
        assert one.scores == pytest.approx(other.scores, abs=1e-6)


def test_the_beginning_of_a_long_recording_is_decoded():
    """The teacher decodes as many tokens as BERT has positions; the aligner uses all of them."""
    torch.manual_seed(0)
    model = build_model(decoding_arguments()).eval()
    torch.nn.init.constant_(model.encoder.weight_predictor.projection.bias, 3.0)
    data = speech(6.0, 1.0)
    limit = BERT["max_position_embeddings"]
    tokens, lengths, prosody, _, spoken = model.encode(*data)
    assert lengths.max() > limit
    ids, kept = model.token_decoder(spoken)
    assert ids.shape[1] == int(kept.max()) == limit
    of_text = model.classify_states(model.teacher(ids, kept), kept, prosody)
    of_speech = model.classify_states(tokens, lengths, prosody)
    expected = 0.75 * of_speech.softmax(-1) + 0.25 * of_text.softmax(-1)
    torch.testing.assert_close(model.classify(*data).softmax(-1), expected)


@pytest.mark.parametrize("silent", [(0,), (0, 1)])
def test_an_utterance_without_tokens_has_scores(silent):
    torch.manual_seed(0)
    model = build_model(decoding_arguments()).eval()
    data = speech(1.0, 0.6)
    tokens, lengths, prosody, _, spoken = model.encode(*data)
    alone = model.fuse(model.classify_states(tokens, lengths, prosody), spoken, prosody)
    lengths[list(silent)] = 0
    tokens = tokens[:, : max(1, int(lengths.max()))]
    spoken = spoken._replace(tokens=tokens, lengths=lengths)
    scores = model.fuse(model.classify_states(tokens, lengths, prosody), spoken, prosody)
    torch.testing.assert_close(scores.exp().sum(-1), torch.ones(2))  # log probabilities
    for row in {0, 1} - set(silent):  # silence in the batch does not change the others
        torch.testing.assert_close(scores[row], alone[row], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("conf", [{}, DECODING])
def test_an_utterance_without_tokens_has_the_same_class_in_every_batch(conf):
    torch.manual_seed(0)
    model = build_model(arguments("wabert_sentiment", model_conf=conf)).eval()
    torch.nn.init.normal_(model.encoder.projection.bias)
    fire = model.encoder.fire

    def deaf(adapted, lengths):
        fired = fire(adapted, lengths)
        counts = fired.token_lengths * torch.tensor([0, *[1] * (len(lengths) - 1)])
        mask = torch.arange(fired.tokens.shape[1]) < counts[:, None]
        tokens = (fired.tokens * mask[..., None])[:, : int(counts.max())]
        return fired._replace(tokens=tokens, token_lengths=counts)

    model.encoder.fire = deaf
    data, lengths = speech(1.0, 0.6, 1.0)
    alone = model.classify(data[:1], lengths[:1])
    for others in ([0, 1], [0, 2]):
        with_others = model.classify(data[others], lengths[others])
        torch.testing.assert_close(with_others[:1], alone, atol=1e-5, rtol=1e-4)


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
            dict(self_transcript="words"),
            "model_conf.self_transcript: 'words': must be subwords or letters",
        ),
        (
            dict(text_weight=0.0),
            "model_conf.self_transcript_weight: needs text_weight, which trains",
        ),
    ],
)
def test_a_wrong_self_transcript_weight_is_refused(conf, message):
    with pytest.raises(UserError, match=message):
        build_model(decoding_arguments(**conf))


def test_the_token_decoder_needs_a_vocabulary():
    args = decoding_arguments()
    args.token_list = []
    with pytest.raises(
        UserError, match="model_conf.self_transcript_weight: needs BERT's vocabulary"
    ):
        build_model(args)


LETTERS = dict(self_transcript="letters")


@pytest.fixture
def spelling(tmp_path):
    """An aligned model with a CTC head and an n-gram, and the classifier that starts from it."""
    weights = save(arguments(model_conf=dict(ctc_weight=1.0)), tmp_path / "aligned")
    write_arpa(estimate(["the good film", "a bad one"], []), weights.with_name(NGRAM))
    args = decoding_arguments(**LETTERS)
    model = build_model(args).eval()
    init_from(model, weights, args)
    return weights, args, model


def test_letters_are_read_as_the_aligned_model_reads_them(spelling):
    weights, _, model = spelling
    reader = WaBERTInference.from_pretrained(weights)
    data, lengths = speech(1.0, 0.6)
    wanted = reader.read([row[:n].numpy() for row, n in zip(data, lengths.tolist(), strict=True)])
    tokens, counts, prosody, _, spoken = model.encode(data, lengths)
    ids, kept = model.token_decoder(spoken)
    assert any(wanted) and model.token_decoder.speller.search is not None
    for row, n, text in zip(ids.tolist(), kept.tolist(), wanted, strict=True):
        assert row[:n] == reader.tokenizer.encode(text).ids
    of_text = model.classify_states(model.teacher(ids, kept), kept, prosody)
    of_speech = model.classify_states(tokens, counts, prosody)
    expected = 0.75 * of_speech.softmax(-1) + 0.25 * of_text.softmax(-1)
    torch.testing.assert_close(model.classify(data, lengths).softmax(-1), expected)


def test_a_classifier_that_spells_needs_a_ctc_head(tmp_path):
    weights = save(arguments(), tmp_path)
    args = decoding_arguments(**LETTERS)
    with pytest.raises(UserError, match="has no CTC head; model_conf.self_transcript_weight"):
        init_from(build_model(args), weights, args)


def test_a_packed_classifier_has_its_ngram(spelling, tmp_path):
    weights, args, model = spelling
    own = save(args, tmp_path / "classifier")
    torch.save(model.state_dict(), own)
    shutil.copy(weights.with_name(NGRAM), own.with_name(NGRAM))
    data = [torch.randn(n).numpy() * 0.1 for n in (16000, 9000)]
    before = WaBERTInference.from_pretrained(own).classify(data)
    packed = WaBERTInference.from_pretrained(pack(own, tmp_path / "model.zip"))
    assert packed.model.token_decoder.speller.search is not None
    assert packed.describe()["reads"] == "letters, with an n-gram of words"
    for one, other in zip(before, packed.classify(data), strict=True):
        assert one.scores == pytest.approx(other.scores, abs=1e-6)
