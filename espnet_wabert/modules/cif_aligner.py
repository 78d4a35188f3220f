"""The encoder: the CIF aligner that turns frames into BERT's tokens.

Shapes: B utterances, T frames, D the frontend's width, N tokens, H BERT's width.
"""

import math

import torch
from torch import nn

from espnet_wabert.cif import ArgumentError, CIFOutput, cif
from espnet_wabert.errors import UserError
from espnet_wabert.modules.convolution import FrameConvolution
from espnet_wabert.modules.dropout import Dropout
from espnet_wabert.modules.espnet_bases import AbsEncoder
from espnet_wabert.modules.feature_shift import FeatureShift
from espnet_wabert.modules.masking import valid_mask


class ConvBlock(nn.Module):
    """A residual block over time: depthwise convolution, then a feed-forward layer."""

    def __init__(self, size: int, kernel_size: int, dropout: float):
        super().__init__()
        self.norm = nn.LayerNorm(size)
        self.depthwise = FrameConvolution(size, size, kernel_size, groups=size)
        self.feed_forward = nn.Sequential(
            nn.GELU(), nn.Linear(size, 2 * size), nn.GELU(), Dropout(dropout),
            nn.Linear(2 * size, size), Dropout(dropout),
        )  # fmt: skip

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Transform frames (B, T, D); mask (B, T, 1) is true within each length."""
        y = self.norm(x).masked_fill(~mask, 0.0)  # padding must equal the end of the audio
        return x + self.feed_forward(self.depthwise(y))


class WeightPredictor(nn.Module):
    """Convolution, then a sigmoid: the weight of each frame, in tokens.

    As in Dong & Xu (arXiv 1905.11235), whose CIF the paper takes; it gives no layers and no sizes.

    Args:
        initial_rate: tokens per frame before training; sets the bias. With far too many tokens at
            the start, the quantity loss dominates the others.
    """

    def __init__(self, size: int, hidden_size: int, kernel_size: int, initial_rate: float):
        super().__init__()
        self.convolution = FrameConvolution(size, hidden_size, kernel_size)
        self.projection = nn.Linear(hidden_size, 1)
        nn.init.constant_(self.projection.bias, math.log(initial_rate / (1.0 - initial_rate)))

    def forward(self, frames: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return weights (B, T) in 0..1, zero outside mask (B, T, 1), of frames (B, T, D)."""
        frames = frames.masked_fill(~mask, 0.0)
        logits = self.projection(torch.relu(self.convolution(frames)))
        # At least float32, under autocast too.
        weights = torch.sigmoid(logits.to(torch.promote_types(logits.dtype, torch.float32)))
        return weights.masked_fill(~mask, 0.0).squeeze(-1)


class CIFAligner(AbsEncoder):
    """Frames (B, T, D) to tokens (B, N, H): weights, integrate-and-fire, projection.

    Args:
        input_size: D.
        output_size: H; the builder gives BERT's.
        adapter_layers: number of residual convolution blocks before the weights. The paper trains
            the speech encoder and needs none; a frozen encoder needs some.
        adapter_size: width of these blocks; None: D.
        adapter_kernel: their kernel in frames (odd).
        hidden_size: channels of the weight predictor.
        kernel_size: its kernel in frames (odd).
        feature_shift: of the frames before the adapter, in training (`FeatureShift`).
        dropout: within the adapter and before the projection.
        initial_rate: tokens per frame before training (speech has 3 to 5 word pieces per second,
            and the encoders give 50 frames).
        tail_threshold: without a transcript, a residual weight above this fraction fires a final
            token.
    """

    def __init__(
        self,
        input_size: int,
        output_size: int = 768,
        adapter_layers: int = 0,
        adapter_size: int | None = None,
        adapter_kernel: int = 7,
        feature_shift: float = 0.0,
        hidden_size: int = 256,
        kernel_size: int = 5,
        dropout: float = 0.1,
        initial_rate: float = 0.08,
        tail_threshold: float = 0.5,
    ):
        super().__init__()
        for name, kernel in (("adapter_kernel", adapter_kernel), ("kernel_size", kernel_size)):
            if kernel % 2 != 1:
                raise UserError(f"encoder_conf.{name}: {kernel}: must be odd")
        for name, value in (("initial_rate", initial_rate), ("tail_threshold", tail_threshold)):
            if not 0.0 < value < 1.0:
                raise UserError(f"encoder_conf.{name}: {value}: must lie between 0 and 1")
        self.width = output_size
        self.frame_size = adapter_size or input_size  # D of the adapted frames
        self.tail_threshold = tail_threshold
        size = self.frame_size
        self.feature_shift = FeatureShift(feature_shift)
        self.input = nn.Linear(input_size, size) if adapter_size else nn.Identity()
        self.adapter = nn.ModuleList(
            ConvBlock(size, adapter_kernel, dropout) for _ in range(adapter_layers)
        )
        self.weight_predictor = WeightPredictor(size, hidden_size, kernel_size, initial_rate)
        self.dropout = Dropout(dropout)
        self.projection = nn.Linear(size, output_size)
        # BERT's layers end in a layer norm, and the layers above expect its scale. A cosine loss
        # cannot learn a scale, so the aligner ends in a layer norm that starts from BERT's.
        self.norm = nn.LayerNorm(output_size)

    def output_size(self) -> int:
        return self.width

    def start_norm(self, norm: nn.LayerNorm) -> None:
        """Initialize the last layer norm from that of the BERT layer that the aligner replaces."""
        self.norm.load_state_dict(norm.state_dict())

    def adapt(self, frames: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Return the adapted frames (B, T, D)."""
        mask = valid_mask(lengths, frames.shape[1])
        frames = self.input(self.feature_shift(frames, mask))
        for block in self.adapter:
            frames = block(frames, mask[..., None])
        return frames

    def fire(
        self,
        adapted: torch.Tensor,
        lengths: torch.Tensor,
        target_lengths: torch.Tensor | None = None,
    ) -> CIFOutput:
        """Integrate adapted frames (B, T, D) into tokens; `target_lengths` as in `forward`."""
        weights = self.weight_predictor(adapted, valid_mask(lengths, adapted.shape[1])[..., None])
        try:
            return cif(
                adapted, weights, lengths, target_lengths, tail_threshold=self.tail_threshold
            )
        except ArgumentError as error:  # weights that are not finite, for example
            raise UserError(f"CIF aligner: {error}") from error

    def project(self, vectors: torch.Tensor) -> torch.Tensor:
        """Project vectors (..., D), frames or tokens, into BERT's space (..., H)."""
        return self.norm(self.projection(self.dropout(vectors)))

    def forward(
        self,
        xs_pad: torch.Tensor,
        ilens: torch.Tensor,
        prev_states: torch.Tensor | None = None,
        target_lengths: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor, CIFOutput]:
        """Align frames with tokens.

        Args:
            xs_pad: frames (B, T, D).
            ilens: (B,) in frames.
            prev_states: not used; part of ESPnet's interface.
            target_lengths: number of tokens of each transcript (B,), with [CLS] and [SEP]; the
                weights are scaled to give exactly this number. None: the predicted number.

        Returns:
            Tokens (B, N, H), their lengths (B,), and the output of integrate-and-fire: boundaries
            of the tokens in frames, and the predicted quantity.
        """
        fired = self.fire(self.adapt(xs_pad, ilens), ilens, target_lengths)
        return self.project(fired.tokens), fired.token_lengths, fired
