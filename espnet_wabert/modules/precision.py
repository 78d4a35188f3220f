"""The number formats of models: float32, or bfloat16 where it is faster.

In inference it is that of speech encoders, a recognizer's too; in training on a CPU, that of the
whole model.
"""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from espnet_wabert.constants import PRECISIONS
from espnet_wabert.errors import UserError


def has_bfloat16() -> bool:
    """Return whether the CPU multiplies in bfloat16; others would imitate it, very slowly."""
    found: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return any(found.get(name, False) for name in ("avx512_bf16", "amx_bf16", "bf16"))


def mixed_precision(use_amp: bool, device: str) -> str:
    """Return what ESPnet's `use_amp` means for a module on a device, one of `PRECISIONS`.

    ESPnet's is float16 on a GPU, by its own autocast. On a CPU it is bfloat16 here, if it has that.
    """
    return "bfloat16" if use_amp and device == "cpu" and has_bfloat16() else "float32"


def check_precision(precision: str, device: str) -> None:
    """Check that a device can use a precision.

    Raises:
        UserError: it is none of `PRECISIONS`, or the CPU has no such arithmetic.
    """
    if precision not in PRECISIONS:
        raise UserError(f"precision {precision}: must be one of {', '.join(PRECISIONS)}")
    if precision == "bfloat16" and device == "cpu" and not has_bfloat16():
        raise UserError("precision bfloat16: this CPU does not have it; use float32")


def arithmetic(precision: str, device: str) -> AbstractContextManager:
    """Return the context of bfloat16, or one that leaves that of training as it is."""
    if precision == "bfloat16":
        return torch.autocast(torch.device(device).type, torch.bfloat16)
    return nullcontext()


def token_attention(device: torch.device) -> AbstractContextManager:
    """Return the context for attention between the tokens of transcripts.

    In bfloat16 on a CPU torch's fused kernel multiplies the matrices of each head of each utterance
    one by one; for a dozen tokens one product of all of them is 7 times as fast in training.
    """
    if device.type == "cpu" and torch.is_autocast_enabled("cpu"):
        return sdpa_kernel(SDPBackend.MATH)
    return nullcontext()
