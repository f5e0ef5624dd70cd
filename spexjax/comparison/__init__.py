"""Explanations side by side: what two agree on, the mean of several, and aggregates over texts."""

from spexjax.comparison._aggregate import Aggregate, aggregate
from spexjax.comparison._compare import Comparison, compare
from spexjax.comparison._mean import mean

__all__ = ["Aggregate", "Comparison", "aggregate", "compare", "mean"]
