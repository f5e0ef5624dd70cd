"""Interaction indices, read off a Fourier spectrum or a surrogate."""

from spexjax.indices._closed import standard_errors, surrogate_interactions
from spexjax.indices._convert import INDICES, check_index, interactions
from spexjax.indices._ends import Ends, with_ends
from spexjax.indices._interactions import Interactions
from spexjax.indices._measure import measure

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
