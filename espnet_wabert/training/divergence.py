"""Stop a training whose gradients are not finite, and name the batch.

ESPnet's trainer skips such a step with a warning, goes on with the next one, and after an epoch of
them saves a checkpoint and ends as if it were done. With a gradient scaler (use_amp on a GPU) a
skipped step can be an overflow of the *scaled* gradients in float16: the scaler halves its scale
and training goes on. If they overflow at a scale of 1 or less, the gradients themselves are not
finite: that is a divergence.
"""

import logging
import math
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from espnet_wabert.errors import UserError
from espnet_wabert.formats.lines import name_some
from espnet_wabert.models.batch_errors import SHOWN

GRADIENT_NORM = "grad_norm"  # reported by ESPnet's trainer for each step that it does


class Scaler(Protocol):
    """A gradient scaler, as torch.amp.GradScaler."""

    def get_scale(self) -> float: ...


class WatchedBatches:
    """The batches of an epoch; after each step, look whether ESPnet's trainer has done it.

    Args:
        batches: ids and tensors of each batch; has a length.
        reporter: ESPnet's SubReporter of the epoch.
        accum_grad: batches per step.
        scaler: the gradient scaler; None without float16.
    """

    def __init__(self, batches: Any, reporter: Any, accum_grad: int, scaler: Scaler | None = None):
        self.batches, self.reporter = batches, reporter
        self.accum_grad, self.scaler = accum_grad, scaler
        self.steps = 0  # tried, whether they were done or skipped

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[tuple[Sequence[str], dict]]:
        """Yield each batch.

        Raises:
            UserError: the gradients of a step are not finite.
        """
        ids: list[str] = []
        for number, (names, batch) in enumerate(self.batches, start=1):
            scale = self.scaler.get_scale() if self.scaler is not None else 1.0
            ids += names
            yield names, batch
            if number % self.accum_grad == 0:
                self.steps += 1
                if not self._done():
                    self._skipped(ids, scale)
                ids = []

    def _done(self) -> bool:
        """Return whether the last step was done; the report of a skipped one is filled with nan."""
        norms = self.reporter.stats.get(GRADIENT_NORM)
        return bool(norms) and math.isfinite(float(norms[-1].value))

    def _skipped(self, ids: Sequence[str], scale: float) -> None:
        where = f"in the batch of {name_some(ids, SHOWN)}"
        if scale > 1:
            logging.warning(
                "the gradients overflow float16 at a loss scale of %g; the step is skipped and the"
                " scale is halved; %s",
                scale,
                where,
            )
            return
        raise UserError(
            f"the loss is finite, but its gradients are not: the training diverges; {where}"
        )
