"""Interaction indices, read off a Fourier spectrum or a surrogate."""

from spexjax.indices._catalogue import RECORDS, is_built_in
from spexjax.indices._closed import standard_errors, surrogate_interactions
from spexjax.indices._convert import interactions
from spexjax.indices._ends import Ends, with_ends
from spexjax.indices._index import INDICES, Index, check_index, full_name, get, register
from spexjax.indices._interactions import Interactions
from spexjax.indices._tables import check_alike, check_same_features, combined, rows

for _record in RECORDS:
    register(_record)

__all__ = [
    "INDICES",
    "Ends",
    "Index",
    "Interactions",
    "check_alike",
    "check_index",
    "check_same_features",
    "combined",
    "full_name",
    "get",
    "interactions",
    "is_built_in",
    "register",
    "rows",
    "standard_errors",
    "surrogate_interactions",
    "with_ends",
]
