"""Hugging Face speech encoders with one interface: waveform (B, S) in, frames (B, T, D) out.

Each utterance of a padded batch gets the frames that it gets alone. Hugging Face does not ensure
that: data2vec's stacked positional convolutions and the group norm of wav2vec 2.0 base depend on
the padding, and Whisper has no mask. `WaveformEncoder` and `MelEncoder` add the missing masks.
"""

from torch import nn
from transformers import PretrainedConfig

from espnet_wabert.errors import UserError
from espnet_wabert.modules.mel_encoder import MelEncoder
from espnet_wabert.modules.waveform_encoder import WaveformEncoder


def build_speech_encoder(
    config: PretrainedConfig,
    model: nn.Module,
    normalize: bool,
    spec_augment: dict[str, float] | None = None,
    layerdrop: float = 0.0,
) -> WaveformEncoder | MelEncoder:
    """Wrap a Hugging Face audio model of one of the supported types."""
    if config.model_type != "whisper":
        return WaveformEncoder(model, normalize, spec_augment, layerdrop)
    if spec_augment or layerdrop:
        raise UserError("frontend_conf: Whisper takes neither spec_augment nor layerdrop")
    return MelEncoder(getattr(model, "encoder", model))
