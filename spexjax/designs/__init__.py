"""Which masks to evaluate."""

from spexjax.designs._biased import biased, checked_keep
from spexjax.designs._informative import informative
from spexjax.designs._sized import size_probabilities, sized, uniform_rows
from spexjax.designs._subsampled import Subsampled, subsampled, subsampled_size
from spexjax.designs._uniform import all_masks, uniform, uniform_size

__all__ = [
    "Subsampled",
    "all_masks",
    "biased",
    "checked_keep",
    "informative",
    "size_probabilities",
    "sized",
    "subsampled",
    "subsampled_size",
    "uniform",
    "uniform_rows",
    "uniform_size",
]
