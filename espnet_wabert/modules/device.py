"""Where a model computes."""

import torch

from espnet_wabert.errors import UserError, first_line


def check_device(device: str) -> None:
    """Check that a device is there.

    Raises:
        UserError: torch does not know it, or this machine does not have it.
    """
    try:
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise UserError(f"device {device}: {first_line(error)}") from None
