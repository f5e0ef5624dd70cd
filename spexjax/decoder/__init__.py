"""SPEX decoding: values of a subsampled design in, the sparse Fourier spectrum out."""

from spexjax.decoder.decode import Decoded, Status, decode

__all__ = ["Decoded", "Status", "decode"]
