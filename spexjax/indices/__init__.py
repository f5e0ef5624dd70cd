"""Interaction indices, read off a Fourier spectrum."""

from spexjax.indices.convert import INDICES, interactions
from spexjax.indices.interactions import Interactions

__all__ = ["INDICES", "Interactions", "interactions"]
