"""All alignment methods, the best first. A new one is a module of its own and a line here.

The order is that of their word boundary errors on unseen voices (RESULTS.md).
"""

from espnet_wabert.alignment.cif_method import CIFMethod
from espnet_wabert.alignment.grapheme_method import GraphemeMethod
from espnet_wabert.alignment.method import AlignmentMethod
from espnet_wabert.alignment.similarity_method import SimilarityMethod
from espnet_wabert.models.wabert import WaBERT

METHODS: tuple[AlignmentMethod, ...] = (GraphemeMethod(), SimilarityMethod(), CIFMethod())


def available_methods(model: WaBERT) -> dict[str, AlignmentMethod]:
    """Return the methods that a model has the parts for, by name, the best first."""
    return {method.name: method for method in METHODS if method.available(model)}
