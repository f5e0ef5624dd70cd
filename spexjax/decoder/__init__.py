"""SPEX decoding: values of a subsampled design in, the sparse Fourier spectrum out."""

from spexjax.decoder._bins import bins_of, to_bins
from spexjax.decoder._decode import Decoded, Status, decode
from spexjax.decoder._many import decode_many

__all__ = ["Decoded", "Status", "bins_of", "decode", "decode_many", "to_bins"]
