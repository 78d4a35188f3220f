"""data2vec-audio, wav2vec 2.0, HuBERT and WavLM: waveforms (B, S) in, frames (B, T, D) out.

Shapes: B utterances, S samples, T frames, D the encoder's width, L the convolutions' width.
"""

from typing import Any

import torch
from torch import nn

from espnet_wabert.constants import SAMPLE_RATE
from espnet_wabert.errors import UserError
from espnet_wabert.modules.frames import Frames
from espnet_wabert.modules.masking import valid_mask

MASKS = ("mask_time_prob", "mask_time_length", "mask_feature_prob", "mask_feature_length")


class MaskedGroupNorm(nn.GroupNorm):
    """Group norm with one group per channel (wav2vec 2.0 base), with statistics within each length.

    `lengths` (B,), in steps of the input, is set by the encoder before each call.
    """

    lengths: torch.Tensor

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mask = valid_mask(self.lengths, x.shape[-1])[:, None]  # (B, 1, T)
        count = self.lengths.clamp(min=1)[:, None, None]
        kept = x.float().masked_fill(~mask, 0.0)  # statistics in float32 under autocast too
        mean = kept.sum(-1, keepdim=True) / count
        variance = ((kept - mean).masked_fill(~mask, 0.0) ** 2).sum(-1, keepdim=True) / count
        x = (x - mean) * torch.rsqrt(variance + self.eps)
        return x * self.weight[:, None] + self.bias[:, None]


class WaveformEncoder(nn.Module):
    """data2vec-audio, wav2vec 2.0, HuBERT or WavLM on raw waveforms.

    Args:
        model: the Hugging Face model.
        normalize: scale each waveform to zero mean and unit variance first, if the model's
            feature extractor does so.
        spec_augment: the `MASKS` of Hugging Face's config: spans of frames and of channels that are
            masked in training, after the convolutions. None: no masks.
        layerdrop: probability of leaving a layer out in training. DDP needs unused_parameters.

    Raises:
        UserError: spec_augment has an unknown field.
    """

    model: Any  # of Hugging Face, without types
    group_norm: "MaskedGroupNorm | None"

    def __init__(
        self,
        model: Any,
        normalize: bool = True,
        spec_augment: dict[str, float] | None = None,
        layerdrop: float = 0.0,
    ):
        super().__init__()
        self.model = model
        self.normalize = normalize
        self.spec_augment = spec_augment or {}
        for field, value in self.spec_augment.items():
            if field not in MASKS:
                raise UserError(f"frontend_conf.spec_augment.{field}: one of {', '.join(MASKS)}")
            setattr(model.config, field, value)
        span, channels = model.config.mask_feature_length, model.config.hidden_size
        if self.spec_augment and span > channels:
            raise UserError(
                f"frontend_conf.spec_augment.mask_feature_length: {span}: this encoder has"
                f" {channels} channels"
            )
        model.config.layerdrop = layerdrop
        if getattr(model, "masked_spec_embed", None) is not None:  # replaces masked frames
            model.masked_spec_embed.requires_grad_(bool(self.spec_augment))
        self._frame_mask: torch.Tensor = torch.empty(0)
        self._conv_features: torch.Tensor | None = None
        model.feature_extractor.register_forward_hook(self._keep_conv_features)
        self.group_norm = self._mask_group_norm()
        for layer in getattr(model.encoder.pos_conv_embed, "layers", []):  # data2vec's are stacked
            layer.register_forward_hook(self._mask_channels)

    @property
    def width(self) -> int:
        return self.model.config.hidden_size

    @property
    def conv_width(self) -> int:
        return self.model.config.conv_dim[-1]

    def _keep_conv_features(self, module, inputs, output):  # (B, L, T)
        self._conv_features = output.transpose(1, 2)

    def stages(self) -> list[nn.Module]:
        """Return the parts, first to last: convolutions, projections, then each layer.

        Encoders with stable layer norm (wav2vec 2.0 large) normalize after the last layer, the
        others before the first one.
        """
        encoder, layers = self.model.encoder, list(self.model.encoder.layers)
        below = [self.model.feature_projection, encoder.pos_conv_embed, encoder.dropout]
        if getattr(self.model.config, "do_stable_layer_norm", False):
            layers[-1] = nn.ModuleList([layers[-1], encoder.layer_norm])
        else:
            below.append(encoder.layer_norm)
        return [self.model.feature_extractor, nn.ModuleList(below), *layers]

    def seconds[T: (torch.Tensor, float)](self, positions: T) -> T:
        """Return the times of positions in frames; t + 1/2 is the middle of frame t's window."""
        hop = window = 1  # in samples
        for kernel, stride in zip(
            self.model.config.conv_kernel, self.model.config.conv_stride, strict=True
        ):
            hop, window = hop * stride, window + (kernel - 1) * hop
        return ((positions - 0.5) * hop + window / 2) / SAMPLE_RATE

    def frame_lengths(self, samples: torch.Tensor) -> torch.Tensor:
        """Return the number of frames (B,) of `samples` (B,)."""
        return self._strided(samples).clamp(min=0)

    def _strided[T: (torch.Tensor, int)](self, samples: T) -> T:
        """Return the steps that are left of `samples` by the convolutions; below 1: none."""
        config = self.model.config
        for kernel, stride in zip(config.conv_kernel, config.conv_stride, strict=True):
            samples = (samples - kernel) // stride + 1
        return samples

    def forward(
        self, waveforms: torch.Tensor, lengths: torch.Tensor, all_layers: bool = False
    ) -> Frames:
        """Encode waveforms (B, S) of `lengths` (B,) samples."""
        samples = valid_mask(lengths, waveforms.shape[1])
        if self.normalize:
            count = lengths[:, None]
            mean = (waveforms * samples).sum(1, keepdim=True) / count
            variance = (((waveforms - mean) * samples) ** 2).sum(1, keepdim=True) / count
            waveforms = (waveforms - mean) * torch.rsqrt(variance + 1e-7)
        waveforms = waveforms.masked_fill(~samples, 0.0)
        frame_lengths = self.frame_lengths(lengths)
        size = self._strided(waveforms.shape[1])
        self._frame_mask = valid_mask(frame_lengths, size)
        # Hugging Face refuses spans that are longer than the batch.
        masked = self.training and bool(self.spec_augment)
        self.model.config.apply_spec_augment = masked and size > self.model.config.mask_time_length
        if self.group_norm is not None:
            config = self.model.config
            first = (lengths - config.conv_kernel[0]) // config.conv_stride[0] + 1
            self.group_norm.lengths = first
        output = self.model(
            waveforms, attention_mask=samples.long(), output_hidden_states=all_layers
        )
        hidden = output.last_hidden_state
        if all_layers:  # hidden_states[0] is the input of layer 1
            hidden = torch.cat([*output.hidden_states[1:-1], hidden], dim=-1)
        features = hidden.masked_fill(~self._frame_mask[..., None], 0.0)
        assert self._conv_features is not None  # the hook keeps them
        conv_features = self._conv_features.masked_fill(~self._frame_mask[..., None], 0.0)
        self._conv_features = None  # free memory: it is as large as the features
        return Frames(features, frame_lengths, conv_features)

    def _mask_channels(self, module, inputs, output):  # (B, D, T) within the stack
        return output.masked_fill(~self._frame_mask[:, None], 0.0)

    def _mask_group_norm(self) -> MaskedGroupNorm | None:
        layer = self.model.feature_extractor.conv_layers[0]
        norm = getattr(layer, "layer_norm", None)
        if not isinstance(norm, nn.GroupNorm):
            return None
        masked = MaskedGroupNorm(norm.num_groups, norm.num_channels, norm.eps)
        masked.load_state_dict(norm.state_dict())
        layer.layer_norm = masked
        return masked
