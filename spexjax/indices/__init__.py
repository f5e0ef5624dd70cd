"""Interaction indices, read off a Fourier spectrum or a surrogate."""

from spexjax.indices.closed import standard_errors, surrogate_interactions
from spexjax.indices.convert import INDICES, check_index, interactions
from spexjax.indices.ends import Ends, with_ends
from spexjax.indices.interactions import Interactions
from spexjax.indices.measure import measure

__all__ = [
    "INDICES",
    "Ends",
    "Interactions",
    "check_index",
    "interactions",
    "measure",
    "standard_errors",
    "surrogate_interactions",
    "with_ends",
]
