"""WaBERT: a speech encoder, a CIF aligner and the frozen upper layers of BERT in one model."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from espnet_wabert.inference.pipeline import WaBERT

__all__ = ["WaBERT"]


def __getattr__(name: str):
    """Import `WaBERT` when it is used: torch and transformers take seconds."""
    if name == "WaBERT":
        from espnet_wabert.inference.pipeline import WaBERT

        return WaBERT
    if name == "__version__":
        from importlib.metadata import version

        return version("espnet_wabert")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
