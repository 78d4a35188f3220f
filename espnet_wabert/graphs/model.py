"""An exported model on onnxruntime: the parts of `WaBERT`, each of which calls a graph.

Shapes are those of `WaBERT`'s parts: B utterances, S samples, T frames, N tokens, H BERT's width.
"""

from argparse import Namespace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from espnet_wabert.cif import CIFOutput
from espnet_wabert.errors import UserError, first_line
from espnet_wabert.graphs.folder import VOCABULARY, graph_file, read_facts
from espnet_wabert.models.download import Files
from espnet_wabert.models.wabert import SpeechPath, WaBERT
from espnet_wabert.modules.frames import Frames
from espnet_wabert.modules.frontend import HuggingFaceFrontend
from espnet_wabert.modules.grapheme_head import GraphemeHead, GraphemeLexicon
from espnet_wabert.modules.token_decoder import LetterDecoder
from espnet_wabert.text.wordpiece import WordPieceTokenizer, read_vocabulary


class GraphModule(nn.Module):
    """A graph as a module: tensors in, a tuple of tensors out. It is loaded at the first call.

    Args:
        path: the .onnx file.

    Raises:
        UserError: onnxruntime cannot load it, or cannot compute it.
    """

    def __init__(self, path: Path):
        super().__init__()
        self.path = path

    @cached_property
    def session(self) -> Any:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 4  # errors are raised
        try:
            return onnxruntime.InferenceSession(
                self.path, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime's errors have no common base class
            raise UserError(f"{self.path}: cannot be loaded: {first_line(error)}") from None

    def forward(self, *inputs: torch.Tensor) -> tuple[torch.Tensor, ...]:
        names = (one.name for one in self.session.get_inputs())
        arrays = (np.ascontiguousarray(x.detach().numpy()) for x in inputs)
        try:
            outputs = self.session.run(None, dict(zip(names, arrays, strict=True)))
        except Exception as error:  # the memory that a long recording needs, above all
            raise UserError(f"{self.path}: {first_line(error)}") from None
        return tuple(torch.from_numpy(x) for x in outputs)


class FirstOutput(GraphModule):
    """A graph with one output, for inputs (B, N, ...) or of one utterance (N, ...)."""

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        if inputs[0].dim() == 2 and len(inputs) == 1:
            return super().forward(inputs[0][None])[0][0]
        return super().forward(*inputs)[0]


class ExportedEncoder(nn.Module):
    """The graph of the frontend as its speech encoder: all its features are in one tensor.

    Args:
        path: of the graph.
        steps: kernel and stride of each convolution, in samples and then in steps.
        start: seconds of the start of frame 0.
        hop: seconds from frame to frame.
    """

    def __init__(self, path: Path, steps: list[list[int]], start: float, hop: float):
        super().__init__()
        self.graph = GraphModule(path)
        self.steps, self.start, self.hop = steps, start, hop

    def frame_lengths(self, samples: torch.Tensor) -> torch.Tensor:
        """Return the number of frames (B,) of `samples` (B,)."""
        for kernel, stride in self.steps:
            samples = (samples - kernel) // stride + 1
        return samples.clamp(min=0)

    def seconds[T: (torch.Tensor, float)](self, positions: T) -> T:
        """Return the times of positions in frames."""
        return positions * self.hop + self.start

    def forward(self, waveforms, lengths, all_layers: bool = False) -> Frames:
        features, frame_lengths = self.graph(waveforms, lengths)
        return Frames(features, frame_lengths, features[..., :0])


class ExportedFrontend(HuggingFaceFrontend):
    """A frontend whose encoder is a graph; to the outside its features are those of one layer."""

    layers, conv_size, frozen_stages = 1, 0, ()

    def __init__(self, path: Path, facts: dict):
        nn.Module.__init__(self)  # without a model of Hugging Face
        self.encoder: Any = ExportedEncoder(path, facts["steps"], facts["start"], facts["hop"])
        self.width = facts["feature_size"]

    def feature_size(self) -> int:
        return self.width


class ExportedAligner(nn.Module):
    """The graphs after the adapter, with the part of `CIFAligner`'s interface for their use."""

    def __init__(self, tokens: Path, counted: Path, projection: Path, tail_threshold: float):
        super().__init__()
        self.tokens, self.counted = GraphModule(tokens), GraphModule(counted)
        self.project = FirstOutput(projection)
        self.tail_threshold = tail_threshold

    def fire(self, adapted, lengths, target_lengths=None) -> CIFOutput:
        """Integrate adapted frames (B, T, D) into tokens; see `CIFAligner.fire`."""
        if not bool(adapted.isfinite().all()):  # the graph would count NaN tokens, without an end
            raise UserError("CIF aligner: adapted frames must be finite")
        if target_lengths is None:
            return CIFOutput(*self.tokens(adapted, lengths))
        return CIFOutput(*self.counted(adapted, lengths, target_lengths))


class ExportedBert(nn.Module):
    """The graph of BERT's upper layers, with `TruncatedBert`'s interface."""

    def __init__(self, path: Path):
        super().__init__()
        self.graph = FirstOutput(path)

    def forward(self, input: torch.Tensor, input_lengths: torch.Tensor):
        return self.graph(input, input_lengths), input_lengths


class ExportedTeacher(FirstOutput):
    """The graph of BERT's lower layers, which has `positions` for tokens."""

    def __init__(self, path: Path, positions: int):
        super().__init__(path)
        self.positions = positions


class ExportedGraphemes(GraphemeHead):
    """The graph of the grapheme head; what follows it is that of `GraphemeHead`."""

    def __init__(self, path: Path, vocabulary: list[str], prior: list[float], prior_scale: float):
        nn.Module.__init__(self)  # without the layers of the base class
        self.lexicon = GraphemeLexicon(vocabulary)
        self.graph = FirstOutput(path)
        self.prior_scale = prior_scale
        self.register_buffer("prior", torch.tensor(prior))

    def forward(self, frames: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        return self.graph(frames, lengths)


class ExportedLetters(FirstOutput):
    """The graph of the CTC head, with its word pieces."""

    def __init__(self, path: Path, vocabulary: list[str]):
        super().__init__(path)
        self.tokenizer = WordPieceTokenizer(vocabulary)


class ExportedWaBERT(WaBERT):
    """A model of exported parts, for use; it cannot be trained.

    Args:
        folder: with the graphs.
        facts: of the model.
        vocabulary: BERT's word pieces.
    """

    def __init__(self, folder: Path, facts: dict, vocabulary: list[str]):
        def path(part: str) -> Path:
            return graph_file(folder, part)

        def optional(part: str, make: Any = FirstOutput, *more: Any) -> Any:
            return make(path(part), *more) if part in facts["graphs"] else None

        fired = (path("tokens"), path("counted_tokens"))
        encoder: Any = ExportedAligner(*fired, path("projection"), facts["tail_threshold"])
        frontend: Any = ExportedFrontend(path("frontend"), facts)
        bert: Any = ExportedBert(path("bert"))
        graphemes = facts.get("graphemes", {"prior": None, "prior_scale": None, "tolerance": None})
        super().__init__(
            frontend, encoder, bert,
            teacher=optional("teacher", ExportedTeacher, facts.get("positions")),
            subword_head=optional("subwords"),
            grapheme_head=optional(
                "graphemes", ExportedGraphemes, vocabulary, graphemes["prior"],
                graphemes["prior_scale"],
            ),
            ctc_head=optional("letters"),
            grapheme_tolerance=graphemes["tolerance"],
        )  # fmt: skip
        self.adapter = FirstOutput(path("adapter"))

    def adapt(self, features, lengths) -> torch.Tensor:
        return self.adapter(features, lengths)

    def grapheme_frames(self, features):
        return features  # the graph takes its part of them


class ExportedSentiment(SpeechPath):
    """A sentiment model of exported parts, with `WaBERTSentiment`'s interface for use."""

    teacher = None

    def __init__(self, folder: Path, facts: dict, vocabulary: list[str]):
        frontend: Any = ExportedFrontend(graph_file(folder, "frontend"), facts)
        super().__init__(frontend)
        self.labels = facts["labels"]
        self.token_decoder = None
        name = "sentiment"
        if "letters" in facts["graphs"]:
            name = "sentiment_of_text"
            self.adapter = FirstOutput(graph_file(folder, "adapter"))
            letters: Any = ExportedLetters(graph_file(folder, "letters"), vocabulary)
            self.token_decoder = LetterDecoder(letters, facts["positions"])
        self.graph = FirstOutput(graph_file(folder, name))

    def classify(self, speech: torch.Tensor, speech_lengths: torch.Tensor) -> torch.Tensor:
        """Return the class scores (B, classes) of waveforms or cached features."""
        features, lengths = self.features(speech, speech_lengths)
        if self.token_decoder is None:
            return self.graph(features, lengths)
        text = self.token_decoder.read(self.adapter(features, lengths), lengths)
        return self.graph(features, lengths, *text)

    def forward(self, speech, speech_lengths, **kwargs):
        return self.classify(speech, speech_lengths)


def load_exported(files: Files, device: str = "cpu") -> tuple[SpeechPath, Namespace]:
    """Return an exported model and what else its use needs: the vocabulary and its kind.

    Raises:
        UserError: onnxruntime is missing, the device is no CPU, or the folder is incomplete.
    """
    try:
        import onnxruntime  # noqa: F401
    except ImportError:
        raise UserError(
            'package onnxruntime is not installed: pip install "espnet_wabert[onnx]"'
        ) from None
    if device != "cpu":
        raise UserError(f"--device {device}: an exported model runs on the CPU")
    facts, folder = read_facts(files.config), files.config.parent
    needed = {"bert", "letters"} & facts["graphs"].keys()
    vocabulary = read_vocabulary(folder / VOCABULARY) if needed else []
    try:
        args = Namespace(
            model=facts["model"], precision=facts["precision"], frontend=None,
            token_list=vocabulary, classifier=facts.get("classifier"),
        )  # fmt: skip
        if {"sentiment", "sentiment_of_text"} & facts["graphs"].keys():
            return ExportedSentiment(folder, facts, vocabulary).eval(), args
        return ExportedWaBERT(folder, facts, vocabulary).eval(), args
    except KeyError as error:
        raise UserError(f"{files.config}: {error.args[0]}: missing") from None
