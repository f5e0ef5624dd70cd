"""BCH codes over GF(2): parities that identify a set of at most t features, and the decoder that recovers the set."""

from spexjax.codes._bch import BCH, bch, parity_size
from spexjax.codes._decode import decode
from spexjax.codes._field import MAX_DEGREE, Field, field, inverse, multiply
from spexjax.codes._gf2 import independent_rows, random_full_rank, rank

__all__ = [
    "BCH",
    "MAX_DEGREE",
    "Field",
    "bch",
    "decode",
    "field",
    "independent_rows",
    "inverse",
    "multiply",
    "parity_size",
    "random_full_rank",
    "rank",
]
