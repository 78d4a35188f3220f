"""WaBERT: exact grafting, the losses of the paper, alignment by every method."""

import math

import pytest
import torch
from tiny import arguments, batch, save
from torch.nn import functional as F
from transformers import BertModel

from espnet_wabert.errors import UserError
from espnet_wabert.models.builder import build_model
from espnet_wabert.modules.losses import InfoNCE, cosine_loss, quantity_loss, similarity_loss
from espnet_wabert.modules.postencoder import TruncatedBert


@pytest.mark.parametrize("drop", [0, 1, 2, 3])
def test_truncated_bert_continues_exactly(bert_folder, drop):
    """From BERT's layer-i states it computes BERT's output, for every i, in a padded batch."""
    post = TruncatedBert(model_name_or_path=str(bert_folder), drop_layers=drop).eval()
    teacher, _ = post.take_dropped()
    whole = BertModel.from_pretrained(bert_folder, add_pooling_layer=False).eval()
    text, lengths = batch()["text"], batch()["text_lengths"]
    mask = torch.arange(8)[None] < lengths[:, None]
    expected = whole(text * mask, attention_mask=mask.long(), output_hidden_states=True)
    states = teacher.eval()(text.masked_fill(~mask, -1), lengths)
    torch.testing.assert_close(states[mask], expected.hidden_states[drop][mask])
    output, _ = post(states, lengths)
    torch.testing.assert_close(output[mask], expected.last_hidden_state[mask])
    assert not output.requires_grad


def test_losses_equal_the_equations_of_the_paper():
    """Equations 1 to 5, computed token by token."""
    torch.manual_seed(0)
    a, b = torch.randn(2, 4, 6), torch.randn(2, 4, 6)
    lengths, tokens = torch.tensor([4, 2]), torch.arange(8).view(2, 4)
    cosines = F.cosine_similarity(a[:, :, None], b[:, None], dim=-1)
    rows = [(u, i) for u, n in enumerate(lengths.tolist()) for i in range(n)]
    expected = sum(1 - cosines[u, i, i] for u, i in rows) / len(rows)
    torch.testing.assert_close(cosine_loss(a, b, lengths), expected)
    per_utterance = [sum(1 - cosines[u, i, i] for i in range(n)) for u, n in enumerate([4, 2])]
    torch.testing.assert_close(cosine_loss(a, b, lengths, summed=True), sum(per_utterance) / 2)
    tau, total = 0.1, 0.0
    for u, i in rows:
        n = int(lengths[u])
        forward = sum(math.exp(cosines[u, i, j] / tau) for j in range(n))
        backward = sum(math.exp(cosines[u, j, i] / tau) for j in range(n))
        own = math.exp(cosines[u, i, i] / tau)
        total += -0.5 * (math.log(own / forward) + math.log(own / backward))
    loss = InfoNCE(tau, "utterance")(a, b, lengths, tokens)
    assert loss.item() == pytest.approx(total / len(rows), rel=1e-4)
    assert quantity_loss(torch.tensor([3.5, 4.0]), lengths).item() == pytest.approx(1.25)


def test_batch_negatives_leave_out_the_same_token_of_another_utterance():
    vectors, lengths = torch.eye(3, 6).expand(2, 3, 6), torch.tensor([3, 3])
    same = torch.tensor([[1, 2, 3], [1, 2, 3]])
    other = torch.tensor([[1, 2, 3], [4, 5, 6]])
    loss = InfoNCE(0.1, "batch")
    assert loss(vectors, vectors, lengths, same) < 0.001  # equal ids are not negatives
    assert loss(vectors, vectors, lengths, other) > math.log(2)


@pytest.mark.parametrize("loss", ["infonce", "cosine", "cosine_sum"])
@pytest.mark.parametrize("negatives", ["utterance", "batch"])
def test_the_similarity_losses_are_float32_under_autocast(loss, negatives):
    torch.manual_seed(0)
    loss = similarity_loss(loss, 0.07, negatives)
    a, b = torch.randn(2, 30, 64, requires_grad=True), torch.randn(2, 30, 64)
    lengths, tokens = torch.tensor([30, 20]), torch.arange(60).view(2, 30)
    expected = loss(a, b, lengths, tokens)
    (gradient,) = torch.autograd.grad(expected, a)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = loss(a, b, lengths, tokens)
    assert found.dtype == torch.float32
    assert torch.equal(found, expected)
    assert torch.equal(torch.autograd.grad(found, a)[0], gradient)


def test_the_grapheme_head_is_not_part_of_the_reported_loss():
    """It chooses no checkpoint, and it draws no random number of the other parts."""
    stats, after = [], []
    for weight in (0.0, 1.0):
        torch.manual_seed(0)
        conf = dict(model_conf=dict(grapheme_weight=weight), frontend_conf=dict(convolutions=True))
        model = build_model(arguments(**conf)).train()
        loss, found, _ = model(**batch())
        stats.append(found)
        after.append(torch.rand(1))
    assert torch.equal(*after)
    assert torch.equal(stats[0]["loss"], stats[1]["loss"])
    assert torch.equal(loss.detach(), stats[1]["loss"] + stats[1]["graphemes"])


def test_the_grapheme_head_keeps_the_times_of_words_by_the_tolerance():
    conf = dict(grapheme_weight=1.0, grapheme_input="both", grapheme_tolerance=0.0)
    model = build_model(arguments(model_conf=conf, frontend_conf=dict(convolutions=True))).eval()
    own = batch()
    front = model.frontend
    wanted = front.conv_size + front.output_size()
    assert model.grapheme_head.convolution.in_channels == wanted
    free = torch.stack([torch.full((3, 8), -torch.inf), torch.full((3, 8), torch.inf)], dim=-1)

    def loss(times, tolerance=0.0):
        model.grapheme_tolerance = tolerance
        return model(**own, token_times=times)[1]["graphemes"]

    assert torch.equal(loss(free), loss(None))
    known = free.clone()
    known[:, 1] = torch.tensor([0.1, 0.3])  # fewer paths: the loss cannot be smaller
    assert loss(known) > loss(known, 0.05) > loss(free)
    assert torch.equal(loss(known, None), loss(free))  # without a tolerance they are not used


@pytest.mark.parametrize(
    ("conf", "message"),
    [
        (dict(grapheme_input="all"), "grapheme_input: 'all': must be convolutions or both"),
        (dict(grapheme_input="both"), "grapheme_input: both needs grapheme_tolerance"),
    ],
)
def test_what_the_grapheme_head_hears_is_checked(conf, message):
    conf = dict(model_conf=dict(grapheme_weight=1.0, **conf), frontend_conf=dict(convolutions=True))
    with pytest.raises(UserError, match=message):
        build_model(arguments(**conf))


def test_a_frozen_part_is_the_same_at_every_step_of_training():
    """As with --freeze_param: it has no dropout, and its running values stay."""
    conf = dict(model_conf=dict(grapheme_weight=1.0), frontend_conf=dict(convolutions=True))
    model = build_model(arguments(**conf))
    for part in (model.encoder, model.grapheme_head):
        part.requires_grad_(False)
    model.train()
    prior, own = model.grapheme_head.prior.clone(), batch()
    first, second = (model(**own)[1] for _ in range(2))
    assert torch.equal(first["loss"], second["loss"])
    assert torch.equal(first["graphemes"], second["graphemes"])
    assert torch.equal(model.grapheme_head.prior, prior)


@pytest.mark.parametrize("align", ["infonce", "cosine"])
@pytest.mark.parametrize("negatives", ["utterance", "batch"])
def test_every_loss_trains_the_aligner_and_no_frozen_part(align, negatives):
    torch.manual_seed(0)
    model = build_model(arguments(model_conf=dict(align_loss=align, negatives=negatives))).train()
    loss, stats, weight = model(**batch(), utt_id=["a", "b", "c"])
    assert set(stats) == {align, "quantity", "subword", "loss"} and int(weight) == 3
    total = stats[align] + stats["quantity"] + stats["subword"]
    torch.testing.assert_close(stats["loss"], total)
    loss.backward()
    for name, parameter in model.named_parameters():
        learns = name.startswith("encoder.") or "predictions.transform" in name
        assert (parameter.grad is not None) == learns, name
        if learns:
            assert parameter.grad.isfinite().all(), name
    assert model.encoder.projection.weight.grad.abs().sum() > 0
    assert model.encoder.weight_predictor.projection.weight.grad.abs().sum() > 0


def test_padding_does_not_change_the_alignment():
    """In float64: in float32, a CPU rounds the sums of a longer recording in its own way."""
    torch.manual_seed(0)
    model = build_model(arguments()).eval().double()
    data = batch()
    data["speech"] = data["speech"].double()
    together = model.graft(
        *model.features(data["speech"], data["speech_lengths"]), data["text_lengths"]
    )
    for row in range(3):
        one = {k: v[row : row + 1] for k, v in data.items()}
        alone = model.graft(
            *model.features(one["speech"], one["speech_lengths"]), one["text_lengths"]
        )
        n = int(alone.lengths[0])
        torch.testing.assert_close(together.hidden[row, :n], alone.hidden[0], atol=1e-4, rtol=1e-3)
        torch.testing.assert_close(together.fired.ends[row, :n], alone.fired.ends[0, :n])


def test_cached_features_give_the_same_loss():
    torch.manual_seed(0)
    model, data = build_model(arguments()).eval(), batch()
    feats = model.collect_feats(**data)
    cached = {**data, "speech": feats["feats"], "speech_lengths": feats["feats_lengths"]}
    torch.testing.assert_close(model(**cached)[0], model(**data)[0])
    with pytest.raises(UserError, match="cached features have width 7, this frontend's have 32"):
        model(**{**cached, "speech": torch.zeros(3, 40, 7)})


@pytest.mark.parametrize(
    ("changes", "messages"),
    [
        (dict(postencoder_conf=dict(drop_layers=4)), ["drop_layers: 4", "from 0", "to 3"]),
        (dict(postencoder_conf=dict(drop_layers=-1)), ["drop_layers: -1"]),
        (dict(encoder_conf=dict(kernel_size=4)), ["encoder_conf.kernel_size: 4: must be odd"]),
        (dict(encoder_conf=dict(tail_threshold=1.5)), ["tail_threshold: 1.5"]),
        (dict(model_conf=dict(align_loss="l2")), ["align_loss: 'l2': one of infonce, cosine"]),
        (dict(model_conf=dict(temperature=0)), ["temperature: 0: must be above 0"]),
        (dict(model_conf=dict(negatives="all")), ["negatives: 'all'"]),
        # One error names everything that is wrong.
        (
            dict(encoder="cnn", model_conf=dict(tau=1), frontend_conf=dict(frozen=True)),
            ["encoder: 'cnn': one of cif", "model_conf.tau: unknown", "frontend_conf.frozen"],
        ),
        (dict(model="bert"), ["model: 'bert': one of wabert, wabert_sentiment"]),
    ],
)
def test_an_error_names_the_wrong_field_of_a_configuration(changes, messages):
    with pytest.raises(UserError) as error:
        build_model(arguments(**changes))
    for message in messages:
        assert message in str(error.value)


def test_every_method_aligns_all_words_in_order(tmp_path):
    """Methods cif and similarity; all times are within the recording."""
    from espnet_wabert.inference.api import WaBERTInference

    model = WaBERTInference.from_pretrained(save(arguments(), tmp_path))
    speech = [batch()["speech"][row].numpy()[:size] for row, size in enumerate((16000, 1000))]
    texts = ["the good film", "not good and not bad"]
    one, dense = model.align(speech, texts)
    assert (
        set(one.words_by_method) == {"cif", "similarity"}
        and one.words == one.words_by_method["similarity"]
    )
    for words in one.words_by_method.values():
        assert [w.word for w in words] == texts[0].split()
        times = [t for w in words for t in (w.start, w.end)]
        assert times == sorted(times) and times[0] >= 0 and times[-1] <= 1.0
    # 2 frames for 7 tokens: cif still aligns them, similarity has no path.
    assert set(dense.words_by_method) == {"cif"} and len(dense.words) == 5
    assert len(one.nearest) == len(one.top) == len(one.tokens) == 5
    assert [r.predicted_length for r in model.transcribe(speech)] == [
        one.predicted_length, dense.predicted_length
    ]  # fmt: skip


def test_an_aligner_cannot_classify_sentiment(tmp_path):
    from espnet_wabert.inference.api import WaBERTInference

    model = WaBERTInference.from_pretrained(save(arguments(), tmp_path))
    with pytest.raises(UserError, match="a 'wabert' model cannot classify sentiment"):
        model.classify([batch()["speech"][0].numpy()])
