"""Which masks to evaluate."""

from spexjax.designs.sized import size_probabilities, sized, uniform_rows
from spexjax.designs.uniform import uniform, uniform_size

__all__ = ["size_probabilities", "sized", "uniform", "uniform_rows", "uniform_size"]
