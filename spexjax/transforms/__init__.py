"""Transforms of a function known at every mask: Walsh-Hadamard, Möbius, zeta, and the exact spectrum."""

from spexjax.transforms._exact import exact_spectrum
from spexjax.transforms._hadamard import host_walsh_hadamard, mobius, walsh_hadamard, zeta

__all__ = ["exact_spectrum", "host_walsh_hadamard", "mobius", "walsh_hadamard", "zeta"]
