"""ESPnet's base classes of the parts of a model, where ESPnet is installed.

Training runs in ESPnet, which asks for them. Inference needs nothing of ESPnet, so that a light
installation without it has plain torch modules in their places.
"""

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from torch import nn

if TYPE_CHECKING or find_spec("espnet2"):
    from espnet2.asr.encoder.abs_encoder import AbsEncoder
    from espnet2.asr.frontend.abs_frontend import AbsFrontend
    from espnet2.asr.postencoder.abs_postencoder import AbsPostEncoder
    from espnet2.torch_utils.device_funcs import force_gatherable
    from espnet2.train.abs_espnet_model import AbsESPnetModel
else:
    AbsEncoder = AbsFrontend = AbsPostEncoder = AbsESPnetModel = nn.Module

    def force_gatherable(data: Any, device: Any) -> Any:
        """Return the data; only ESPnet's trainer gathers it from several devices."""
        return data


__all__ = ["AbsESPnetModel", "AbsEncoder", "AbsFrontend", "AbsPostEncoder", "force_gatherable"]
