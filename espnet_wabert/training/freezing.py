"""Keep the speech encoder of a sentiment model unchanged in the first updates."""

import torch

from espnet_wabert.models.sentiment import WaBERTSentiment


def skip_frozen_steps(optimizer: torch.optim.Optimizer, model: WaBERTSentiment) -> None:
    """Let the optimizer skip the speech encoder in the first `frozen_steps` updates.

    The encoder's gradients are zero then, because DDP waits for one of every parameter. With a
    gradient of zero AdamW still decays the weights, and it counts the step: its bias correction is
    over when training begins, and the first updates are several times too large.
    """

    def remove_gradients(optimizer, args, kwargs):
        if model.updates is not None and model.updates <= model.frozen_steps * model.accum_grad:
            for parameter in model.frontend.parameters():
                parameter.grad = None

    optimizer.register_step_pre_hook(remove_gradients)
