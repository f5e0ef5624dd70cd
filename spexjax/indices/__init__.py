"""Interaction indices, read off a Fourier spectrum or a surrogate."""

from spexjax.indices._closed import standard_errors, surrogate_interactions
from spexjax.indices._convert import INDICES, check_index, interactions
from spexjax.indices._ends import Ends, with_ends
from spexjax.indices._interactions import Interactions
from spexjax.indices._measure import measure
from spexjax.indices._weights import TABLE, Index


def get(name):
    """Returns the record of an index."""
    return TABLE[check_index(name)]._replace(
        design="sized" if name in ("SV", "SII", "STII", "FSII", "k-SII") else "uniform"
    )


__all__ = [
    "INDICES",
    "Ends",
    "Index",
    "Interactions",
    "check_index",
    "get",
    "interactions",
    "measure",
    "standard_errors",
    "surrogate_interactions",
    "with_ends",
]
