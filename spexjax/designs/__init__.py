"""Which masks to evaluate."""

from spexjax.designs.uniform import uniform, uniform_size

__all__ = ["uniform", "uniform_size"]
