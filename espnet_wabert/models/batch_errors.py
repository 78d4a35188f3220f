"""Errors of a training batch name its utterances; a loss that is not finite is such an error."""

import functools
from collections.abc import Callable, Iterable
from typing import Any

from espnet_wabert.errors import UserError
from espnet_wabert.formats.lines import name_some

SHOWN = 20  # utterances of a batch


def named_batch(forward: Callable[..., Any]) -> Callable[..., Any]:
    """Let a model's `forward` stop on a loss that is not finite, and name the batch in its errors.

    Losses are computed in float32, under autocast too: a loss that is not finite is a divergence or
    a bad input. Overflows of scaled gradients, which autocast expects, come later and are left to
    the gradient scaler.

    Args:
        forward: returns the loss, the statistics and the weight; ESPnet's trainer also gives it
            `utt_id`, the ids of the batch.
    """

    @functools.wraps(forward)
    def wrapper(self, *args, utt_id: Iterable[str] = (), **kwargs):
        try:
            loss, stats, weight = forward(self, *args, **kwargs)
            if not bool(loss.isfinite().all()):
                terms = ", ".join(f"{name} {float(value):g}" for name, value in stats.items())
                raise UserError(f"the loss is not finite ({terms})")
        except UserError as error:
            names = list(utt_id)
            if not names:
                raise
            raise UserError(f"{error}; in the batch of {name_some(names, SHOWN)}") from error
        return loss, stats, weight

    return wrapper
