"""The functions of a model that become graphs, and examples of their arguments."""

import contextlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch import nn

from espnet_wabert.cif import CIFOutput
from espnet_wabert.cif.dense import cif_dense
from espnet_wabert.constants import SAMPLE_RATE
from espnet_wabert.errors import UserError
from espnet_wabert.graphs import mel
from espnet_wabert.graphs.folder import GRAPHS
from espnet_wabert.models.sentiment import WaBERTSentiment
from espnet_wabert.models.wabert import WaBERT
from espnet_wabert.modules.cif_aligner import CIFAligner
from espnet_wabert.modules.ctc_head import SYMBOLS
from espnet_wabert.modules.grapheme_head import GRAPHEMES
from espnet_wabert.modules.masking import valid_mask
from espnet_wabert.modules.mel_encoder import MelEncoder
from espnet_wabert.modules.token_decoder import LetterDecoder

SECONDS = 40  # of the example: a graph with one window of Whisper would be traced without a loop


class Part(nn.Module):
    """A function of a model as a module.

    Args:
        model: the owner of the weights.
        function: from tensors to a tensor or some.
    """

    def __init__(self, model: nn.Module, function: Callable):
        super().__init__()
        self.model = model
        self.function = function
        self.eval()

    def forward(self, *inputs: torch.Tensor):
        return self.function(*inputs)


def fire(encoder: CIFAligner, adapted, lengths, target_lengths=None) -> CIFOutput:
    """Do what `CIFAligner.fire` does, by tensor operations only."""
    weights = encoder.weight_predictor(adapted, valid_mask(lengths, adapted.shape[1])[..., None])
    return cif_dense(
        adapted, weights, lengths, target_lengths, tail_threshold=encoder.tail_threshold
    )


def fire_some(encoder: CIFAligner, *inputs) -> CIFOutput:
    """Do what `fire` does, and add two tokens of padding.

    onnxruntime cannot reshape an empty tensor.
    """
    fired = fire(encoder, *inputs)
    return fired._replace(tokens=nn.functional.pad(fired.tokens, (0, 0, 0, 2)))


@contextlib.contextmanager
def traceable(model: Any) -> Iterator[None]:
    """Replace the functions of a model that branch or loop on values, which a graph cannot."""
    replaced: list[tuple[Any, str, Callable]] = []
    encoder = model.frontend.encoder
    if isinstance(encoder, MelEncoder):
        replaced += [
            (encoder, "power", partial(mel.power, encoder)),
            (encoder, "forward", partial(mel.encode, encoder)),
        ]
    if isinstance(model, WaBERTSentiment):
        replaced.append((model, "features", lambda features, lengths: (features, lengths)))
        if model.encoder is not None:
            replaced.append((model.encoder, "fire", partial(fire_some, model.encoder)))
    for owner, name, function in replaced:
        setattr(owner, name, function)
    try:
        yield
    finally:
        for owner, name, _ in replaced:
            delattr(owner, name)


def functions(model: Any) -> dict[str, Callable]:
    """Return the function of each graph of a model, by the names of `GRAPHS`.

    Raises:
        UserError: the model reads text.
    """
    if not isinstance(model, WaBERT | WaBERTSentiment):
        raise UserError("a text_sentiment model reads text; only models of speech are exported")
    frontend = model.frontend

    def features(waveforms: torch.Tensor, lengths: torch.Tensor):
        frames = frontend.encoder(waveforms, lengths, all_layers=frontend.layers > 1)
        if not frontend.conv_size:
            return frames.features, frames.lengths
        return torch.cat([frames.conv_features, frames.features], dim=-1), frames.lengths

    if isinstance(model, WaBERTSentiment):
        return {"frontend": features, **_sentiment(model)}

    def bert(aligned: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        # One masked token more: onnxruntime cannot reshape an empty tensor.
        padded = nn.functional.pad(aligned, (0, 0, 0, 1))
        return model.postencoder(padded, lengths)[0][:, :-1]

    def graphemes(x: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        assert model.grapheme_head is not None
        return model.grapheme_head(model.grapheme_frames(x), lengths)

    found: dict[str, Callable | None] = {
        "frontend": features,
        "adapter": model.adapt,
        "tokens": partial(fire, model.encoder),
        "counted_tokens": partial(fire, model.encoder),
        "projection": model.encoder.project,
        "bert": bert,
        "graphemes": graphemes if model.grapheme_head is not None else None,
        "letters": model.ctc_head,
        "subwords": model.subword_head,
        "teacher": model.teacher,
    }
    return {name: function for name, function in found.items() if function is not None}


def _sentiment(model: WaBERTSentiment) -> dict[str, Callable]:
    """Return the functions of a classifier; what it spells is found between two graphs."""
    decoder, encoder = model.token_decoder, model.encoder
    if not isinstance(decoder, LetterDecoder) or encoder is None:
        return {"sentiment": lambda *given: model.classify(*given)}

    def adapt(x: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        return encoder.adapt(model.frontend.last_layer(x), lengths)

    def of_text(x, lengths, ids, id_lengths) -> torch.Tensor:
        tokens, token_lengths, prosody, *_ = model.encode(x, lengths)
        scores = model.classify_states(tokens, token_lengths, prosody)
        return model.fuse_text(scores, ids, id_lengths, prosody)

    return {"adapter": adapt, "letters": decoder.head, "sentiment_of_text": of_text}


def examples(part: str, model: Any) -> tuple[torch.Tensor, ...]:
    """Return two utterances of arguments for the function of a graph; only shapes matter."""
    sizes = {
        "B": 2,
        "S": SECONDS * SAMPLE_RATE,
        "T": 40,
        "N": 6,
        "W": model.frontend.feature_size(),
    }
    if model.encoder is not None:
        sizes |= {"D": model.encoder.frame_size, "H": model.encoder.output_size()}
    inputs = GRAPHS[part].inputs
    longest = max(sizes[axes.split()[1]] for axes in inputs.values() if " " in axes)
    integer = {
        "lengths": torch.tensor([longest, longest // 2]),
        "counts": torch.tensor([5, 4]),
        "ids": torch.zeros(sizes["B"], sizes["N"], dtype=torch.long),
        "id_lengths": torch.tensor([sizes["N"], sizes["N"] - 1]),
    }
    return tuple(
        integer[name] if name in integer else torch.rand([sizes[a] for a in axes.split()])
        for name, axes in inputs.items()
    )


def facts(model: Any) -> dict[str, Any]:
    """Return what a program must know of a model beside its graphs: plain numbers and names."""
    encoder = model.frontend.encoder
    if isinstance(encoder, MelEncoder):
        steps = [[encoder.HOP, encoder.HOP], [1, 2]]
    else:
        config = encoder.model.config
        steps = [list(step) for step in zip(config.conv_kernel, config.conv_stride, strict=True)]
    found: dict[str, Any] = {
        "sampling_rate": SAMPLE_RATE,
        "steps": steps,  # kernel and stride, one after another
        "start": float(encoder.seconds(0.0)),  # seconds of the start of frame 0
        "hop": model.frontend.hop,
        "feature_size": model.frontend.feature_size(),
    }
    if not isinstance(model, WaBERT):
        found["labels"] = list(model.labels)
        if isinstance(model.token_decoder, LetterDecoder):
            found["letters"] = {"symbols": list(SYMBOLS)}
            found["positions"] = model.token_decoder.positions
        return found
    found["tail_threshold"] = model.encoder.tail_threshold
    if model.grapheme_head is not None:
        found["graphemes"] = {
            "symbols": ["", *GRAPHEMES],  # the first one is silence
            "prior": model.grapheme_head.prior.tolist(),
            "prior_scale": model.grapheme_head.prior_scale,
            "tolerance": model.grapheme_tolerance,
        }
    if model.ctc_head is not None:
        found["letters"] = {"symbols": list(SYMBOLS)}  # the first one is the blank
    if model.teacher is not None:
        found["positions"] = model.teacher.positions
    return found
