"""The methods of `explain` and `fit` by name."""

from spexjax.methods._resolve import METHODS, check_name, resolve
from spexjax.methods._spex import Spex, SpexPlan, spex

__all__ = ["METHODS", "Spex", "SpexPlan", "check_name", "resolve", "spex"]
