"""Frozen parts: they take no gradient, stay in eval mode, and stay out of checkpoints."""

import zlib
from collections.abc import Iterable

import torch
from torch import nn


def freeze(modules: Iterable[nn.Module]) -> None:
    """Take every parameter of `modules` out of training."""
    for module in modules:
        module.requires_grad_(False)


def eval_frozen(module: nn.Module) -> None:
    """Put every submodule whose parameters are all frozen into eval mode.

    ESPnet's `--freeze_param` and `requires_grad_(False)` leave dropout on; a frozen part with
    dropout gives other targets at every step.
    """
    parameters = list(module.parameters())
    if parameters and not any(p.requires_grad for p in parameters):
        for part in module.modules():
            part.training = False  # not eval(): a part's own train() may call this
    else:
        for child in module.children():
            eval_frozen(child)


class FrozenInEval(nn.Module):
    """Base of modules whose frozen parts stay in eval mode in training."""

    def train(self, mode: bool = True):
        super().train(mode)
        eval_frozen(self)
        return self


def fingerprint(tensor: torch.Tensor) -> int:
    """Return a checksum of the tensor's bytes."""
    flat = tensor.detach().cpu().contiguous().flatten()
    return zlib.crc32(flat.view(torch.uint8).numpy())


class SlimCheckpoints:
    """Leave weights out of `state_dict()` that can be loaded again from a pretrained source.

    A data2vec-base and a BERT-base are 800 MB that never change. Without them an epoch's checkpoint
    holds only what was learned. A tensor is left out only while it is frozen *and* byte for byte as
    its source gave it, so weights that came from `--init_param`, or were trained earlier, are
    kept. Loading puts the others back from the model at hand, and `full=True` writes all.

    Args:
        model: the whole model, just built from its sources.
        names: the parts (prefixes of state_dict keys) that come from a pretrained source.
        new: parts of these that their source lacks: they are random, and in no checksum.
    """

    def __init__(self, model: nn.Module, names: Iterable[str], new: Iterable[str] = ()):
        prefixes = tuple(f"{name}." for name in names)
        self.full = False
        self.new = tuple(f"{name}." for name in new)
        self.sources = {
            key: fingerprint(value)
            for key, value in model.state_dict().items()
            if key.startswith(prefixes)
        }
        model.register_state_dict_post_hook(lambda *hook: self._leave_out(*hook))
        model.register_load_state_dict_pre_hook(lambda *hook: self._put_back(*hook))

    def digests(self) -> dict[str, str]:
        """Return a checksum of the source's weights for each part of the model (frontend, ...)."""
        parts: dict[str, int] = {}
        for key, source in sorted(self.sources.items()):
            if key.endswith("masked_spec_embed") or key.startswith(self.new):
                continue  # the first is for SpecAugment alone, and random where the source lacks it
            part = key.split(".")[0]
            parts[part] = zlib.crc32(f"{key} {source}".encode(), parts.get(part, 0))
        return {part: f"{value:08x}" for part, value in parts.items()}

    def _leave_out(self, model: nn.Module, state: dict, prefix: str, metadata: dict) -> None:
        trainable = {name for name, p in model.named_parameters() if p.requires_grad}
        for key, source in self.sources.items():
            name = prefix + key
            if self.full or key in trainable or name not in state:
                continue
            if fingerprint(state[name]) == source:
                del state[name]

    def _put_back(self, model: nn.Module, state: dict, prefix: str, *rest) -> None:
        for key, value in full_state_dict(model, self).items():
            if key in self.sources:
                state.setdefault(prefix + key, value)


def full_state_dict(
    model: nn.Module, slim: SlimCheckpoints | None = None
) -> dict[str, torch.Tensor]:
    """Return the model's state with the frozen weights in it, as a packed model needs it."""
    slim = slim or getattr(model, "slim_checkpoints", None)
    if slim is None:
        return model.state_dict()
    was, slim.full = slim.full, True
    try:
        return model.state_dict()
    finally:
        slim.full = was
