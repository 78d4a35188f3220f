"""Whisper's encoder without what a graph cannot hold: a loop over windows, and a fast transform.

Shapes: B utterances, S samples, T frames, D the encoder's width, M mel bands.
"""

import numpy as np
import torch
from torch import nn

from espnet_wabert.modules.frames import Frames
from espnet_wabert.modules.mel_encoder import MelEncoder


def power(encoder: MelEncoder, samples: torch.Tensor) -> torch.Tensor:
    """Do what `MelEncoder.power` does, as a convolution.

    onnxruntime's STFT is slow and less exact.
    """
    size = encoder.WINDOW
    angles = 2 * np.pi / size * np.outer(np.arange(size // 2 + 1), np.arange(size))
    basis = torch.from_numpy(np.concatenate([np.cos(angles), np.sin(angles)])).float()
    kernels = (basis * encoder.window)[:, None]
    real, imaginary = nn.functional.conv1d(samples[:, None], kernels, stride=encoder.HOP).chunk(
        2, 1
    )
    return real.square() + imaginary.square()


def encode(
    encoder: MelEncoder, waveforms: torch.Tensor, lengths: torch.Tensor, all_layers: bool = False
) -> Frames:
    """Do what `MelEncoder.forward` does, with the windows of 30 s as one batch."""
    mel, own = encoder.log_mel(waveforms, lengths), lengths // encoder.HOP
    limit = 2 * encoder.model.config.max_source_positions
    batch, bands, frames = mel.shape
    width, count = torch.sym_min(frames, limit), (frames + limit - 1) // limit
    mel = nn.functional.pad(mel, (0, count * width - frames))
    windows = mel.reshape(batch, bands, count, width).transpose(1, 2).flatten(0, 1)
    starts = torch.arange(count, device=mel.device) * width
    in_window = (own[:, None] - starts).clamp(min=0).clamp(max=width).flatten()
    features, convolutions = (
        x.reshape(batch, count * x.shape[1], x.shape[2])[:, : (frames + 1) // 2]
        for x in encoder._encode(windows, in_window, all_layers)
    )
    return Frames(features, encoder.frame_lengths(lengths), convolutions)
