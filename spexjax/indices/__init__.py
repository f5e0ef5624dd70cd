"""Interaction indices, read off a Fourier spectrum."""

from spexjax.indices.convert import INDICES, check_index, interactions
from spexjax.indices.interactions import Interactions

__all__ = ["INDICES", "Interactions", "check_index", "interactions"]
