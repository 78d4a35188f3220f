"""Whisper's encoder: waveforms (B, S) in, frames (B, T, D) out.

Shapes: B utterances, S samples, T frames, D the encoder's width, M mel bands.
"""

from typing import Any

import torch
from torch import nn
from transformers.audio_utils import mel_filter_bank

from espnet_wabert.constants import SAMPLE_RATE
from espnet_wabert.modules.frames import Frames
from espnet_wabert.modules.masking import attention_mask, valid_mask


class MelEncoder(nn.Module):
    """Whisper's encoder on log-mel frames, without its padding to 30 s.

    Longer audio is encoded in windows of 1500 frames (30 s), the number of Whisper's positions.
    """

    HOP, WINDOW = 160, 400  # samples

    model: Any  # of Hugging Face, without types
    filters: torch.Tensor
    window: torch.Tensor

    def __init__(self, model: Any):
        super().__init__()
        self.model = model
        model.layerdrop = 0.0
        filters = mel_filter_bank(
            1 + self.WINDOW // 2,
            model.config.num_mel_bins,
            0.0,
            8000.0,
            SAMPLE_RATE,
            "slaney",
            "slaney",
        )
        # Constants: not saved in checkpoints.
        self.register_buffer("filters", torch.tensor(filters).float(), persistent=False)
        self.register_buffer("window", torch.hann_window(self.WINDOW), persistent=False)

    @property
    def width(self) -> int:
        return self.model.config.d_model

    @property
    def conv_width(self) -> int:
        return self.model.config.d_model

    def stages(self) -> list[nn.Module]:
        """Return the parts, first to last: convolutions, positions, then each layer."""
        convolutions = nn.ModuleList([self.model.conv1, self.model.conv2])
        *layers, last = self.model.layers
        last = nn.ModuleList([last, self.model.layer_norm])
        return [convolutions, self.model.embed_positions, *layers, last]

    def seconds[T: (torch.Tensor, float)](self, positions: T) -> T:
        """Return the times of positions in frames: frame t is centered at 20 t ms."""
        return (positions - 0.5) * 2 * self.HOP / SAMPLE_RATE

    def frame_lengths(self, samples: torch.Tensor) -> torch.Tensor:
        """Return the number of frames (B,) of `samples` (B,): one for every two mel frames."""
        return (samples // self.HOP + 1) // 2

    def log_mel(self, waveforms: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Return Whisper's log-mel features (B, M, 2T), zero after each length."""
        waveforms = waveforms.masked_fill(~valid_mask(lengths, waveforms.shape[1]), 0.0)
        padded = nn.functional.pad(waveforms, (self.WINDOW // 2, self.WINDOW // 2))
        with torch.autocast(waveforms.device.type, enabled=False):
            power = self.power(padded.float())[..., : waveforms.shape[1] // self.HOP]
            mel = self.filters.T @ power
        mask = valid_mask(lengths // self.HOP, mel.shape[-1])[:, None]
        mel = mel.clamp(min=1e-10).log10().masked_fill(~mask, -10.0)
        mel = torch.maximum(mel, mel.amax(dim=(1, 2), keepdim=True) - 8.0)
        return ((mel + 4.0) / 4.0).masked_fill(~mask, 0.0)

    def power(self, samples: torch.Tensor) -> torch.Tensor:
        """Return the power spectrum (B, 1 + WINDOW / 2, frames) of samples (B, S)."""
        spectrum = torch.stft(
            samples, self.WINDOW, self.HOP, window=self.window, center=False, return_complex=True
        )
        return spectrum.abs().square()

    def forward(
        self, waveforms: torch.Tensor, lengths: torch.Tensor, all_layers: bool = False
    ) -> Frames:
        """Encode waveforms (B, S) of `lengths` (B,) samples."""
        mel, mel_lengths = self.log_mel(waveforms, lengths), lengths // self.HOP
        limit = 2 * self.model.config.max_source_positions
        windows = [
            self._encode(
                mel[..., start : start + limit], (mel_lengths - start).clamp(0, limit), all_layers
            )
            for start in range(0, max(mel.shape[-1], 1), limit)
        ]
        hidden, conv_features = (torch.cat(parts, dim=1) for parts in zip(*windows, strict=True))
        return Frames(hidden, self.frame_lengths(lengths), conv_features)

    def _encode(self, mel: torch.Tensor, lengths: torch.Tensor, all_layers: bool):
        """Return the layers' (B, T, D) or (B, T, K D) and the convolutions' (B, T, L) output."""
        model = self.model
        hidden = nn.functional.gelu(model.conv1(mel))
        # The second convolution must see the end of an utterance as it sees the end of a batch.
        hidden = hidden.masked_fill(~valid_mask(lengths, mel.shape[-1])[:, None], 0.0)
        conv_features = nn.functional.gelu(model.conv2(hidden)).transpose(1, 2)  # (B, T, D)
        hidden = conv_features + model.embed_positions.weight[: conv_features.shape[1]]
        frames = (lengths + 1) // 2
        attention = attention_mask(frames, hidden)
        outputs = []
        for layer in model.layers:
            hidden = layer(hidden, attention)
            outputs.append(hidden)
        outputs[-1] = model.layer_norm(hidden)
        hidden = torch.cat(outputs, dim=-1) if all_layers else outputs[-1]
        mask = valid_mask(frames, hidden.shape[1])[..., None]
        return tuple(x.masked_fill(~mask, 0.0) for x in (hidden, conv_features))
