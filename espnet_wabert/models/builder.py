"""Build a model from a configuration, for training, decoding and packed models."""

import copy
import inspect
import math
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_type_hints

import torch
from typeguard import CollectionCheckStrategy, TypeCheckError, check_type

from espnet_wabert.errors import UserError
from espnet_wabert.models.origin import SOURCE
from espnet_wabert.models.sentiment import WaBERTSentiment
from espnet_wabert.models.text_sentiment import TextSentiment
from espnet_wabert.models.wabert import WaBERT
from espnet_wabert.modules.cif_aligner import CIFAligner
from espnet_wabert.modules.ctc_head import CTCHead
from espnet_wabert.modules.frontend import HuggingFaceFrontend
from espnet_wabert.modules.frozen import SlimCheckpoints
from espnet_wabert.modules.grapheme_head import GraphemeHead, own_random_numbers
from espnet_wabert.modules.postencoder import BertTeacher, SubwordHead, TruncatedBert
from espnet_wabert.modules.text_encoder import TextEncoder
from espnet_wabert.modules.token_decoder import LetterDecoder, SubwordDecoder

PARTS: dict[str, dict[str, Any]] = {
    "frontend": {"huggingface": HuggingFaceFrontend, "text": TextEncoder},
    "encoder": {"cif": CIFAligner},
    "postencoder": {"bert": TruncatedBert},
    "model": {
        "wabert": WaBERT,
        "wabert_sentiment": WaBERTSentiment,
        "text_sentiment": TextSentiment,
    },
}
WITHOUT_ALIGNER = ("wabert_sentiment", "text_sentiment")  # encoder, postencoder are optional


def options(cls: type) -> list[str]:
    """Return the options of a class in its `*_conf`: the arguments with a default."""
    signature = inspect.signature(cls).parameters.values()
    return [p.name for p in signature if p.default is not inspect.Parameter.empty]


def check_config(args: Namespace) -> None:
    """Check a configuration; raise one UserError that names everything that is wrong."""
    confs = ("frontend_conf", "encoder_conf", "postencoder_conf", "model_conf")
    for name in (*PARTS, *confs):  # of a config.yaml that was written by hand
        if not hasattr(args, name):
            setattr(args, name, {} if name in confs else None)
    errors = [
        f"{name}: must hold fields and values"
        for name in confs
        if not isinstance(getattr(args, name), dict | None)
    ]
    if errors:
        raise UserError("configuration: " + "; ".join(errors))
    frontend_conf, model_conf = args.frontend_conf or {}, args.model_conf or {}
    for part, classes in PARTS.items():
        name = getattr(args, part)
        optional = part in ("encoder", "postencoder") and args.model in WITHOUT_ALIGNER
        if str(name) not in classes and not (name is None and optional):
            errors.append(f"{part}: {name!r}: one of {', '.join(classes)}")
        elif name is not None:
            errors += _field_errors(f"{part}_conf", getattr(args, f"{part}_conf"), classes[name])
    if (args.encoder is None) != (args.postencoder is None):
        errors.append("encoder and postencoder: both, or neither (the speech encoder alone)")
    text = args.model == "text_sentiment"
    if text != (args.frontend == "text") or (text and args.encoder is not None):
        errors.append("model text_sentiment and frontend text go together, without an encoder")
    if model_conf.get("grapheme_weight") and not frontend_conf.get("convolutions"):
        errors.append("model_conf.grapheme_weight: needs frontend_conf.convolutions: true")
    errors += _grapheme_errors(model_conf)
    for field in ("text_weight", "quantity_weight"):
        if model_conf.get(field) and args.encoder is None:
            errors.append(f"model_conf.{field}: needs an encoder and a postencoder")
    errors += _self_transcript_errors(model_conf)
    pieces = getattr(args, "token_list", None)
    # Not `_fits`, which is slow for the 30,000 pieces of BERT.
    texts = isinstance(pieces, list | tuple) and all(isinstance(piece, str) for piece in pieces)
    if pieces is not None and not texts:
        errors.append("token_list: must be a list of texts")
    for name in confs:
        errors += [f"{field}: must be finite" for field in _not_finite(getattr(args, name), name)]
    if errors:
        raise UserError("configuration: " + "; ".join(errors))


def _not_finite(value: Any, name: str) -> Iterator[str]:
    """Yield the names of fields that are NaN or infinite, inside lists and mappings too."""
    if isinstance(value, float) and not math.isfinite(value):
        yield name
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _not_finite(inner, f"{name}.{key}")
    elif isinstance(value, list | tuple):
        for place, inner in enumerate(value):
            yield from _not_finite(inner, f"{name}[{place}]")


def _field_errors(section: str, conf: dict | None, cls: type) -> list[str]:
    """Return what is wrong with the fields of a class: unknown ones, and values of another type."""
    known, types = options(cls), get_type_hints(cls.__init__)  # type: ignore[misc]
    errors = []
    for field, value in (conf or {}).items():
        if field == "extract_feats_in_collect_stats":
            continue  # ESPnet's own
        if field not in known:
            errors.append(f"{section}.{field}: unknown; one of {', '.join(known)}")
        elif not _fits(value, types[field]):
            wanted = getattr(types[field], "__name__", str(types[field]))
            errors.append(f"{section}.{field}: {value!r}: must be {wanted}")
    return errors


def _fits(value: Any, kind: Any) -> bool:
    """Return whether a value has a type; a list of yaml is a tuple too."""
    for candidate in (value, tuple(value)) if isinstance(value, list) else (value,):
        try:
            check_type(candidate, kind, collection_check_strategy=CollectionCheckStrategy.ALL_ITEMS)
        except TypeCheckError:
            continue
        return True
    return False


def _grapheme_errors(model_conf: dict) -> list[str]:
    frames = model_conf.get("grapheme_input", "convolutions")
    if frames not in ("convolutions", "both"):
        return [f"model_conf.grapheme_input: {frames!r}: must be convolutions or both"]
    if frames == "both" and model_conf.get("grapheme_tolerance") is None:
        return ["model_conf.grapheme_input: both needs grapheme_tolerance, for word times"]
    return []


def _self_transcript_errors(model_conf: dict) -> list[str]:
    weight = model_conf.get("self_transcript_weight", 0.0)
    if not isinstance(weight, int | float) or not 0 <= weight <= 1:
        return [f"model_conf.self_transcript_weight: {weight!r}: must be a number from 0 to 1"]
    if weight and not model_conf.get("text_weight"):
        return [
            "model_conf.self_transcript_weight: needs text_weight, which trains the head on text"
        ]
    reads = model_conf.get("self_transcript", "subwords")
    if reads not in ("subwords", "letters"):
        return [f"model_conf.self_transcript: {reads!r}: must be subwords or letters"]
    return []


def build_model(
    args: Namespace, pretrained: bool = True
) -> WaBERT | WaBERTSentiment | TextSentiment:
    """Build the model that `args` describes (frontend, encoder, postencoder, model, *_conf).

    Args:
        args: the options. The Hugging Face configs are written into `*_conf.config`, so that
            config.yaml rebuilds the model without its sources.
        pretrained: load frozen weights from their sources; False for a packed model, which contains
            them. A packed model has a teacher only if `args.with_teacher` is true.

    Raises:
        UserError: the configuration describes no model.
    """
    check_config(args)
    try:
        return _build(args, pretrained)
    except UserError:
        raise
    except Exception as error:  # of torch and transformers, whose fields have rules of their own
        reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
        raise UserError(f"configuration: it describes no model: {reason}") from error


def _build(args: Namespace, pretrained: bool) -> Any:
    """Build the model of a configuration with the right fields."""
    for conf in (args.frontend_conf, args.postencoder_conf):
        if conf and conf.get(SOURCE) and Path(conf[SOURCE]).is_dir():
            # Absolute, because config.yaml may be read from another folder.
            conf[SOURCE] = str(Path(conf[SOURCE]).resolve())
    frontend: Any = _frontend(args, pretrained)
    conf = dict(args.model_conf or {})
    conf.pop("extract_feats_in_collect_stats", None)
    encoder: Any = None
    postencoder: Any = None
    teacher: Any = None
    head: Any = None
    positions = 0
    if args.encoder is not None:
        encoder, postencoder, teacher, head = _aligner_and_bert(args, frontend, pretrained)
        positions = teacher.positions
    teacher = teacher if pretrained or getattr(args, "with_teacher", False) else None
    model: Any
    if args.model == "text_sentiment":
        model = TextSentiment(frontend, **conf)
    elif args.model == "wabert_sentiment":
        token_decoder = None
        if conf.get("self_transcript_weight"):
            token_decoder = _token_decoder(args, encoder, postencoder, head, positions)
        teacher = teacher if conf.get("text_weight") else None
        model = WaBERTSentiment(frontend, encoder, postencoder, teacher, token_decoder, **conf)
    else:
        head = head if conf.get("subword_weight", 1.0) else None
        letters = CTCHead(encoder.frame_size, args.token_list) if conf.get("ctc_weight") else None
        graphemes = _grapheme_head(args, conf, frontend) if conf.get("grapheme_weight") else None
        model = WaBERT(frontend, encoder, postencoder, teacher, head, graphemes, letters, **conf)
    if pretrained:
        new = [] if head is None or head.trained else ["subword_head.predictions.transform"]
        model.slim_checkpoints = SlimCheckpoints(model, restorable_parts(args), new)
    return model


def _aligner_and_bert(
    args: Namespace, frontend: HuggingFaceFrontend, pretrained: bool
) -> tuple[CIFAligner, TruncatedBert, BertTeacher, SubwordHead]:
    """Build the aligner and BERT's parts; write BERT's config into `args.postencoder_conf`."""
    conf = dict(args.postencoder_conf or {})
    postencoder = TruncatedBert(**{**conf, "pretrained": pretrained})
    args.postencoder_conf = {**conf, "config": postencoder.config}
    teacher, head = postencoder.take_dropped()
    encoder_conf = {**(args.encoder_conf or {}), "output_size": postencoder.output_size()}
    encoder = CIFAligner(frontend.output_size(), **encoder_conf)
    encoder.start_norm(teacher.last_norm())
    return encoder, postencoder, teacher, head


def _grapheme_head(args: Namespace, conf: dict, frontend: HuggingFaceFrontend) -> GraphemeHead:
    """Build the grapheme head for the frames that `WaBERT.grapheme_frames` gives it."""
    width = frontend.conv_size
    if conf.get("grapheme_input") == "both":
        width += frontend.output_size()
    with own_random_numbers(torch.device("cpu")):
        scale = conf.get("grapheme_prior_scale", 0.8)
        return GraphemeHead(width, args.token_list, prior_scale=scale)


def _token_decoder(
    args: Namespace, encoder: CIFAligner, postencoder: TruncatedBert, head: Any, positions: int
) -> SubwordDecoder | LetterDecoder:
    """Build the token decoder with its own upper layers: the task may train the model's."""
    vocabulary = list(args.token_list or ())
    if not {"[CLS]", "[SEP]"} <= set(vocabulary):
        raise UserError("model_conf.self_transcript_weight: needs BERT's vocabulary, --token_list")
    if args.model_conf.get("self_transcript") == "letters":
        return LetterDecoder(CTCHead(encoder.frame_size, vocabulary), positions)
    first, last = (vocabulary.index(piece) for piece in ("[CLS]", "[SEP]"))
    return SubwordDecoder(copy.deepcopy(postencoder), head, first, last, positions)


def _frontend(args: Namespace, pretrained: bool) -> HuggingFaceFrontend | TextEncoder:
    """Build the frontend; write its config into `args.frontend_conf`, to rebuild it later."""
    conf = dict(args.frontend_conf or {})
    frontend = PARTS["frontend"][args.frontend](**{**conf, "pretrained": pretrained})
    kept = "tokenizer" if args.frontend == "text" else "normalize"
    args.frontend_conf = {**conf, "config": frontend.config, kept: getattr(frontend, kept)}
    return frontend


def restorable_parts(args: Namespace) -> list[str]:
    """Return the parts of the model whose weights are from a pretrained source."""
    parts = ["frontend"] if (args.frontend_conf or {}).get(SOURCE, "hub") else []
    if args.postencoder is not None and (args.postencoder_conf or {}).get(SOURCE, "hub"):
        parts += ["postencoder", "teacher", "subword_head", "token_decoder.postencoder"]
        parts += ["token_decoder.head.predictions.decoder"]  # other parts are small
    return parts
