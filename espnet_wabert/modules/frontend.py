"""The frontend: a Hugging Face speech encoder with ESPnet's frontend interface."""

import torch
from torch import nn
from transformers import AutoFeatureExtractor, AutoModel, PretrainedConfig

from espnet_wabert.constants import SAMPLE_RATE, SPEECH_ENCODERS
from espnet_wabert.errors import UserError
from espnet_wabert.modules.espnet_bases import AbsFrontend
from espnet_wabert.modules.frozen import FrozenInEval, freeze
from espnet_wabert.modules.precision import arithmetic
from espnet_wabert.modules.pretrained import load_config, load_weights
from espnet_wabert.modules.speech_encoders import build_speech_encoder


class HuggingFaceFrontend(FrozenInEval, AbsFrontend):
    """data2vec-audio, wav2vec 2.0, HuBERT, WavLM or Whisper's encoder (paper, section 3.1).

    Args:
        model_name_or_path: name on the Hub or folder of the encoder; None: a new one from `config`.
        config: the encoder's Hugging Face config as a dictionary. Training fills it in, so that a
            checkpoint can be rebuilt without the source.
        freeze: "all"; "convolutions" (the feature extractor); a number k (everything up to
            layer k); or "none". Frozen parts are in eval mode.
        normalize: scale waveforms to zero mean and unit variance; None: as the source's feature
            extractor does (True if it has none).
        all_layers: return the frames of all K layers concatenated, first layer first,
            (B, T, K D), for a sentiment model to mix; False: those of the last layer.
        convolutions: prepend the output of the encoder's convolutions, of width L, to the layers'
            frames. The grapheme head of `WaBERT` needs it (grapheme_weight).
        spec_augment, layerdrop: masks and layer drop in training, see `WaveformEncoder`. Not for
            Whisper, nor for a wholly frozen encoder.
        fs: sampling rate of the input in Hz. All supported encoders need 16 kHz.
        pretrained: load the weights from `model_name_or_path`; False in a packed model.

    Attributes:
        precision: "float32", or "bfloat16" for the encoder in inference.
    """

    precision = "float32"

    def __init__(
        self,
        model_name_or_path: str | None = "facebook/data2vec-audio-base",
        config: dict | None = None,
        freeze: str | int = "all",
        normalize: bool | None = None,
        all_layers: bool = False,
        convolutions: bool = False,
        spec_augment: dict[str, float] | None = None,
        layerdrop: float = 0.0,
        fs: int | str = SAMPLE_RATE,
        pretrained: bool = True,
    ):
        super().__init__()
        if int(str(fs).lower().replace("k", "000")) != SAMPLE_RATE:
            raise UserError(
                f"frontend_conf.fs: {fs}: the speech encoders take {SAMPLE_RATE} Hz audio"
            )
        hf_config, hf_model = load_pretrained(model_name_or_path, config, pretrained)
        self.config = hf_config.to_diff_dict()
        self.normalize = (
            needs_normalization(model_name_or_path, pretrained) if normalize is None else normalize
        )
        self.encoder = build_speech_encoder(
            hf_config, hf_model, self.normalize, spec_augment, layerdrop
        )
        self.layers = len(self.encoder.stages()) - 2 if all_layers else 1
        self.conv_size = self.encoder.conv_width if convolutions else 0  # L
        if freeze == "all" and (spec_augment or layerdrop):
            raise UserError("frontend_conf: spec_augment and layerdrop need trained layers")
        # A tuple: these are not parts of this module, but parts of its encoder.
        self.frozen_stages = tuple(self._stages_to_freeze(freeze))
        self._freeze()

    def _stages_to_freeze(self, what: str | int) -> list[nn.Module]:
        stages = self.encoder.stages()
        layers = len(stages) - 2
        rules: dict[str, list[nn.Module]] = {
            "all": [self.encoder], "none": [], "convolutions": stages[:1],
        }  # fmt: skip
        if str(what) in rules:
            return rules[str(what)]
        if str(what).isdigit() and int(what) <= layers:
            return stages[: 2 + int(what)]
        raise UserError(
            f"frontend_conf.freeze: {what!r}: all, convolutions, none"
            f" or a number of layers from 0 to {layers}"
        )

    def _freeze(self) -> None:
        freeze(self.frozen_stages)
        extractor = getattr(self.encoder.model, "feature_extractor", None)
        if extractor is not None and self.frozen_stages:
            extractor._freeze_parameters()  # otherwise it needs the gradient of the waveform

    def train(self, mode: bool = True):
        super().train(mode)
        for stage in self.frozen_stages:  # with the dropout between them, which has no parameters
            stage.eval()
        return self

    def output_size(self) -> int:
        """Return the width D of a frame."""
        return self.encoder.width

    @property
    def hop(self) -> float:
        """Seconds from frame to frame."""
        return float(self.encoder.seconds(1.0) - self.encoder.seconds(0.0))

    def feature_size(self) -> int:
        """Return the width W = L + K D of the features that `forward` returns."""
        return self.conv_size + self.layers * self.output_size()

    def conv_features(self, features: torch.Tensor) -> torch.Tensor:
        """Return the convolutions' frames (B, T, L) of features (B, T, W); L may be 0."""
        return features[..., : self.conv_size]

    def all_layers(self, features: torch.Tensor) -> torch.Tensor:
        """Return the frames of all layers (B, T, K D) of features (B, T, W)."""
        return features[..., self.conv_size :]

    def last_layer(self, features: torch.Tensor) -> torch.Tensor:
        """Return the frames of the last layer (B, T, D) of features (B, T, W)."""
        return features[..., -self.encoder.width :]

    def forward(
        self, input: torch.Tensor, input_lengths: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Encode waveforms.

        Args:
            input: (B, S) samples: floating point in -1..1, or 16-bit integers.
            input_lengths: (B,) in samples.

        Returns:
            Features (B, T, W), zero after each length, and their lengths (B,) in frames.
        """
        if not input.is_floating_point():
            input = input.float() / 32768.0
        lengths = self.encoder.frame_lengths(input_lengths)
        if not bool((lengths > 0).all()):
            short = int((lengths <= 0).nonzero()[0])
            raise UserError(
                f"utterance {short} of the batch has {int(input_lengths[short])} samples,"
                " less than one frame"
            )
        with arithmetic(self.precision, input.device.type):
            frames = self.encoder(input, input_lengths, all_layers=self.layers > 1)
        features = frames.features
        if self.conv_size:
            features = torch.cat([frames.conv_features, features], dim=-1)
        if self.precision == "bfloat16":
            features = features.float()  # the rest of the model stays in float32
        return features, frames.lengths


def load_pretrained(
    model: str | None, config: dict | None, pretrained: bool
) -> tuple[PretrainedConfig, nn.Module]:
    """Return the Hugging Face config and model, from the source or from the config alone."""
    hf_config, source = load_config("frontend_conf", model, config, pretrained)
    if hf_config.model_type not in SPEECH_ENCODERS:
        raise UserError(
            f"frontend_conf.model_name_or_path: {source or 'config'} is a"
            f" {hf_config.model_type!r} model; supported speech encoders:"
            f" {', '.join(SPEECH_ENCODERS)}"
        )
    if source is None:
        return hf_config, AutoModel.from_config(hf_config)
    hf_model, _ = load_weights(AutoModel, "frontend_conf", source, "masked_spec_embed")
    return hf_config, hf_model


def needs_normalization(model: str | None, pretrained: bool) -> bool:
    """Return whether the source's feature extractor normalizes waveforms; True if it has none."""
    if model is None or not pretrained:
        return True
    try:
        return bool(getattr(AutoFeatureExtractor.from_pretrained(model), "do_normalize", True))
    except (OSError, ValueError):
        return True
